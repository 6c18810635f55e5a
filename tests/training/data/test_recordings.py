"""Recordings that do not arrive: what a run does with the others, and what becomes of them."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from shared.errors import FetchError, TrainingDataError
from shared.labelling.annotations import Annotation
from shared.labelling.label_config import parse_label_config
from tests.support.label_studio import CONFIG
from training.data.recordings import WAITS, Loaded, load_recordings
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


def task(number: int, *annotations: Annotation) -> AnnotatedTask:
    return AnnotatedTask(id=number, data={"csv_url": f"{number}.csv"}, meta={}, annotations=list(annotations))


def run_between(start: Any, end: Any, label: str = "Run") -> dict[str, Any]:
    return {**RUN, "value": {"start": start, "end": end, "instant": False, "timeserieslabels": [label]}}


def load(*tasks: AnnotatedTask, **more: Any) -> Loaded:
    return load_recordings(
        tasks, parse_label_config(CONFIG), Recordings({}), "background", sleep=lambda _: None, **more
    )


def load_timed(steps: Sequence[float], time_column: str = "time") -> Loaded:
    """One recording for each step of time, 60 rows of it."""

    class Timed:
        def fetch(self, value: Any, *, task_id: int | None = None) -> bytes:
            step = steps[(task_id or 1) - 1]
            return b"time,value\n" + b"".join(b"%.1f,%d.5\n" % (row * step, row % 7) for row in range(60))

    config = parse_label_config(CONFIG.replace("<TimeSeries ", f'<TimeSeries timeColumn="{time_column}" '))
    tasks = [task(number, Annotation(id=number, result=[run_between(0.2, 1.0)])) for number in range(1, len(steps) + 1)]
    return load_recordings(tasks, config, Timed(), "background")


def test_a_recording_none_of_whose_regions_can_be_read_is_left_out_and_reported() -> None:
    lost = task(4, Annotation(id=4, result=[run_between("0NaN-NaN", None), run_between(500, 600)]))
    loaded = load(*TASKS, lost)
    assert [each.key for each in loaded.recordings] == ["1", "2", "3"]
    assert any(note == "Task 4 was skipped: none of its regions can be read." for note in loaded.notes)
    assert {doubt.kind for doubt in loaded.doubts} == {"unreadable-region", "outside-region"}


def test_a_recording_without_a_value_teaches_nothing_but_can_be_looked_at() -> None:
    class Units(Recordings):
        def fetch(self, value: Any, *, task_id: int | None = None) -> bytes:
            return b"value\n" + b"7 g\n" * 60 if value == "2.csv" else super().fetch(value, task_id=task_id)

    config = parse_label_config(CONFIG)
    loaded = load_recordings(TASKS, config, Units({}), "background")
    assert [each.key for each in loaded.recordings] == ["1", "3"]
    assert "Task 2 was skipped: none of its channels holds a value." in loaded.notes
    assert any("the first is '7 g' in row 0" in note for note in loaded.notes)
    assert len(load_recordings(TASKS, config, Units({}), "background", to_learn=False).recordings) == 3
    with pytest.raises(TrainingDataError, match=r"None of the 1 annotated .* holds a value"):
        load_recordings(TASKS[1:2], config, Units({}), "background")


def test_rows_of_a_region_that_cannot_be_read_teach_no_background() -> None:
    half = task(4, Annotation(id=4, result=[run_between(10, 19), run_between(30, "0NaN")]))
    recording = load(*TASKS, half).recordings[-1]
    assert np.flatnonzero(~recording.known[:, 0]).tolist() == list(range(30, 60))


def test_all_that_is_left_out_adds_up() -> None:
    many = [
        task(number, Annotation(id=number, result=[RUN, *[run_between(f"{number}:{place}", 9) for place in range(9)]]))
        for number in range(10, 17)
    ]
    loaded = load(*many)
    assert sum(int(count) for note in loaded.notes for count in re.findall(r"(\d+) ×", note)) == 63


def test_predictions_accepted_unchanged_are_left_out_and_counted_unless_they_shall_be_learned() -> None:
    made = [task(n, Annotation(id=n, result=[RUN], annotator="1", machine_made=True)) for n in (5, 6)]
    loaded = load(*TASKS, *made)
    assert len(loaded.recordings) == 3
    assert [doubt.sentence for doubt in loaded.doubts if doubt.kind == "machine-made"] == [
        "Left out 2 × annotations that are predictions accepted without a change. For example task 5: annotation 5."
    ]
    learned = load(*TASKS, *made, machine_annotations="learn")
    assert [each.machine_made for each in learned.recordings] == [False, False, False, True, True]
    with pytest.raises(TrainingDataError, match="MACHINE_ANNOTATIONS=learn"):
        load(*made)


def test_annotators_who_differ_are_reported_by_task_and_the_latest_may_decide_alone() -> None:
    first = Annotation(id=1, result=[run_between(10, 39)], annotator="1", updated_at="2026-01-01")
    second = Annotation(id=2, result=[run_between(10, 29)], annotator="2", updated_at="2026-01-02")
    both = task(7, first, second)
    loaded = load(*TASKS, both)
    (reported,) = (doubt for doubt in loaded.doubts if doubt.kind == "disagreement")
    assert "task 7" in reported.sentence
    assert reported.share == pytest.approx(10 / 60)
    latest = load(*TASKS, both, annotators="latest").recordings[-1]
    assert latest.known.all()
    assert np.count_nonzero(latest.labels) == 20


def test_what_was_found_is_noted_where_nothing_can_be_learned() -> None:
    first = Annotation(id=1, result=[RUN], annotator="1", updated_at="2026-01-01")
    second = Annotation(id=2, result=[], annotator="2", updated_at="2026-01-02")
    with pytest.raises(TrainingDataError) as found:
        load(task(7, first, second))
    assert any("annotators of task 7" in note for note in found.value.__notes__)


def test_without_a_row_that_is_known_nothing_can_be_learned() -> None:
    whole = [Annotation(id=n, result=[run_between(0, 59, label)]) for n, label in ((1, "Run"), (2, "Walk"))]
    with pytest.raises(TrainingDataError, match="No row of the 1 annotated recordings is known for certain"):
        load(task(7, *whole))


@pytest.mark.parametrize(("cut", "named"), [(1, True), (3, False)])
def test_files_without_a_last_line_break_are_named_where_others_have_one(cut: int, named: bool) -> None:
    class Cut(Recordings):
        def fetch(self, value: Any, *, task_id: int | None = None) -> bytes:
            whole = super().fetch(value)
            return whole.rstrip() if task_id and task_id <= cut else whole

    loaded = load_recordings(TASKS, parse_label_config(CONFIG), Cut({}), "background")
    reported = [doubt.sentence for doubt in loaded.doubts if doubt.kind == "unterminated"]
    assert [each[:7] for each in reported] == (["Task 1:"] if named else [])
