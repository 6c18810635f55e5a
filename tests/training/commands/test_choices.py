"""Choices about a recording: learned from Label Studio beside segments, and predicted there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.__main__ import main as serve_main
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from tests.support.label_studio import LabelStudioDouble, make_project
from tests.support.synthetic import FAST
from tests.support.tokens import TOKEN
from tests.support.web_server import serve
from training.__main__ import main
from training.judging.references import read_card

CONFIG = (
    '<View><TimeSeriesLabels name="label" toName="ts"><Label value="Active"/></TimeSeriesLabels>'
    '<Choices name="quality" toName="ts"><Choice value="good"/><Choice value="Bad" alias="bad"/></Choices>'
    '<Choices name="mood" toName="ts"><Choice value="glad"/><Choice value="sad"/></Choices>'
    '<Choices name="found" toName="ts" choice="multiple"><Choice value="noise"/><Choice value="nothing"/></Choices>'
    '<TimeSeries name="ts" valueType="url" value="$csv_url"><Channel column="a"/><Channel column="b"/></TimeSeries>'
    "</View>"
)
ROWS = 160
ANNOTATED, UNSEEN = range(1, 13), range(13, 17)


def is_bad(task: int) -> bool:
    return task % 2 == 0


def draw(task: int) -> tuple[np.ndarray[Any, Any], list[dict[str, Any]]]:
    """Active is a wave in a; b is noisy in bad recordings."""
    random = np.random.default_rng(task)
    values = random.normal(0, 0.3, (ROWS, 2))
    start = 20 + 7 * (task % 5)
    values[start : start + 50, 0] += 3 * np.sin(np.arange(50))
    values[:, 1] = np.sin(np.arange(ROWS) / 12 + task) + (1.0 if is_bad(task) else 0.1) * random.normal(0, 1, ROWS)
    value = {"start": start, "end": start + 49, "instant": False, "timeserieslabels": ["Active"]}
    region = {"id": f"r{task}", "from_name": "label", "to_name": "ts", "type": "timeserieslabels", "value": value}
    return values, [region]


def about(task: int) -> list[dict[str, Any]]:
    chosen = {
        "quality": ["bad" if is_bad(task) else "good"],
        "mood": [("glad", "sad")[(task // 2) % 2]],
        "found": ["noise"] if is_bad(task) else ["nothing"],
    }
    return [
        {"id": f"{name}{task}", "type": "choices", "from_name": name, "to_name": "ts", "value": {"choices": choices}}
        for name, choices in chosen.items()
    ]


def recording(task: int) -> str:
    return "a,b\n" + "".join(f"{a:.3f},{b:.3f}\n" for a, b in draw(task)[0])


@pytest.fixture
def label_studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LabelStudioDouble]:
    double = LabelStudioDouble(recording=recording)
    double.projects[1] = {**make_project(), "label_config": CONFIG}
    for task in ANNOTATED:
        double.annotate(task, result=[*draw(task)[1], *about(task)])
    for task in UNSEEN:
        double.annotate(task, was_cancelled=True)
    for each in double.tasks:
        each["predictions"] = []
    with serve(double) as web:
        settings = FAST | {"LABEL_STUDIO_HOST": web.url, "LABEL_STUDIO_API_KEY": TOKEN, "MODEL_DIR": str(tmp_path)}
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        yield double


def test_choices_are_learned_and_predicted_beside_the_segments(
    label_studio: LabelStudioDouble, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--project", "1", "--explain"]) == 0
    assert "quality: good 6, bad 6 recordings" in capsys.readouterr().out
    assert main(["run", "--project", "1"]) == 0
    told = capsys.readouterr().out
    assert "Choice 'quality' is predicted: of 12 held-out recordings it is right for 1.00" in told
    assert "Choice 'mood' is left out: of 12 held-out recordings" in told
    model = ModelStore(open_storage(str(tmp_path))).current(1)
    assert model is not None
    card = read_card(model.data)
    assert card.choices is not None
    assert [(each.from_name, len(each.decisions)) for each in card.choices.tags] == [("quality", 1), ("found", 2)]
    assert card.metrics.estimates["choice_accuracy (found: noise)"].value == 1.0

    assert serve_main(["preannotate", "--project", "1", "--rate", "1e6", "--json"]) == 0
    scores = []
    for task in label_studio.tasks:
        if task["id"] in UNSEEN:
            (prediction,) = task["predictions"]
            chosen = {each["from_name"]: each for each in prediction["result"] if each["type"] == "choices"}
            expected = {each["from_name"]: each["value"] for each in about(task["id"]) if each["from_name"] != "mood"}
            assert {name: each["value"] for name, each in chosen.items()} == expected
            assert {each["to_name"] for each in chosen.values()} == {"ts"}
            scores.append(chosen["quality"]["score"])
    assert 0.75 < sum(scores) / len(scores) <= 1


def test_choices_alone_train_nothing_and_that_is_said(
    label_studio: LabelStudioDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    for each in label_studio.tasks:
        for annotation in each["annotations"]:
            annotation["result"] = [one for one in annotation["result"] if one["type"] == "choices"]
    for more in (["--explain"], []):
        assert main(["run", "--project", "1", *more]) == 2
        written = capsys.readouterr()
        assert "mark some, then train. Choices about a recording are learned beside" in written.out + written.err
