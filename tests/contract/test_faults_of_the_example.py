"""What the well-known example backend gets wrong, each seen right here."""

from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from inference.web.app import create_app
from shared.labelling.label_config import parse_label_config
from shared.labelling.segments import Segment
from shared.labelling.time_axis import TimeAxis
from shared.recordings.series import Series, read_series
from shared.settings import Settings
from tests.inference.conftest import CONFIG, VALUES, Publish, Serve, batch
from training.data.annotations import AnnotatedSeries, choose_label_kinds, label_rows
from training.judging.evaluate import HeldOutPrediction, score

SETUP = {"project": "3.17", "schema": CONFIG}


def test_the_model_version_changes_with_every_training(serve: Serve, publish: Publish) -> None:
    versions = []
    for version in ("20260101T000000Z-aaaaaa", "20260102T000000Z-bbbbbb"):
        publish(version=version)
        with serve() as client:
            versions.append(client.post("/setup", json=SETUP).json()["model_version"])
    assert versions == ["20260101T000000Z-aaaaaa", "20260102T000000Z-bbbbbb"]


def test_start_training_which_carries_no_annotation_is_accepted(serve: Serve) -> None:
    with serve() as client:
        answer = client.post("/webhook", json={"action": "START_TRAINING", "project": {"id": 3}})
    assert answer.status_code == 201
    assert answer.json()["job"]


@pytest.mark.parametrize("folder", [None, "models", "./some/models"])
def test_model_dir_may_be_unset_or_relative(
    folder: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environ = {"TRAIN_LAUNCHER": "none", **({"MODEL_DIR": folder} if folder else {})}
    with TestClient(create_app(Settings.from_environment(environ)), "http://localhost") as client:
        assert client.post("/webhook", json={"action": "START_TRAINING", "project": {"id": 3}}).status_code == 201
    assert list((tmp_path / (folder or "models")).glob("updates/3/*.json"))


@pytest.mark.parametrize("rows", [1, 2, 7, 30, 49, 50, 51, 99])
def test_a_series_of_any_length_comes_back_aligned(rows: int, serve: Serve, publish: Publish) -> None:
    publish()
    first, last = rows // 3, rows // 3 + max(3, rows // 5)
    values = [float(first <= row <= last) for row in range(rows)]
    with serve() as client:
        (found,) = client.post("/predict", content=batch({"value": values})).json()["results"]
    runs = [each["value"] for each in found["result"] if each["value"]["timeserieslabels"] == ["Run"]]
    if rows >= 30:
        assert [(run["start"], run["end"]) for run in runs] == [(first, last)]
    assert all(0 <= run["start"] <= run["end"] < rows for run in runs)


def test_channels_within_multichannel_are_found() -> None:
    nested = CONFIG.replace('<Channel column="value"/>', '<MultiChannel><Channel column="value"/></MultiChannel>')
    assert parse_label_config(nested).channels == ("value",)


def test_one_unreadable_recording_does_not_lose_the_batch(serve: Serve, publish: Publish) -> None:
    publish()
    with serve() as client:
        found = client.post("/predict", content=batch({"value": VALUES}, {"value": "?"}, {"value": VALUES})).json()
    assert [len(each["result"]) for each in found["results"]] == [1, 0, 1]


@pytest.mark.parametrize("labels", [("Sit", "Run", "Walk"), ("Run",), ("Walk", "Run")])
def test_added_removed_and_reordered_labels_shift_nothing(
    labels: tuple[str, ...], serve: Serve, publish: Publish
) -> None:
    publish()
    tags = "".join(f'<Label value="{label}"/>' for label in labels)
    config = CONFIG.replace('<Label value="Run"/><Label value="Walk"/>', tags)
    with serve() as client:
        (found,) = client.post("/predict", content=batch({"value": VALUES}, label_config=config)).json()["results"]
    assert [each["value"]["timeserieslabels"] for each in found["result"]] == [["Run"]]


def test_labels_that_look_like_numbers_stay_text(serve: Serve, publish: Publish) -> None:
    publish(labels=("1", "2.0"))
    config = CONFIG.replace('"Run"', '"1"').replace('"Walk"', '"2.0"')
    with serve() as client:
        (found,) = client.post("/predict", content=batch({"value": VALUES}, label_config=config)).json()["results"]
    assert [each["value"]["timeserieslabels"] for each in found["result"]] == [["1"]]


def test_columns_in_another_order_than_the_configuration_are_reported_by_name() -> None:
    config = parse_label_config(
        CONFIG.replace("json", "url").replace('<Channel column="value"/>', '<Channel column="b"/><Channel column="a"/>')
    )
    one = read_series(b"time,a,b\n0,1,2\n1,3,4\n", config)
    other = read_series(b"b,time,a\n2,0,1\n4,1,3\n", config)
    assert np.array_equal(one.values, [[2, 1], [4, 3]])
    assert np.array_equal(one.values, other.values)


def test_a_class_that_is_never_found_is_the_worst_class() -> None:
    segments = (Segment(10, 29, "Run"), Segment(50, 69, "Walk"))
    series = Series(np.zeros((100, 1)), TimeAxis.of_rows(100))
    layered = [AnnotatedSeries(str(number), f"task {number}", str(number), series, (segments,)) for number in range(2)]
    kinds = choose_label_kinds(layered, ("Run", "Walk"))
    recordings = [label_rows(each, kinds, "background", 0) for each in layered]
    predictions = [
        HeldOutPrediction(recording, 0, (), np.zeros((100, 3), np.float32), segments[:1]) for recording in recordings
    ]
    assert score(predictions, kinds, 1.0).metrics()["min_class_f1"] == 0
