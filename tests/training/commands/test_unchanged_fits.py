"""What a run publishes is the same, whether it took fits of an earlier run or made them."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import onnx
import pytest

from shared.store.models import ModelStore
from shared.store.opening import open_storage
from tests.support.synthetic import FAST
from training.__main__ import main
from training.judging.references import read_card
from training.planning import plan
from training.planning.recipe import RANGES

Export = Callable[..., tuple[Path, Path]]


def train(folder: Path, export: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "recipe_for", lambda kinds: replace(RANGES, least_steps=20))
    enough = {"BALANCED_ACCURACY_THRESHOLD": "0", "MIN_CLASS_F1_THRESHOLD": "0"}
    for name, value in {**FAST, **enough, "MODEL_DIR": str(folder)}.items():
        monkeypatch.setenv(name, value)
    assert main(["run", "--tasks", str(export[0]), "--label-config", str(export[1])]) == 0


def published(folder: Path) -> tuple[bytes, bytes, int]:
    """The graph without its card, the card without times, and the number of kept fits."""
    storage = open_storage(str(folder))
    model = ModelStore(storage).current(0)
    assert model is not None
    graph = onnx.load_from_string(model.data)
    probe = next(each.value for each in graph.metadata_props if each.key == "probe")
    del graph.metadata_props[:]
    card = read_card(model.data)
    snapshot = msgspec.structs.replace(card.snapshot, taken_at="")
    card = msgspec.structs.replace(card, version=card.version.rpartition("-")[2], created_at="", snapshot=snapshot)
    plain = graph.SerializeToString(deterministic=True) + probe.encode()
    return plain, msgspec.json.encode(card), len(storage.keys("fits/0"))


def test_a_run_with_fits_of_an_earlier_one_publishes_what_a_run_without_publishes(
    tmp_path: Path, write_export: Export, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    train(one, write_export(3, name="three"), monkeypatch)
    shutil.copytree(one, other)
    shutil.rmtree(other / "fits")  # as in a store of an earlier version
    four, shown = write_export(4, name="four"), []
    for folder in (one, other):
        capsys.readouterr()
        train(folder, four, monkeypatch)
        shown.append(capsys.readouterr().err)
    assert [(each.count("Fitting "), each.count("taken again")) for each in shown] == [(3, 1), (4, 0)]
    assert published(one) == published(other)
    assert published(one)[2] == 4
