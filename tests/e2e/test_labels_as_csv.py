"""Labels go into a real Label Studio as CSV and come out again: once, however often, and to be learned from."""

import csv
import os
import subprocess
import sys
from pathlib import Path

from examples.demo import label_studio as installed
from examples.demo.client import Client
from tests.e2e.project import Project
from tests.e2e.series import Json, read_regions, regions
from tests.support.paths import ROOT


def run(user: Client, models: Path, *words: str) -> str:
    """Output of a command that has to end well."""
    variables = {"MODEL_DIR": str(models), "LABEL_STUDIO_HOST": user.url, "LABEL_STUDIO_API_KEY": installed.TOKEN}
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def annotations(user: Client, project: int) -> dict[str, list[Json]]:
    """Annotations of each task by the address of its recording."""
    return {task["data"]["csv_url"]: task["annotations"] for task in user.tasks(project)}


def test_labels_come_in_once_and_go_out_as_they_came(user: Client, tmp_path: Path, figures: dict[str, str]) -> None:
    made = Project(user, seed=20, count=3, labels=3, axis="datetime")
    addresses = {task["id"]: task["data"]["csv_url"] for task in user.tasks(made.id)}
    listed = tmp_path / "segments.csv"
    with listed.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("recording", "start", "end", "label"))
        for task, recording in zip(made.tasks, made.recordings, strict=True):
            for region in regions(recording):
                value = region["value"]
                writer.writerow((addresses[task], value["start"], value["end"], value["timeserieslabels"][0]))
        writer.writerow(("https://example.com/new.csv", "2024-01-30 23:55:00", "2024-01-30 23:55:10", made.labels[0]))
    command = ("inference", "import-labels", str(listed), "--project", str(made.id))
    assert run(user, tmp_path / "models", *command).startswith("4 of 4 recordings were sent")
    assert run(user, tmp_path / "models", *command).startswith("0 of 4 recordings were sent")
    found = annotations(user, made.id)
    assert found.keys() == {*addresses.values(), "https://example.com/new.csv"}
    assert {len(each) for each in found.values()} == {1}
    assert not any(each["ground_truth"] for some in found.values() for each in some)
    for task, recording in zip(made.tasks, made.recordings, strict=True):
        assert read_regions(recording, found[addresses[task]][0]["result"]) == list(recording.segments)

    new = next(task["id"] for task in user.tasks(made.id) if task["id"] not in addresses)
    user.delete_tasks(made.id, [new])
    run(user, tmp_path / "models", "training", "export-labels", "--project", str(made.id), "--output", str(tmp_path))
    copy = Project(user, seed=20, count=3, labels=3, axis="datetime")
    with (tmp_path / "recordings.csv").open(newline="") as lines:
        files = {row["recording"]: row["file"] for row in csv.DictReader(lines)}
    copied = {task["id"]: task["data"]["csv_url"] for task in user.tasks(copy.id)}
    for task, twin, recording in zip(made.tasks, copy.tasks, made.recordings, strict=True):
        words = (str(tmp_path / files[addresses[task]]), "--project", str(copy.id), "--recording", copied[twin])
        run(user, tmp_path / "models", "inference", "import-labels", *words)
        (annotation,) = annotations(user, copy.id)[copied[twin]]
        assert read_regions(recording, annotation["result"]) == list(recording.segments)
    figures["labels in and out"] = f"{sum(len(each.segments) for each in made.recordings)} segments as they came"
