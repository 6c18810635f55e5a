"""Predictions for a project of 2,000 tasks from three processes that share the work; one is killed, then all three."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from examples.demo import label_studio as installed
from examples.demo.client import Client
from inference.preannotation.claims import read_range
from inference.preannotation.plans import read_plan
from shared.store import keys
from shared.store.folder import FolderStorage
from tests.support.store import publish_model

TASKS = 2000
ONE_KILLED = 300  # predictions that are stored when the first process is killed
ALL_KILLED = 1000
PROCESSES = 3
CONFIG = (
    '<View><TimeSeriesLabels name="label" toName="ts"><Label value="Run"/><Label value="Walk"/></TimeSeriesLabels>'
    '<TimeSeries name="ts" valueType="json" value="$csv_url"><Channel column="value"/></TimeSeries></View>'
)


class Worker:
    """One process, telling its progress into a log."""

    def __init__(self, models: Path, url: str, project: int, part: int, log: Path) -> None:
        self.log = log
        environ = {
            **os.environ,
            "MODEL_DIR": str(models),
            "LABEL_STUDIO_HOST": url,
            "LABEL_STUDIO_API_KEY": installed.TOKEN,
        }
        command = [sys.executable, "-m", "inference", "preannotate", "--project", str(project), "--json"]
        command += ["--rate", "1000", "--job", "night", "--part", str(part)]
        with log.open("wb") as file:
            self.process = subprocess.Popen(command, env=environ, stdout=file, stderr=subprocess.STDOUT)

    def kill(self) -> None:
        """As the kernel does when memory is out."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def summary(self) -> dict[str, int]:
        """What it said at its end."""
        assert self.process.wait() == 0, self.log.read_text()
        text = self.log.read_text()
        return dict(json.loads(text[text.index("{") :]))


def predictions_by_task(user: Client, project: int) -> Counter[int]:
    """How many predictions each task has."""
    return Counter(each["task"] for each in user.call("GET", f"/api/predictions/?project={project}"))


def holders(models: Path, project: int) -> set[str]:
    """The processes that have claimed ranges of the plan."""
    storage = FolderStorage(models)
    plan = read_plan(storage, project)
    if plan is None:
        return set()
    records = (read_range(storage, key) for key in storage.keys(keys.preannotation_ranges(project, plan.id)))
    return {record.holder for record in records if record is not None}


def wait_for(user: Client, project: int, count: int, workers: list[Worker], ready: Callable[[], bool]) -> None:
    """Wait until so many predictions are stored, and `ready` says so."""
    while sum(predictions_by_task(user, project).values()) < count or not ready():
        for worker in workers:
            assert worker.process.poll() is None, worker.log.read_text()
        time.sleep(0.1)


def test_2000_tasks_get_exactly_one_prediction_each_from_three_processes_that_are_killed(
    user: Client, tmp_path: Path, figures: dict[str, str]
) -> None:
    project = user.create_project("preannotated", CONFIG)
    low, high = [0.0] * 60, [1.0] * 20
    for first in range(0, TASKS, 500):
        tasks = [{"csv_url": {"value": [*low, *high, *low, number / TASKS]}} for number in range(first, first + 500)]
        user.import_tasks(project, [{"data": task} for task in tasks])
    models = tmp_path / "models"
    publish_model(models, project)

    def start(name: str) -> list[Worker]:
        return [Worker(models, user.url, project, part, tmp_path / f"{name}{part}.log") for part in range(PROCESSES)]

    begun = time.monotonic()
    killed, *others = start("first")
    wait_for(user, project, ONE_KILLED, [killed, *others], lambda: len(holders(models, project)) == PROCESSES)
    killed.kill()
    wait_for(user, project, ALL_KILLED, others, lambda: True)
    for worker in others:
        worker.kill()
    summaries = [worker.summary() for worker in start("last")]
    seconds = time.monotonic() - begun
    found = predictions_by_task(user, project)
    assert len(found) == TASKS
    doubled = [task for task, count in found.items() if count > 1]
    assert not doubled, [
        (each["task"], each["created_at"])
        for each in user.call("GET", f"/api/predictions/?project={project}")
        if each["task"] in doubled
    ]
    assert {(each["all_failed"], each["failed"]) for each in summaries} == {(0, 0)}
    figures["preannotate, tasks a second on a real Label Studio, three processes, all killed once"] = (
        f"{TASKS / seconds:.0f}"
    )
