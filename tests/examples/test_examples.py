"""The shipped examples hold together: configuration, tasks and recordings."""

import json
from pathlib import Path

import pytest

from shared.labelling.label_config import parse_label_config
from shared.recordings.series import read_series
from tests.support.paths import ROOT


@pytest.mark.parametrize("name", ["watch", "falls"])
def test_every_region_of_an_example_lies_on_rows_of_its_recording(name: str) -> None:
    folder = ROOT / "examples" / name
    config = parse_label_config((folder / "label_config.xml").read_text())
    tasks = json.loads((folder / "tasks.json").read_text())
    seen: set[str] = set()
    for task in tasks:
        series = read_series((folder / config.value_of(task["data"])).read_bytes(), config)
        for region in task["annotations"][0]["result"]:
            value = region["value"]
            assert (region["from_name"], region["to_name"]) == (config.from_name, config.to_name)
            assert value["instant"] == (value["start"] == value["end"])
            first, last = series.axis.rows_between(value["start"], value["end"])
            assert series.axis.value(first) == value["start"]
            assert series.axis.value(last) == value["end"]
            seen.update(value["timeserieslabels"])
    assert seen == set(config.labels)


@pytest.mark.parametrize("name", ["watch", "falls"])
def test_an_example_is_small_and_says_where_it_comes_from(name: str) -> None:
    folder = ROOT / "examples" / name
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 600_000
    assert "Source" in (folder / "README.md").read_text()


def test_the_excerpt_carries_the_licence_of_its_source() -> None:
    assert "Copyright (c) 2018, David M. Burns" in (ROOT / "examples/watch/LICENSE.seglearn").read_text()


def test_the_simulated_example_is_what_its_script_makes(tmp_path: Path) -> None:
    from examples.falls.simulate import simulate

    simulate(tmp_path)
    for made in [tmp_path / "tasks.json", *sorted((tmp_path / "csv").iterdir())]:
        shipped = ROOT / "examples" / "falls" / made.relative_to(tmp_path)
        assert made.read_text() == shipped.read_text()
