"""Annotations as CSV: what most annotators say, and what nobody knows."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import several_series
from tests.support.label_studio import CONFIG, make_region
from training.__main__ import main

COLUMN = "value\n" + "0.5\n" * 9 + "0.25\n"


@pytest.fixture
def exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Rows that are written of one recording with these annotations."""
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "models"))
    (tmp_path / "config.xml").write_text(CONFIG)
    (tmp_path / "a.csv").write_text(COLUMN)

    def exported(*annotations: list[Any], words: tuple[str, ...] = ()) -> list[dict[str, str]]:
        made = [{"id": n, "completed_by": n, "result": each} for n, each in enumerate(annotations, 1)]
        task = {"id": 7, "data": {"csv_url": "a.csv"}, "annotations": made}
        (tmp_path / "tasks.json").write_text(json.dumps([task]))
        source = ["--tasks", str(tmp_path / "tasks.json"), "--label-config", str(tmp_path / "config.xml")]
        assert main(["export-labels", *source, "--output", str(tmp_path / "out"), *words]) == 0
        assert not (tmp_path / "models").exists()
        assert list(read(tmp_path / "out" / "recordings.csv")) == [
            {"file": "7.csv", "task": "7", "rows": "10", "recording": "a.csv"}
        ]
        return list(read(tmp_path / "out" / "7.csv"))

    return exported


def read(path: Path) -> Any:
    with path.open(newline="") as lines:
        yield from csv.DictReader(lines)


def labels(rows: list[dict[str, str]]) -> str:
    return "".join(each["label"][:1] or "." for each in rows)


def test_each_row_has_its_label(exported: Any) -> None:
    rows = exported([make_region(2, 4)], words=("--values",))
    assert rows[2] == {"row": "2", "value": "0.5", "label": "Run"}
    assert labels(rows) == "..RRR....."


def test_what_annotators_differ_on_is_unknown(exported: Any) -> None:
    assert labels(exported([make_region(2, 4)], [make_region(3, 6)])) == "..?RR??..."
    assert labels(exported([make_region(2, 4)], [make_region(3, 6)], [make_region(3, 4)])) == "...RR....."


def test_the_setting_for_annotators_applies(exported: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANNOTATORS", "latest")
    assert labels(exported([make_region(2, 4)], [make_region(3, 6)])) == "...RRRR..."


def test_a_region_that_cannot_be_read_leaves_its_rows_unknown(exported: Any) -> None:
    assert labels(exported([make_region(1, 2), make_region(5, 7, "Jump")])) == ".RR..???.."


def test_labels_on_all_rows_are_written_though_nothing_could_be_learned(exported: Any) -> None:
    assert labels(exported([make_region(0, 9)])) == "RRRRRRRRRR"


def test_without_a_source_it_says_what_it_needs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["export-labels", "--output", str(tmp_path)]) == 2
    assert "--project N" in capsys.readouterr().err


def test_of_several_series_the_first_is_written_or_the_one_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "models"))
    acc, lux, regions = several_series.draw(1)
    (tmp_path / "config.xml").write_text(several_series.CONFIG)
    (tmp_path / "acc.csv").write_text("a,b\n" + "".join(f"{a},{b}\n" for a, b in acc))
    columns = {"time": [10 * row for row in range(len(lux))], "lux": lux.tolist()}
    annotation = {"id": 1, "completed_by": 1, "result": regions}
    task = {"id": 7, "data": {"csv_url": "acc.csv", "lux": columns}, "annotations": [annotation]}
    (tmp_path / "tasks.json").write_text(json.dumps([task]))
    source = ["--tasks", str(tmp_path / "tasks.json"), "--label-config", str(tmp_path / "config.xml")]
    command = ["export-labels", *source, "--output", str(tmp_path / "out")]

    assert main(command) == 0
    assert "Of the series 'acc', 'lux' this is 'acc'. --series names another one." in capsys.readouterr().err
    first = list(read(tmp_path / "out" / "7.csv"))
    assert (len(first), list(first[0])) == (len(acc), ["row", "label 1", "label 2"])

    assert main([*command, "--series", "lux"]) == 0
    assert "Of the series 'acc', 'lux' this is 'lux'.\n" in capsys.readouterr().err
    second = list(read(tmp_path / "out" / "7.csv"))
    assert [row["time"] for row in second if row["label"] == "On"] == [str(10 * row) for row in range(21, 61)]
    assert len(second) == len(lux)

    assert main([*command, "--series", "other"]) == 2
    assert "no series 'other' with labels; it has 'acc', 'lux'" in capsys.readouterr().err
