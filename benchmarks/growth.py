"""From an annotation to a served model that has learned it, as a project grows: seconds, CPU, memory, quality.

`python -m benchmarks.growth [--sizes 5 20 80 300] [--additions 10]`. A server of its own hears of each annotation as
Label Studio tells it, and starts the training; the clock runs from the event until /setup names the new version.
Simulated people do six exercises at their own pace: 5,000 rows and 6 channels each. CPU is that of server and training
together, memory the largest resident size of a training. An idle machine with two cores is meant.
"""

import argparse
import tempfile
import threading
import time
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import psutil

from benchmarks.material import RANGE_LABELS, label_config
from benchmarks.measure import resident, say_where, table, tree_cpu
from shared.model_file.several import read_cards
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from tests.support.label_studio import LabelStudioDouble, make_project, make_region
from tests.support.server import Server, run_server
from tests.support.tokens import TOKEN
from tests.support.web_server import serve

SIZES = (5, 20, 80, 300)
ROWS, CHANNELS = 5_000, 6
LOOK_SECONDS = 0.1  # between two looks
MEMORY_SECONDS = 0.05
WAIT_SECONDS = 3_600.0


class Addition(NamedTuple):
    """What it took to learn one more recording. score: balanced accuracy on held-out recordings."""

    seconds: float
    cpu: float
    memory: float
    score: float


class Recording(NamedTuple):
    """A file and what is annotated in it."""

    csv: str
    regions: list[tuple[float, float, str]]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="recordings (default: 5 20 80 300)")
    parser.add_argument("--additions", type=int, default=10, help="one after the other, of each size (default: 10)")
    options = parser.parse_args()
    say_where("python -m benchmarks.growth")
    lines = []
    for size in options.sizes:
        found = grow(size, options.additions)
        middle = Addition(*(median(each) for each in zip(*found, strict=True)))
        longest, memory = max(each.seconds for each in found), max(each.memory for each in found)
        numbers = (f"{middle.seconds:.1f}", f"{longest:.1f}", f"{middle.cpu:.1f}", f"{memory:.0f}")
        lines.append([str(size), *numbers, f"{middle.score:.3f}"])
    heads = ["recordings", "s, median", "s, longest", "CPU s, median", "training, MiB", "balanced accuracy"]
    table(heads, lines)


@cache
def simulate(person: int) -> Recording:
    """One person's exercises, some 20 rows apart."""
    random = np.random.default_rng(person)
    pace, force = np.exp(random.normal(0, (0.15, 0.2)))
    values = random.normal(random.normal(0, 0.5, CHANNELS), 0.3, (ROWS, CHANNELS))
    regions, row = [], int(random.integers(20, 80))
    while row < ROWS - 200:
        kind, length = int(random.integers(len(RANGE_LABELS))), int(random.integers(60, 200))
        at = np.arange(length)[:, None]
        rhythm, size = (0.15 + 0.05 * kind) * pace, 0.4 * force * (1 + (np.arange(CHANNELS) + kind) % 3)
        values[row : row + length] += size * np.sin(at * rhythm + kind * np.arange(CHANNELS))
        regions.append((row / 10, (row + length - 1) / 10, RANGE_LABELS[kind]))
        row += length + int(random.integers(10, 60))
    heads = "time," + ",".join(f"c{index}" for index in range(CHANNELS)) + "\n"
    lines = (f"{number / 10:.1f},{','.join(f'{each:.5f}' for each in cells)}\n" for number, cells in enumerate(values))
    return Recording(heads + "".join(lines), regions)


def grow(size: int, additions: int) -> list[Addition]:
    """Learn `size` recordings, then one more, `additions` times."""
    label_studio = LabelStudioDouble(
        projects={1: {**make_project(), "label_config": label_config("ranges")}},
        recording=lambda task: simulate(task).csv,
    )
    with tempfile.TemporaryDirectory() as folder, serve(label_studio) as web:
        settings = {"TRAIN_LAUNCHER": "process", "LABEL_STUDIO_HOST": web.url, "LABEL_STUDIO_API_KEY": TOKEN}
        with run_server(folder, **settings) as server:
            for number in range(1, size + 1):
                annotate(label_studio, number)
            learn(label_studio, server, Path(folder), size)
            found = []
            for number in range(size + 1, size + additions + 1):
                annotate(label_studio, number)
                found.append(learn(label_studio, server, Path(folder), number))
            return found


def annotate(label_studio: LabelStudioDouble, task: int) -> None:
    """Mark all exercises of a recording."""
    regions = []
    for number, (start, end, label) in enumerate(simulate(task).regions):
        region = make_region(number, number, label)
        region["value"] |= {"start": start, "end": end}
        regions.append(region)
    label_studio.annotate(task, result=regions)


def learn(label_studio: LabelStudioDouble, server: Server, store: Path, task: int) -> Addition:
    """Tell the server of a task's annotation; wait until it serves a version that has learned `task` recordings."""
    found = label_studio.task(task)
    assert found is not None
    event = {"action": "ANNOTATION_CREATED", "project": label_studio.project, "task": found}
    event["annotation"] = {**found["annotations"][-1], "task": task, "project": 1}
    created = datetime.fromisoformat(label_studio.project["created_at"])
    setup = {"project": f"1.{int(created.timestamp())}", "schema": label_studio.project["label_config"]}
    process, memory = psutil.Process(server.process.pid), Memory(server.process.pid)
    before, begun = tree_cpu(process), time.monotonic()
    assert server.post("/webhook", event).status == 201
    models = ModelStore(open_storage(str(store)))
    while time.monotonic() - begun < WAIT_SECONDS:
        _, answer = server.json("POST", "/setup", setup)
        stored = models.current(1)
        card = read_cards(stored.data)[0] if stored else None
        if card and answer.get("model_version") == card.version and card.snapshot.tasks == task:
            seconds, cpu = time.monotonic() - begun, tree_cpu(process) - before
            memory.stop()
            return Addition(seconds, cpu, memory.largest, card.metrics.estimates["balanced_accuracy"].value)
        time.sleep(LOOK_SECONDS)
    raise TimeoutError(f"After {WAIT_SECONDS:.0f} s no version has learned {task} recordings:\n{server.log[-2000:]}")


class Memory:
    """The largest resident size [MiB] of a process's children."""

    def __init__(self, parent: int) -> None:
        self.largest = 0.0
        self._process = psutil.Process(parent)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(MEMORY_SECONDS):
            for child in self._process.children(recursive=True):
                with suppress(psutil.Error):
                    self.largest = max(self.largest, resident(child))


if __name__ == "__main__":
    main()
