"""Recordings that do not arrive: what a run does with the others, and what becomes of them."""

from typing import Any

import pytest

from shared.errors import FetchError, TrainingDataError
from shared.labelling.annotations import Annotation
from shared.labelling.label_config import parse_label_config
from tests.support.label_studio import CONFIG
from training.data.recordings import WAITS, load_recordings
from training.data.tasks import AnnotatedTask

RUN = {
    "from_name": "label",
    "to_name": "ts",
    "type": "timeserieslabels",
    "value": {"start": 10, "end": 29, "instant": False, "timeserieslabels": ["Run"]},
}
TASKS = [
    AnnotatedTask(
        id=number, data={"csv_url": f"{number}.csv"}, meta={}, annotations=[Annotation(id=number, result=[RUN])]
    )
    for number in (1, 2, 3)
]


class Recordings:
    """A source in which some recordings fail a few times, with an error that passes, or always."""

    def __init__(self, failures: dict[str, int]) -> None:
        self.failures = failures

    def fetch(self, value: Any, *, task_id: int | None = None) -> bytes:
        if self.failures.get(value, 0) > 0:
            self.failures[value] -= 1
            raise FetchError(f"{value} was not read: the server answered 503.")
        return b"value\n" + b"".join(b"%d.5\n" % (row % 7) for row in range(60))


def test_a_passing_failure_is_waited_out() -> None:
    pauses: list[float] = []
    loaded = load_recordings(
        TASKS, parse_label_config(CONFIG), Recordings({"2.csv": 2}), "background", sleep=pauses.append
    )
    assert len(loaded.recordings) == 3
    assert pauses == list(WAITS[:2])
    assert not loaded.missing


def test_what_does_not_arrive_is_named_as_missing_and_the_others_are_used() -> None:
    pauses: list[float] = []
    loaded = load_recordings(
        TASKS, parse_label_config(CONFIG), Recordings({"2.csv": 99, "3.csv": 99}), "background", sleep=pauses.append
    )
    assert [task.id for task in loaded.missing] == [2, 3]
    assert len(loaded.recordings) == 1
    assert pauses == list(WAITS)  # for the whole run, not for each recording
    assert any("Task 2 was skipped" in note for note in loaded.notes)


def test_a_run_whose_last_hope_may_still_arrive_is_tried_again() -> None:
    tasks = [AnnotatedTask(id=9, data={}, meta={}, annotations=TASKS[0].annotations), TASKS[1]]
    never = Recordings({"2.csv": 99})
    with pytest.raises(FetchError):
        load_recordings(tasks, parse_label_config(CONFIG), never, "background", sleep=lambda _: None)
    with pytest.raises(TrainingDataError):
        load_recordings(tasks[:1], parse_label_config(CONFIG), never, "background", sleep=lambda _: None)
