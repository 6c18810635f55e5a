import json
from pathlib import Path

import pytest

from shared.labelling.label_config import parse_label_config
from tests.inference.conftest import CONFIG, VALUES, Publish
from tests.support.commands import run_inference

TIMED = CONFIG.replace("json", "url").replace(
    'value="$csv_url"', 'value="$csv_url" timeColumn="time" timeFormat="%Y-%m-%d %H:%M:%S"'
)


def write_csv(path: Path, times: bool = False) -> Path:
    cells = [
        f"2026-01-01 00:{row // 60:02d}:{row % 60:02d},{value}" if times else f"{value}"
        for row, value in enumerate(VALUES)
    ]
    path.write_text("\n".join(["time,value" if times else "value", *cells]) + "\n")
    return path


def test_predict_writes_one_array_to_stdout_and_all_else_to_stderr(
    tmp_path: Path, model_dir: Path, publish: Publish
) -> None:
    version = publish(project=0)
    good, missing = write_csv(tmp_path / "good.csv"), tmp_path / "missing.csv"
    done = run_inference("predict", str(good), str(missing), "--json", MODEL_DIR=str(model_dir))
    first, second = json.loads(done.stdout)
    assert first["file"] == str(good)
    assert first["model_version"] == version
    assert 0 < first["score"] <= 1
    (region,) = first["result"]
    assert (region["value"]["start"], region["value"]["end"]) == (60, 79)
    assert second["result"] == []
    assert "missing.csv" in done.stderr
    assert done.returncode == 1


def test_predict_gives_times_in_the_configurations_format(tmp_path: Path, model_dir: Path, publish: Publish) -> None:
    publish(project=0, label_config=parse_label_config(TIMED))
    done = run_inference("predict", str(write_csv(tmp_path / "a.csv", times=True)), "--json", MODEL_DIR=str(model_dir))
    (region,) = json.loads(done.stdout)[0]["result"]
    assert region["value"]["start"] == "2026-01-01 00:01:00"
    assert region["value"]["end"] == "2026-01-01 00:01:19"
    assert done.returncode == 0


def test_predict_without_a_model_says_so_and_asks_to_come_again(tmp_path: Path) -> None:
    done = run_inference("predict", "a.csv", "--json", MODEL_DIR=str(tmp_path))
    assert done.returncode == 75
    assert "no model" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("project", ["../0", "-1", "x", "1.5"])
def test_a_project_that_is_no_number_is_refused(project: str, tmp_path: Path) -> None:
    done = run_inference("predict", f"--project={project}", "a.csv", MODEL_DIR=str(tmp_path))
    assert done.returncode == 2
    assert "digits" in done.stderr


def test_rows_hold_a_label_and_probabilities_beside_the_times(
    tmp_path: Path, model_dir: Path, publish: Publish
) -> None:
    publish(project=0, label_config=parse_label_config(TIMED))
    file = write_csv(tmp_path / "a.csv", times=True)
    done = run_inference("predict", str(file), "--rows", "-", MODEL_DIR=str(model_dir))
    assert done.returncode == 0
    header, *rows = done.stdout.splitlines()
    assert header == "time,label,p(no label),p(Run),p(Walk)"
    assert [row.split(",")[0] for row in rows] == [line.split(",")[0] for line in file.read_text().splitlines()[1:]]
    assert [row.split(",")[1] for row in rows] == ["Run" if 60 <= place < 80 else "" for place in range(180)]
    chances = [[float(cell) for cell in row.split(",")[2:]] for row in rows]
    assert all(abs(sum(each) - 1) < 0.001 for each in chances)
    assert all(each[1] > 0.9 for each in chances[62:78])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a.csv", "b.csv", "--rows", "-"], "rows of one file"),
        (["a.csv", "--rows", "-", "--json"], "both write to stdout"),
        (["a.csv", "x/a.csv", "--rows", "out"], "Two files would be written to a.csv"),
    ],
)
def test_rows_that_would_be_mixed_up_are_refused(
    words: list[str], said: str, model_dir: Path, publish: Publish
) -> None:
    publish(project=0)
    done = run_inference("predict", *words, MODEL_DIR=str(model_dir))
    assert done.returncode == 2
    assert said in done.stderr


def test_rows_are_never_written_over_the_recording(tmp_path: Path, model_dir: Path, publish: Publish) -> None:
    publish(project=0)
    file = write_csv(tmp_path / "a.csv")
    before = file.read_bytes()
    done = run_inference("predict", str(file), "--rows", str(tmp_path), MODEL_DIR=str(model_dir))
    assert done.returncode == 1
    assert "name another folder" in done.stderr
    assert file.read_bytes() == before
