"""Two label sets on one series, one name in both: learned from Label Studio and predicted there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.__main__ import main as serve_main
from shared.labelling.label_config import parse_label_config
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from tests.support.label_studio import LabelStudioDouble, make_project
from tests.support.synthetic import FAST
from tests.support.tokens import TOKEN
from tests.support.web_server import serve
from training.__main__ import main
from training.judging.references import read_card

CONFIG = (
    '<View><TimeSeriesLabels name="activity" toName="ts"><Label value="Active"/><Label value="Rest"/>'
    '</TimeSeriesLabels><TimeSeriesLabels name="machine" toName="ts"><Label value="Rest"/></TimeSeriesLabels>'
    '<Choices name="quality" toName="ts"><Choice value="good"/></Choices>'
    '<TimeSeries name="ts" valueType="url" value="$csv_url"><Channel column="a"/><Channel column="b"/></TimeSeries>'
    "</View>"
)
ROWS = 240


def draw(task: int) -> tuple[np.ndarray[Any, Any], list[dict[str, Any]]]:
    """Active is a wave in a, Rest of the person a low a, Rest of the machine a high b: these overlap."""
    random = np.random.default_rng(task)
    values = random.normal(0, 0.3, (ROWS, 2))
    regions = []
    for number, start in enumerate(range(10 + 5 * (task % 3), ROWS - 50, 55)):
        label = ("Active", "Rest")[number % 2]
        values[start : start + 35, 0] += 3 * np.sin(np.arange(35)) if label == "Active" else -3
        regions.append(region("activity", label, start, start + 34))
    start = 60 + 10 * (task % 4)
    values[start : start + 90, 1] += 3
    regions.append(region("machine", "Rest", start, start + 89))
    return values, regions


def region(control: str, label: str, first: int, last: int) -> dict[str, Any]:
    value = {"start": first, "end": last, "instant": False, "timeserieslabels": [label]}
    return {
        "id": f"{control}{first}",
        "from_name": control,
        "to_name": "ts",
        "type": "timeserieslabels",
        "value": value,
    }


def recording(task: int) -> str:
    return "a,b\n" + "".join(f"{a:.3f},{b:.3f}\n" for a, b in draw(task)[0])


@pytest.fixture
def label_studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LabelStudioDouble]:
    double = LabelStudioDouble(recording=recording)
    double.projects[1] = {**make_project(), "label_config": CONFIG}
    for task in range(1, 6):
        quality = {"type": "choices", "from_name": "quality", "to_name": "ts", "value": {"choices": ["good"]}}
        double.annotate(task, result=[*draw(task)[1], quality])
    double.annotate(6, was_cancelled=True)
    for each in double.tasks:
        each["predictions"] = []
    with serve(double) as web:
        settings = FAST | {"LABEL_STUDIO_HOST": web.url, "LABEL_STUDIO_API_KEY": TOKEN, "MODEL_DIR": str(tmp_path)}
        for name, value in {**settings, "TRAIN_EPOCHS": "60", "HIDDEN_SIZE": "12"}.items():
            monkeypatch.setenv(name, value)
        yield double


def rows_of(regions: list[dict[str, Any]], control: str, label: str) -> np.ndarray[Any, Any]:
    found = np.zeros(ROWS, bool)
    for each in regions:
        if each["from_name"] == control and each["value"]["timeserieslabels"] == [label]:
            found[each["value"]["start"] : each["value"]["end"] + 1] = True
    return found


def test_both_sets_are_learned_and_predicted_each_under_its_own_tag(
    label_studio: LabelStudioDouble, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--project", "1", "--explain"]) == 0
    assert "Rest (machine)" in capsys.readouterr().out
    assert main(["run", "--project", "1"]) == 0
    told = capsys.readouterr().out
    assert "Balanced accuracy by label set: activity " in told
    store = ModelStore(open_storage(str(tmp_path)))
    model = store.current(1)
    assert model is not None
    card = read_card(model.data)
    assert card.range_labels == (("Active", "Rest (activity)"), ("Rest (machine)",))
    assert card.label_config == parse_label_config(CONFIG)
    both = [card.metrics.estimates[f"balanced_accuracy ({name})"].value for name in ("activity", "machine")]
    assert card.metrics.estimates["balanced_accuracy"].value == pytest.approx(sum(both) / 2)

    assert serve_main(["preannotate", "--project", "1", "--rate", "1e6", "--json"]) == 0
    unseen = next(task for task in label_studio.tasks if task["id"] == 6)
    (prediction,) = unseen["predictions"]
    assert {each["to_name"] for each in prediction["result"]} == {"ts"}
    for control, label in (("activity", "Active"), ("activity", "Rest"), ("machine", "Rest")):
        found, true = (rows_of(some, control, label) for some in (prediction["result"], draw(6)[1]))
        assert (found & true).sum() / (found | true).sum() > 0.6, (control, label)
