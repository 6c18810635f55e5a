"""Small recordings that a small network learns in a second."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from shared.labelling.segments import Segment
from shared.labelling.time_axis import TimeAxis
from shared.recordings.series import Series
from shared.settings import Settings
from tests.support.synthetic import FAST, LABELS, draw_ranges
from training.data.annotations import AnnotatedSeries, LabelKinds, Recording, choose_label_kinds, label_rows


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """More threads than cores that are free make a small fit many times slower."""
    torch.set_num_threads(1)


@pytest.fixture
def settings() -> Settings:
    """Settings under which a fit takes about a second."""
    return Settings.from_environment(FAST)


@pytest.fixture
def make_recordings() -> Callable[..., list[Recording]]:
    """Make labelled recordings: (count, rows=240, seed=0, draw=draw_ranges, groups=None)."""

    def make(
        count: int,
        rows: int = 240,
        seed: int = 0,
        draw: Callable[[np.random.Generator, int], Any] = draw_ranges,
        groups: Sequence[str] | None = None,
    ) -> list[Recording]:
        random = np.random.default_rng(seed)
        layered = []
        for number in range(count):
            values, segments = draw(random, rows)
            series = Series(values, TimeAxis.of_rows(rows))
            group = groups[number] if groups else f"task {number + 1}"
            layered.append(AnnotatedSeries(str(number + 1), f"task {number + 1}", group, series, (tuple(segments),)))
        kinds = choose_label_kinds(layered, LABELS)
        return [label_rows(each, kinds, "background", 0) for each in layered]

    return make


@pytest.fixture
def make_recording() -> Callable[..., Recording]:
    """Make one recording from its segments: (segments, rows=100, values=None, labels=LABELS)."""

    def make(
        segments: Sequence[Segment],
        rows: int = 100,
        values: np.ndarray[Any, Any] | None = None,
        labels: Sequence[str] = LABELS,
        kinds: LabelKinds | None = None,
    ) -> Recording:
        values = np.random.default_rng(0).normal(size=(rows, 2)) if values is None else values
        layered = AnnotatedSeries("1", "task 1", "task 1", Series(values, TimeAxis.of_rows(rows)), (tuple(segments),))
        return label_rows(layered, kinds or choose_label_kinds([layered], labels), "background", 0)

    return make


@pytest.fixture
def write_export(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Write an export beside its recordings and return its path and that of its configuration."""

    def write(*how: Any, name: str = "export", **more: Any) -> tuple[Path, Path]:
        return export_to(tmp_path / name, *how, **more)

    return write


def export_to(
    folder: Path,
    count: int = 3,
    rows: int = 240,
    seed: int = 0,
    draw: Callable[[np.random.Generator, int], Any] = draw_ranges,
    change: Callable[[list[dict[str, Any]]], object] = lambda tasks: None,
) -> tuple[Path, Path]:
    """Write an export beside its recordings into a folder; its path and that of its configuration."""
    random = np.random.default_rng(seed)
    folder.mkdir(exist_ok=True)
    tasks: list[dict[str, Any]] = []
    for number in range(1, count + 1):
        values, segments = draw(random, rows)
        table = np.column_stack([np.arange(rows), values.round(4)])
        np.savetxt(folder / f"{number}.csv", table, delimiter=",", header="time,a,b", comments="", fmt="%g")
        regions = [
            {
                "id": f"{number}-{place}",
                "from_name": "label",
                "to_name": "ts",
                "type": "timeserieslabels",
                "value": {
                    "start": each.first,
                    "end": each.last,
                    "instant": each.instant,
                    "timeserieslabels": [each.label],
                },
            }
            for place, each in enumerate(segments)
        ]
        annotation = {"id": number, "result": regions, "created_at": "2026-01-01T00:00:00Z"}
        tasks.append({"id": number, "data": {"csv_url": f"{number}.csv"}, "annotations": [annotation]})
    change(tasks)
    (folder / "tasks.json").write_text(json.dumps(tasks))
    (folder / "label_config.xml").write_text(
        '<View><TimeSeriesLabels name="label" toName="ts"><Label value="Run"/><Label value="Walk"/>'
        '</TimeSeriesLabels><TimeSeries name="ts" valueType="url" value="$csv_url" timeColumn="time">'
        '<Channel column="a"/><Channel column="b"/></TimeSeries></View>'
    )
    return folder / "tasks.json", folder / "label_config.xml"
