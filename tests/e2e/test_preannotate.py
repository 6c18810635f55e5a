"""Predictions for a project of 2,000 tasks, from a command that is killed twice on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from examples.demo import label_studio as installed
from examples.demo.client import Client
from tests.support.store import publish_model

TASKS = 2000
KILLED_AFTER = (3, 9)  # batches that the command has reported
CONFIG = (
    '<View><TimeSeriesLabels name="label" toName="ts"><Label value="Run"/><Label value="Walk"/></TimeSeriesLabels>'
    '<TimeSeries name="ts" valueType="json" value="$csv_url"><Channel column="value"/></TimeSeries></View>'
)


def start(models: Path, url: str, project: int, log: Path) -> subprocess.Popen[bytes]:
    """The command, telling its progress into `log`."""
    environ = {
        **os.environ,
        "MODEL_DIR": str(models),
        "LABEL_STUDIO_HOST": url,
        "LABEL_STUDIO_API_KEY": installed.TOKEN,
    }
    command = [sys.executable, "-m", "inference", "preannotate", "--project", str(project), "--json", "--rate", "1000"]
    with log.open("wb") as file:
        return subprocess.Popen(command, env=environ, stdout=file, stderr=subprocess.STDOUT)


def predictions_by_task(user: Client, project: int) -> Counter[int]:
    """How many predictions each task has."""
    return Counter(each["task"] for each in user.call("GET", f"/api/predictions/?project={project}"))


def test_2000_tasks_get_exactly_one_prediction_each_though_the_command_is_killed_twice(
    user: Client, tmp_path: Path, figures: dict[str, str]
) -> None:
    project = user.create_project("preannotated", CONFIG)
    low, high = [0.0] * 60, [1.0] * 20
    for first in range(0, TASKS, 500):
        tasks = [{"csv_url": {"value": [*low, *high, *low, number / TASKS]}} for number in range(first, first + 500)]
        user.import_tasks(project, [{"data": task} for task in tasks])
    publish_model(tmp_path / "models", project)
    stored = 0
    for number, batches in enumerate(KILLED_AFTER):
        log = tmp_path / f"killed{number}.log"
        process = start(tmp_path / "models", user.url, project, log)
        while sum(predictions_by_task(user, project).values()) < stored + 50 * batches:
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        stored = sum(predictions_by_task(user, project).values())
    log = tmp_path / "finished.log"
    begun = time.monotonic()
    assert start(tmp_path / "models", user.url, project, log).wait() == 0, log.read_text()
    seconds = time.monotonic() - begun
    found = predictions_by_task(user, project)
    assert len(found) == TASKS
    assert set(found.values()) == {1}
    summary = json.loads(log.read_text()[log.read_text().index("{") :])
    assert summary["failed"] == 0
    figures["preannotate, tasks a second on a real Label Studio"] = f"{summary['pushed'] / seconds:.0f}"
