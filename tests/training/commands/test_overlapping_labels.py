"""Overlapping labels: trained, evaluated and predicted for real."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from shared.labelling.segments import Segment
from shared.labelling.time_axis import TimeAxis
from shared.recordings.series import Series
from shared.segmentation.segmenter import Segmenter
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.report import ReportFile
from tests.support.synthetic import FAST
from training.__main__ import main
from training.judging.references import read_card

Export = Callable[..., tuple[Path, Path]]
STEPS, PLACES = ("Run", "Walk"), ("Indoor", "Outdoor")
ROWS = 240


def draw_places(random: np.random.Generator, rows: int) -> tuple[NDArray[np.float64], list[Segment]]:
    """Channels a, b: steps are waves in a, large ones for Run; b is low indoors and high outdoors."""
    values = random.normal(0, 0.3, (rows, 2))
    border = int(random.integers(rows // 3, 2 * rows // 3))
    values[:border, 1] -= 2
    values[border:, 1] += 2
    places = [Segment(0, border - 1, "Indoor"), Segment(border, rows - 1, "Outdoor")]
    steps = []
    first, kind = int(random.integers(5, 25)), int(random.integers(2))
    while first < rows - 40:
        length = int(random.integers(30, 40))
        values[first : first + length, 0] += (4, 2)[kind] * np.sin(np.arange(length) * (1.6, 0.8)[kind])
        steps.append(Segment(first, first + length - 1, STEPS[kind]))
        first, kind = first + length + int(random.integers(15, 25)), 1 - kind
    return values, steps + places


def with_labels(export: tuple[Path, Path], *labels: str) -> tuple[Path, Path]:
    tags = "".join(f'<Label value="{label}"/>' for label in labels)
    text = export[1].read_text().replace('<Label value="Run"/><Label value="Walk"/>', tags)
    export[1].write_text(text.replace('toName="ts">', 'toName="ts" choice="multiple">', 1))
    return export


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[tuple[Path, Path]], ModelStore]:
    for name, value in {**FAST, "MODEL_DIR": str(tmp_path / "models")}.items():
        monkeypatch.setenv(name, value)

    def run(export: tuple[Path, Path]) -> ModelStore:
        assert main(["run", "--tasks", str(export[0]), "--label-config", str(export[1])]) == 0
        return ModelStore(open_storage(str(tmp_path / "models")))

    return run


def current(store: ModelStore) -> bytes:
    found = store.current(0)
    assert found is not None
    return found.data


def share_right(found: list[Segment], true: list[Segment], labels: tuple[str, ...]) -> float:
    """Share of the rows under which one head of labels says what is right."""
    said, right = (np.zeros(ROWS, np.int64) for _ in range(2))
    for segments, rows in ((found, said), (true, right)):
        for each in segments:
            if each.label in labels:
                rows[each.first : each.last + 1] = 1 + labels.index(each.label)
    return float((said == right).mean())


def test_walking_and_running_inside_of_places_are_learned_and_predicted_beside_them(
    train: Callable[..., ModelStore], write_export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"TRAIN_EPOCHS": "60", "HIDDEN_SIZE": "12"}.items():
        monkeypatch.setenv(name, value)
    store = train(with_labels(write_export(count=4, draw=draw_places), *STEPS, *PLACES))
    card = read_card(current(store))
    assert card.range_labels == (STEPS, PLACES)
    assert all(head.calibration.fitted for head in card.heads)
    names = [each.label for each in card.metrics.classes]
    assert names == ["background (Run, Walk)", "Run", "Walk", "background (Indoor, Outdoor)", "Indoor", "Outdoor"]
    confusion = np.array(card.metrics.confusion)
    assert confusion[:3, :3].sum() == confusion[3:, 3:].sum() == confusion.sum() / 2 == 4 * ROWS
    assert card.metrics.estimates["balanced_accuracy"].value > 0.8

    values, true = draw_places(np.random.default_rng(99), ROWS)
    found = Segmenter.load(current(store)).segment(Series(values, TimeAxis.of_rows(ROWS))).segments
    assert share_right(found, true, STEPS) > 0.75
    assert share_right(found, true, PLACES) > 0.95
    assert found == sorted(found, key=lambda each: each.first)

    data = store.file(0, card.version, "report.json")
    assert data is not None
    report = msgspec.json.decode(data, type=ReportFile)
    assert {each.label for each in report.held_out[0].predicted} == {*STEPS, *PLACES}
    assert any("side by side: Run, Walk; Indoor, Outdoor" in note for note in report.metrics.notes)
    html = store.file(0, card.version, "report.html")
    assert html is not None
    assert b"background (Indoor, Outdoor)" in html


def test_where_overlaps_are_forbidden_no_predicted_range_lies_over_another(
    train: Callable[..., ModelStore], write_export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVERLAPS", "forbid")
    data = current(train(with_labels(write_export(count=3, draw=draw_places), *STEPS, *PLACES)))
    assert read_card(data).range_labels == ((*STEPS, *PLACES),)
    values, _ = draw_places(np.random.default_rng(99), ROWS)
    found = Segmenter.load(data).segment(Series(values, TimeAxis.of_rows(ROWS))).segments
    assert len(found) > 2
    assert all(one.last < next_one.first for one, next_one in itertools.pairwise(found))


def test_one_stray_overlap_gives_the_model_of_one_head(train: Callable[..., ModelStore], write_export: Export) -> None:
    def stray(tasks: list[dict[str, Any]]) -> None:
        regions = tasks[0]["annotations"][0]["result"]
        value = regions[0]["value"]
        other = {"Run": "Walk", "Walk": "Run"}[value["timeserieslabels"][0]]
        regions.append({**regions[0], "id": "stray", "value": {**value, "timeserieslabels": [other]}})

    card = read_card(current(train(write_export(count=3, change=stray))))
    assert card.range_labels == (STEPS,)
    assert [each.label for each in card.metrics.classes] == ["background", *STEPS]


def test_the_heads_of_the_model_that_serves_stay_while_labels_still_overlap(
    train: Callable[..., ModelStore], write_export: Export
) -> None:
    def double(count: int) -> Callable[[list[dict[str, Any]]], None]:
        """Both labels on every region of so many recordings."""

        def change(tasks: list[dict[str, Any]]) -> None:
            for task in tasks[:count]:
                for region in task["annotations"][0]["result"]:
                    region["value"]["timeserieslabels"] = list(STEPS)

        return change

    heads = []
    for name, count in (("two", 2), ("one", 1)):
        store = train(write_export(count=3, change=double(count), name=name))
        newest = store.versions(0)[0].name
        model = store.load_version(0, newest)
        assert model is not None
        heads.append(read_card(model.data).range_labels)
    assert heads == [(("Run",), ("Walk",))] * 2, "one recording alone would not take them apart"


def test_a_label_around_all_others_is_learned_with_them(train: Callable[..., ModelStore], write_export: Export) -> None:
    def surround(tasks: list[dict[str, Any]]) -> None:
        for task in tasks:
            regions = task["annotations"][0]["result"]
            value = {"start": 0, "end": ROWS - 1, "instant": False, "timeserieslabels": ["Session"]}
            regions.append({**regions[0], "id": "session", "value": value})

    store = train(with_labels(write_export(count=3, change=surround), "Session", *STEPS))
    card = read_card(current(store))
    assert card.range_labels == (("Session",), STEPS)
    assert 0 < card.metrics.estimates["balanced_accuracy"].value < 1, "what is everywhere says nothing of it"
    found = Segmenter.load(current(store)).segment(Series(np.zeros((ROWS, 2)), TimeAxis.of_rows(ROWS))).segments
    assert Segment(0, ROWS - 1, "Session") in [Segment(each.first, each.last, each.label) for each in found]
