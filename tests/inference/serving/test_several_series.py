"""A task with two time series and three label sets: one answer, whatever one of the series holds."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from inference.commands.predict import predict_files
from shared.doubts import UNSURE_SCORE
from shared.errors import RefusedError
from shared.labelling.label_config import parse_label_config
from shared.labelling.snapshots import Snapshot
from shared.model_file.card import RangeHead
from shared.model_file.several import join_models
from shared.settings import Settings
from tests.inference.conftest import Serve
from tests.support.graphs import make_model
from tests.support.store import put_model

CONFIG = (
    '<View><TimeSeriesLabels name="pace" toName="acc"><Label value="Run"/><Label value="Rest"/></TimeSeriesLabels>'
    '<TimeSeriesLabels name="state" toName="acc"><Label value="Rest"/></TimeSeriesLabels>'
    '<TimeSeriesLabels name="light" toName="lux"><Label value="Run"/><Label value="Off"/></TimeSeriesLabels>'
    '<TimeSeries name="acc" valueType="json" value="$acc"><Channel column="x"/><Channel column="y"/></TimeSeries>'
    '<TimeSeries name="lux" valueType="json" value="$lux"><Channel column="value"/></TimeSeries></View>'
)
HIGH = [0.0] * 60 + [1.0] * 20 + [0.0] * 100
LATER = [0.0] * 100 + [1.0] * 30 + [0.0] * 50
Json = dict[str, Any]


@pytest.fixture
def client(serve: Serve, model_dir: Path) -> Iterator[TestClient]:
    acc, lux = parse_label_config(CONFIG).series
    heads = tuple(RangeHead(labels=(label,), min_rows=(3, 3)) for label in ("Run", "Rest (state)"))
    moment = "2026-01-01T00:00:00+00:00"
    snapshot = Snapshot(taken_at=moment, newest="", tasks=1, annotations=1, digest="a", fingerprint="")
    card: Json = {"kind": "threshold", "project": 3, "schema": 2, "snapshot": snapshot}
    files = [
        make_model(("Run", "Rest (state)"), channels=("x", "y"), heads=heads, label_config=acc, **card),
        make_model(("Run", "Off"), label_config=lux, **card),
    ]
    put_model(model_dir, join_models(files), 3)
    with serve() as client:
        yield client


def ask(
    client: TestClient,
    label_config: str = CONFIG,
    predicted: list[Json] | None = None,
    context: list[Json] | None = None,
    **data: Any,
) -> Json:
    task = {"id": 1, "data": data, "project": 3}
    body: Json = {"tasks": [task], "project": "3.1795475439", "label_config": label_config}
    if context is not None:
        task |= {"predictions": [{"id": 7, "result": predicted}], "drafts": [], "annotations": []}
        body["params"] = {"context": {"result": context}}
    (answer,) = client.post("/predict", json=body).json()["results"]
    found: Json = answer
    return found


def pairs(answer: Json) -> set[tuple[str, str, str]]:
    return {(each["from_name"], each["to_name"], each["value"]["timeserieslabels"][0]) for each in answer["result"]}


ACC, LUX = {"x": HIGH, "y": LATER}, {"value": HIGH}


def test_one_answer_holds_every_pair_of_tags(client: TestClient) -> None:
    found = ask(client, acc=ACC, lux=LUX)
    assert pairs(found) == {("pace", "acc", "Run"), ("state", "acc", "Rest"), ("light", "lux", "Run")}
    assert len({each["id"] for each in found["result"]}) == len(found["result"])
    assert "notes" not in found
    assert ask(client, "", acc=ACC, lux=LUX)["result"] == found["result"], "as learned, where no configuration is sent"


def test_a_series_that_cannot_be_read_is_reported_and_stops_no_other(client: TestClient) -> None:
    found = ask(client, acc=ACC, lux={"other": HIGH})
    assert {series for _, series, _ in pairs(found)} == {"acc"}
    assert found["score"] <= UNSURE_SCORE
    assert found["notes"][0].startswith("lux: ")
    neither = ask(client, acc="x", lux={"other": HIGH})
    assert neither["result"] == []
    assert 'tss_doubts_total{kind="unreadable-series"} 1.0' in client.get("/metrics").text


def test_a_series_that_was_not_learned_is_left_alone(client: TestClient) -> None:
    more = CONFIG.replace('name="lux"', 'name="new"').replace('toName="lux"', 'toName="new"')
    assert {series for _, series, _ in pairs(ask(client, more, acc=ACC, lux=LUX))} == {"acc"}
    other = more.replace('name="acc"', 'name="old"').replace('toName="acc"', 'toName="old"')
    assert ask(client, other, acc=ACC, lux=LUX)["result"] == []


def test_a_correction_on_one_series_is_answered_for_this_series_and_set_alone(client: TestClient) -> None:
    predicted = ask(client, acc=ACC, lux=LUX)["result"]
    (region,) = [each for each in predicted if each["from_name"] == "state"]
    moved = json.loads(json.dumps(region))
    moved["value"] |= {"start": region["value"]["start"] + 5}
    choice = {"id": "c", "type": "choices", "from_name": "sure", "to_name": "acc", "value": {"choices": ["yes"]}}
    found = ask(client, acc=ACC, lux=LUX, predicted=predicted, context=[moved, choice])
    assert found["result"] == [], "what a person moved stays, and the rest is right already"


def test_files_are_segmented_by_the_model_of_their_series(
    client: TestClient, model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lux.csv"
    file.write_text("value\n" + "\n".join(map(str, HIGH)))
    settings = Settings(model_dir=str(model_dir))
    assert predict_files("3", [str(file)], settings, as_json=True, series="lux") == 0
    (answer,) = json.loads(capsys.readouterr().out)
    assert {each["to_name"] for each in answer["result"]} == {"lux"}
    with pytest.raises(RefusedError, match="it has learned 'acc', 'lux'"):
        predict_files("3", [str(file)], settings, as_json=True, series="gps")
