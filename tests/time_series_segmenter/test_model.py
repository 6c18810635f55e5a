"""The library finds what the server finds, by the names of channels, and refuses what the server refuses."""

import doctest
import warnings
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

import time_series_segmenter
from shared.labelling.label_config import parse_label_config
from shared.model_file.choices import ChoiceModel, Decision, LearnedTag
from shared.model_file.several import join_models
from shared.segmentation.choices import feature_count
from tests.support.graphs import make_model
from tests.support.paths import ROOT
from tests.support.store import publish_model
from time_series_segmenter import DoubtWarning, Model, ModelError, SegmenterError, SeriesError, load_model

CONFIG = (
    '<View><TimeSeriesLabels name="label" toName="ts"><Label value="Run"/><Label value="Walk"/></TimeSeriesLabels>'
    '<TimeSeries name="ts" valueType="json" value="$csv_url" {times}><Channel column="left"/><Channel column="Right"/>'
    "</TimeSeries></View>"
)
DATES = 'timeColumn="Time" timeFormat="%Y-%m-%d %H:%M:%S"'
SECONDS = 'timeColumn="Time"'


def make(times: str = "", **changes: Any) -> bytes:
    config = parse_label_config(CONFIG.format(times=times))
    return make_model(channels=config.channels, kind="threshold", label_config=config, **changes)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "model.onnx"
    file.write_bytes(make())
    return file


def loaded(tmp_path: Path, times: str) -> Model:
    (tmp_path / "timed.onnx").write_bytes(make(times))
    return load_model(tmp_path / "timed.onnx")


def frame(rows: int = 300) -> pd.DataFrame:
    """Run from row 100 to 159, Walk from 200 to 229, as `make_model` finds them by channel."""
    left, right = np.zeros(rows), np.zeros(rows)
    left[100:160], right[200:230] = 1, 1
    return pd.DataFrame({"note": "x", "RIGHT": right, "left": left})


def listed(table: pd.DataFrame) -> list[tuple[Any, Any, str]]:
    return list(zip(table["start"].tolist(), table["end"].tolist(), table["label"].tolist(), strict=True))


EXPECTED = [(100, 159, "Run"), (200, 229, "Walk")]


def test_a_frame_is_read_by_names_in_any_order_and_case(path: Path) -> None:
    model = load_model(path)
    found = model.segment(frame())
    assert listed(found) == EXPECTED
    assert list(found.columns) == ["start", "end", "label", "score"]
    assert found["score"].between(0.5, 1).all()
    assert found.attrs["version"] == model.version
    assert found.attrs["score"] > 0.5
    assert (model.channels, model.labels, model.time_column) == (("left", "right"), ("Run", "Walk"), "")
    assert model.version in repr(model)


def test_an_array_has_its_channels_in_the_order_of_the_model(path: Path) -> None:
    assert listed(load_model(path).segment(frame()[["left", "RIGHT"]].to_numpy())) == EXPECTED


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (frame()[["left", "note"]], "no column for the channel 'right'; it has 'left', 'note'"),
        (frame()[["note"]], "no column for the channels 'left', 'right'"),
        (frame().rename(columns={"note": "Left"}), "'left' stands 2 times"),
        (np.zeros((10, 3)), r"shape \(10, 3\), expected \[rows, 2\] with the channels 'left', 'right'"),
        (np.zeros(10), r"expected \[rows, 2\]"),
        (np.array([["a", "b"]]), "something else than numbers"),
        (frame()[:0], "no rows"),
        (pd.DataFrame(), "it has none"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(path: Path, given: Any, said: str) -> None:
    with pytest.raises(SeriesError, match=said):
        load_model(path).segment(given)


def test_texts_and_missing_values_are_read_as_those_of_a_file(path: Path) -> None:
    texts = frame().astype({"left": object, "RIGHT": "Float64"})
    texts["left"] = texts["left"].map(str)
    texts.loc[3, "left"], texts.loc[5, "RIGHT"] = None, pd.NA
    model = load_model(path)
    assert listed(model.segment(texts)) == EXPECTED
    texts.loc[10:20, "left"] = "broken"
    with pytest.warns(DoubtWarning, match="hold no number") as warned:
        found = model.segment(texts)
    assert found.attrs["doubts"] == [str(each.message) for each in warned]


def test_times_are_those_of_the_caller(tmp_path: Path) -> None:
    seconds = np.arange(300) * 0.25
    timed = loaded(tmp_path, SECONDS)
    assert listed(timed.segment(frame(), seconds)) == [(25.0, 39.75, "Run"), (50.0, 57.25, "Walk")]
    assert listed(timed.segment(frame().assign(time=seconds))) == [(25.0, 39.75, "Run"), (50.0, 57.25, "Walk")]
    dates = pd.date_range("2026-01-01", periods=300, freq="s", tz="Asia/Tokyo")
    found = loaded(tmp_path, DATES).segment(frame(), dates)
    assert found["start"].tolist() == [dates[100], dates[200]]
    texts = [f"{each:%Y-%m-%d %H:%M:%S}" for each in dates]
    assert loaded(tmp_path, DATES).segment(frame(), texts)["end"].tolist() == [texts[159], texts[229]]


@pytest.mark.parametrize(
    ("times", "configured", "said"),
    [
        (None, SECONDS, "column 'time': pass times="),
        (np.arange(299), SECONDS, "300 rows, but 299 times"),
        (np.arange(300)[::-1], SECONDS, "must not decrease"),
        (pd.date_range("2026-01-01", periods=300), SECONDS, "trained on numbers"),
        (["soon"] * 300, SECONDS, "no numbers"),
        (pd.timedelta_range("0s", periods=300, freq="s"), SECONDS, "durations, but the model was trained on numbers"),
        (np.zeros((300, 2)), SECONDS, "times cannot be read"),
        (["soon"] * 300, DATES, "does not fit timeFormat"),
        ([pd.NaT] * 300, DATES, "not a number"),
    ],
)
def test_times_that_cannot_be_read_are_refused(tmp_path: Path, times: Any, configured: str, said: str) -> None:
    with pytest.raises(SeriesError, match=said):
        loaded(tmp_path, configured).segment(frame(), times)


def test_the_library_answers_what_the_command_and_the_server_answer(tmp_path: Path) -> None:
    """Bounds, labels and scores, on the shipped recordings and a model with all that training exports."""
    from starlette.testclient import TestClient

    from inference.web.app import create_app
    from shared.settings import Settings

    xml = (ROOT / "examples/watch/label_config.xml").read_text()
    config = parse_label_config(xml)
    publish_model(
        tmp_path / "models", labels=config.labels, channels=config.channels, label_config=config, window=200, stride=150
    )
    model = load_model(tmp_path / "models", project=3)
    settings = Settings(model_dir=str(tmp_path / "models"), train_launcher="none", reconcile_seconds=0)
    names = sorted((ROOT / "examples/watch/csv").iterdir())[:3]
    with TestClient(create_app(settings), "http://localhost") as client:
        for name in names:
            read = pd.read_csv(name)
            key = config.value_key
            task = {"id": 1, "data": {key: {column: read[column].tolist() for column in read}}}
            body = {"tasks": [task], "project": "3.1", "label_config": xml}
            answer = client.post("/predict", content=msgspec.json.encode(body)).json()["results"][0]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DoubtWarning)
                found = model.segment(read)
            regions = [
                (*(each["value"][key] for key in ("start", "end")), each["value"]["timeserieslabels"][0], each["score"])
                for each in answer["result"]
            ]
            assert len(regions) > 3
            assert list(found.assign(score=found["score"].round(4)).itertuples(index=False, name=None)) == regions
            assert found.attrs["score"] == pytest.approx(answer["score"], abs=1e-4)
            assert answer["model_version"] == model.version


def test_a_store_gives_the_model_that_serves_the_project(tmp_path: Path) -> None:
    publish_model(tmp_path, project=7)
    assert load_model(str(tmp_path), project=7).labels == ("Run", "Walk")
    with pytest.raises(SegmenterError, match="no model of project 8"):
        load_model(tmp_path, project=8)
    with pytest.raises(ModelError, match="name the project"):
        load_model(tmp_path)
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "nowhere", project=7)
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "nowhere.onnx")


def test_a_renamed_label_has_its_new_name(tmp_path: Path) -> None:
    from shared.store.aliases import LabelAliases
    from shared.store.opening import open_storage
    from shared.store.projects import KnownProject, KnownProjects

    config = parse_label_config(CONFIG.format(times=""))
    publish_model(tmp_path, channels=config.channels, label_config=config)
    storage = open_storage(str(tmp_path))
    new = CONFIG.format(times="").replace('"Run"', '"Sprint"')
    KnownProjects(storage).remember(KnownProject(id=3, created="1", label_config=new))
    LabelAliases(storage).add(3, "Run", "Sprint", by="test")
    model = load_model(tmp_path, project=3)
    assert model.segment(frame())["label"].tolist() == ["Sprint", "Walk"]
    assert pd.concat([model.stream().add(frame(600)), pd.DataFrame()])["label"].tolist() == ["Sprint", "Walk"]


def test_a_file_with_a_flipped_bit_is_refused(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match="checksum"):
        load_model(path)


def test_a_pickle_is_refused_unread(path: Path, tmp_path: Path) -> None:
    hook = b"cos\nsystem\n(S'touch " + str(tmp_path / "run").encode() + b"'\ntR."
    path.write_bytes(hook)
    with pytest.raises(ModelError, match="does not end with a checksum"):
        load_model(path)
    assert not (tmp_path / "run").exists()


def test_examples_in_docstrings_run(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.rename(path.with_name("model_project_3.onnx"))
    monkeypatch.chdir(path.parent)
    known = {"frame": frame(), "model": load_model("model_project_3.onnx")}
    for module, examples in ((time_series_segmenter, 3), (time_series_segmenter.model, 4)):
        assert doctest.testmod(module, extraglobs=known) == (0, examples)


def test_of_several_series_one_is_taken_by_its_name(tmp_path: Path) -> None:
    other = msgspec.structs.replace(parse_label_config(CONFIG.format(times="")), to_name="other", channels=("x",))
    second = make_model(("Run",), channels=("x",), kind="threshold", label_config=other)
    (tmp_path / "both.onnx").write_bytes(join_models([make(), second]))
    assert load_model(tmp_path / "both.onnx", series="other").channels == ("x",)
    assert listed(load_model(tmp_path / "both.onnx").segment(frame())) == EXPECTED
    with pytest.raises(ValueError, match="has not learned a series 'third'"):
        load_model(tmp_path / "both.onnx", series="third")


@pytest.mark.s3
def test_a_model_is_loaded_from_a_bucket(bucket: str) -> None:
    publish_model(bucket, project=7)
    assert load_model(bucket, project=7).segment(np.zeros((10, 1))).empty
    with pytest.raises(ModelError, match="name the project"):
        load_model(bucket)
    with pytest.raises(SegmenterError, match="no model of project 8"):
        load_model(bucket, project=8)


def test_what_a_model_chooses_about_a_recording_is_a_table_and_an_empty_one_where_it_has_learned_nothing(
    tmp_path: Path, path: Path
) -> None:
    count = feature_count(channels=2, classes=3)
    weights = tuple(tuple(float(sign * (place == count - 4)) for place in range(2 * count)) for sign in (0, 5))
    decision = Decision(
        options=("", "long"),
        weights=weights,
        bias=(0.0, 0.0),
        recordings=9,
        accuracy=1,
        standard_error=0,
        commonest=0.5,
    )
    tag = LearnedTag(from_name="seen", multiple=True, decisions=(decision,))
    choices = ChoiceModel(center=(float(np.log(100)),) * count, scale=(1.0,) * count, tags=(tag,))
    tags = '<Choices name="seen" toName="ts" choice="multiple"><Choice value="long"/></Choices></View>'
    config = parse_label_config(CONFIG.format(times="").replace("</View>", tags))
    data = make_model(channels=config.channels, kind="threshold", label_config=config, choices=choices)
    (tmp_path / "chooses.onnx").write_bytes(data)
    found = load_model(tmp_path / "chooses.onnx").choices(frame())
    assert found[["name", "choice"]].values.tolist() == [["seen", "long"]]
    assert found["score"][0] == pytest.approx(1 / (1 + np.exp(-5 * np.log(3))))
    nothing = load_model(path).choices(frame())
    assert (list(nothing.columns), len(nothing)) == (["name", "choice", "score"], 0)


@pytest.mark.parametrize("size", [1, 45, 300])
def test_how_rows_of_a_stream_are_cut_changes_nothing_and_a_part_may_be_empty(path: Path, size: int) -> None:
    stream = load_model(path).stream()
    found = []
    for first in range(0, 300, size):
        found.append(stream.add(frame()[:0]))
        assert found[-1].empty
        found.append(stream.add(frame()[first : first + size]))
    found += [stream.add(np.zeros((0, 2))), stream.finish()]
    assert listed(pd.concat([each for each in found if len(each)])) == EXPECTED
    assert stream.finish().empty
    with pytest.raises(ValueError, match="was finished"):
        stream.add(frame())


def test_a_stream_of_no_rows_has_no_segments(tmp_path: Path) -> None:
    stream = loaded(tmp_path, SECONDS).stream()
    assert listed(stream.add(frame()[:0], [])) == listed(stream.finish()) == []
