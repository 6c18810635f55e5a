"""What people made of predicted regions, from messages of a real Label Studio and from made-up ones."""

from typing import Any

import pytest

from shared.errors import LabelStudioError
from shared.label_studio.messages import StoredResult
from shared.labelling.label_config import parse_label_config
from shared.retraining.region_use import AnnotationUse, Uses, summarise
from training.data.tasks import AnnotatedTask, read_task
from training.people import compare_regions, use_of_predictions

CONFIG = parse_label_config(
    '<View><TimeSeriesLabels name="label" toName="ts"><Label value="Run"/><Label value="Walk"/></TimeSeriesLabels>'
    '<TimeSeries name="ts" value="$csv_url" timeColumn="time"><Channel column="a"/></TimeSeries></View>'
)
SUBMITTED: dict[str, Any] = {  # by Label Studio 1.23.2, after a person drew one region beside two predicted ones
    "id": 10,
    "result": [
        {
            "value": {"start": 10, "end": 40, "instant": False, "timeserieslabels": ["Run"]},
            "id": "q1",
            "from_name": "label",
            "to_name": "ts",
            "type": "timeserieslabels",
            "origin": "prediction",
            "score": 0.8,
        },
        {
            "value": {"start": 60, "end": 85, "instant": False, "timeserieslabels": ["Walk"]},
            "id": "q2",
            "from_name": "label",
            "to_name": "ts",
            "type": "timeserieslabels",
            "origin": "prediction",
            "score": 0.8,
        },
        {
            "value": {"start": 45, "end": 55, "instant": False, "timeserieslabels": ["Run"]},
            "id": "f86HkQhoR8",
            "from_name": "label",
            "to_name": "ts",
            "type": "timeserieslabels",
            "origin": "manual",
        },
    ],
    "was_cancelled": False,
    "ground_truth": False,
    "created_at": "2026-11-23T23:23:54.814592Z",
    "updated_at": "2026-11-23T23:23:54.814633Z",
    "lead_time": 3.786,
    "prediction": {},
    "completed_by": 1,
    "parent_prediction": 169,
}


def region(name: str, start: object, end: object, *labels: str, tags: str = "label") -> dict[str, Any]:
    value = {"start": start, "end": end, "instant": False, "timeserieslabels": list(labels)}
    return {"id": name, "from_name": tags, "to_name": "ts", "type": "timeserieslabels", "value": value}


PREDICTED = [region("q1", 10, 40, "Run"), region("q2", 60, 80, "Walk"), region("q3", 90, 95, "Run")]


def read(raw: dict[str, Any], **more: Any) -> list[AnnotatedTask]:
    task = read_task({"id": 130, "data": {}, "annotations": [raw], **more})
    assert task is not None
    return [task]


def stored(number: int) -> StoredResult:
    return StoredResult(id=number, model_version="20261123T231501Z-9f3c2a", result=PREDICTED)


def test_regions_are_the_same_where_their_ids_are() -> None:
    found = use_of_predictions(read(SUBMITTED), CONFIG, {}, stored)
    assert found == [
        AnnotationUse(
            annotation=10,
            updated_at="2026-11-23T23:23:54.814633+00:00",
            person="1",
            version="20261123T231501Z-9f3c2a",
            uses={"Run": Uses(unchanged=1, deleted=1, added=1), "Walk": Uses(moved=1)},
        )
    ]


@pytest.mark.parametrize(
    ("annotated", "uses"),
    [
        (region("q1", 10.0, 40.0, "Run"), {"Run": Uses(unchanged=1)}),
        (region("q1", 10 + 1e-13, 40, "Run"), {"Run": Uses(unchanged=1)}),
        (region("q1", 10, 41, "Run"), {"Run": Uses(moved=1)}),
        (region("q1", 12, 41, "Walk"), {"Run": Uses(relabelled=1)}),
        (region("other", 10, 40, "Run"), {"Run": Uses(deleted=1, added=1)}),
        (region("q1", 10, 40, "Run", tags="other"), {"Run": Uses(deleted=1)}),
        ("no region", {"Run": Uses(deleted=1)}),
    ],
)
def test_the_fate_of_a_region(annotated: Any, uses: dict[str, Uses]) -> None:
    assert compare_regions([region("q1", 10, 40, "Run")], [annotated], CONFIG) == uses


def test_what_was_compared_is_not_read_again_until_the_annotation_changes() -> None:
    asked: list[int] = []

    def reader(number: int) -> StoredResult:
        asked.append(number)
        return stored(number)

    first = use_of_predictions(read(SUBMITTED), CONFIG, {}, reader)
    known = {each.annotation: each for each in first}
    assert use_of_predictions(read(SUBMITTED), CONFIG, known, reader) == first
    assert asked == [169]
    changed = {**SUBMITTED, "result": SUBMITTED["result"][:1], "updated_at": "2026-11-24T00:00:00Z"}
    [again] = use_of_predictions(read(changed), CONFIG, known, reader)
    assert again.uses == {"Run": Uses(unchanged=1, deleted=1), "Walk": Uses(deleted=1)}
    assert asked == [169, 169]
    gone = {**changed, "parent_prediction": None}  # what Label Studio makes of it when the prediction is deleted
    assert use_of_predictions(read(gone), CONFIG, known, reader) == first


def test_an_export_needs_no_label_studio() -> None:
    prediction = {"id": 169, "model_version": "v", "result": PREDICTED}
    for tasks in (
        read(SUBMITTED, predictions=[{"id": 1, "result": []}, prediction]),
        read({**SUBMITTED, "prediction": prediction}, predictions=[169]),
    ):
        [found] = use_of_predictions(tasks, CONFIG, {}, None)
        assert (found.version, found.uses["Run"].unchanged) == ("v", 1)
    assert use_of_predictions(read(SUBMITTED, predictions=[169]), CONFIG, {}, None) == []


def test_accepted_without_a_look_and_unreadable_predictions_say_nothing() -> None:
    def away(number: int) -> StoredResult:
        raise LabelStudioError("It does not answer.")

    assert use_of_predictions(read({**SUBMITTED, "lead_time": None}), CONFIG, {}, stored) == []
    assert use_of_predictions(read(SUBMITTED), CONFIG, {}, away) == []
    assert use_of_predictions(read(SUBMITTED), CONFIG, {}, lambda _: None) == []
    assert use_of_predictions(read({**SUBMITTED, "parent_prediction": None}), CONFIG, {}, stored) == []


def test_sums_by_label_version_person_and_month() -> None:
    first = use_of_predictions(read(SUBMITTED), CONFIG, {}, stored)
    later = AnnotationUse(11, "2026-12-01T00:00:00+00:00", "2", "v", {"Run": Uses(unchanged=2)})
    found = {(each.by, each.name): each for each in summarise([*first, later])}
    every = found["all", ""]
    assert (every.annotations, every.predicted, every.unchanged, every.added) == (2, 5, 3, 1)
    assert found["label", "Run"].predicted == 4
    assert {name: found["month", name].annotations for name in ("2026-11", "2026-12")} == {"2026-11": 1, "2026-12": 1}
    assert found["person", "2"].unchanged == found["version", "v"].unchanged == 2
