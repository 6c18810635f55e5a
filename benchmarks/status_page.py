"""The status page open on 200 projects while predictions are asked for: figures beside those with the page closed.

`python -m benchmarks.status_page`. Rounds with and without the page alternate; the page is asked for as often as its
own script does it. CPU is that of the server's process.
"""

import http.client
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np
import psutil

from benchmarks.material import batch, csv_bytes, label_config, make_model
from benchmarks.measure import milliseconds, say_where, table
from benchmarks.processes import Client, file_server, segmenter_server
from inference.monitoring.drawing import Window, draw
from inference.monitoring.task_table import TaskTable
from shared.labelling.segments import Segment
from shared.labelling.time_axis import TimeAxis
from shared.recordings.series import Series
from shared.store.opening import open_storage
from shared.store.projects import KnownProject, KnownProjects
from tests.support.store import put_model

PROJECTS = 200
TASKS = 100_000
LONG = 1_000_000  # rows
ROUNDS = 6
ROUND_SECONDS = 8.0
PERIOD = 2.0  # s between two looks, as in inference/status/static/live.js
LOOKS = 20


def main() -> None:
    """Print both tables."""
    say_where("python -m benchmarks.status_page")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        known = KnownProjects(open_storage(str(folder / "models")))
        for project in range(1, PROJECTS + 1):
            known.remember(KnownProject(id=project, title=f"Project {project}", label_config=label_config("ranges")))
            put_model(folder / "models", make_model("ranges", project=project), project)
        fill_tasks(TaskTable(open_storage(str(folder / "models"))))
        cost_of_a_drawing()
        (folder / "recording.csv").write_bytes(csv_bytes(1000, "ranges"))
        with file_server(folder) as files, segmenter_server(folder / "models") as (port, process):
            body = batch([f"{files}recording.csv"], "ranges")
            cost_of_a_look(port, process)
            side_by_side(port, process, body)


def fill_tasks(tasks: TaskTable) -> None:
    """10⁵ tasks of project 1, as after as many predictions."""
    for task in range(TASKS):
        tasks.record(1, task, "20260101T000000Z-aaaaaa", (task * 7919 % 1000) / 1000, task % 30)
    before = time.process_time()
    tasks.write()
    table(
        ("tasks", "CPU ms a write, at most once a minute"), [(f"{TASKS}", milliseconds(time.process_time() - before))]
    )


def cost_of_a_drawing() -> None:
    """CPU of a window of a long recording of many channels, once it has been read: all of it, and a zoom."""
    rows = []
    segments = [Segment(row, row + 700, f"label {row % 14}") for row in range(0, LONG, 1000)]
    for channels in (3, 64):
        values = np.random.default_rng(0).normal(size=(LONG, channels))
        series = Series(values, TimeAxis(np.arange(LONG, dtype=np.float64)))
        names = [f"channel {each}" for each in range(channels)]
        for title, window in (("all", Window()), ("20,000 rows", Window(first=LONG // 2, last=LONG // 2 + 20_000))):
            before = time.process_time()
            draw(series, names, {"annotated": segments, "predicted": segments}, window)
            rows.append((f"{LONG} x {channels}", title, milliseconds(time.process_time() - before)))
    table(("recording", "window", "CPU ms a drawing"), rows)


def cost_of_a_look(port: int, process: psutil.Process) -> None:
    """CPU of one page, with what collecting the status of the store costs: looks are further apart than it is kept."""
    rows = []
    for path in ("/ui/", "/ui/projects/1", "/ui/projects/1/tasks"):
        look(port, path)
        before = cpu(process)
        sizes = []
        for _ in range(LOOKS):
            sizes.append(look(port, path))
            time.sleep(1.1)
        rows.append((path, milliseconds((cpu(process) - before) / LOOKS), f"{max(sizes) / 1000:.1f}"))
    table(("page", f"CPU ms a look, {PROJECTS} projects, idle loops included", "kB sent"), rows)


def side_by_side(port: int, process: psutil.Process, body: bytes) -> None:
    """Predictions one after another, with the page open and closed in turns."""
    found: dict[bool, list[float]] = {False: [], True: []}
    used = {False: 0.0, True: 0.0}
    client = Client(port)
    client.predict(body)
    for number in range(2 * ROUNDS):
        observed = number % 2 == 1
        before = cpu(process)
        end = time.monotonic() + ROUND_SECONDS
        with page_open(port, observed):
            while time.monotonic() < end:
                begun = time.perf_counter()
                client.predict(body)
                found[observed].append(time.perf_counter() - begun)
        used[observed] += cpu(process) - before
    rows: list[tuple[str, ...]] = []
    for observed, times in found.items():
        times.sort()
        rows.append(
            (
                "open" if observed else "closed",
                str(len(times)),
                milliseconds(median(times)),
                milliseconds(times[int(0.99 * len(times))]),
                milliseconds(used[observed] / len(times)),
            )
        )
    rows.append(("ratio", *(f"{float(rows[1][n]) / float(rows[0][n]):.2f}" for n in range(1, 5))))
    table(("page", "predictions", "median ms", "99 % ms", "CPU ms a prediction"), rows)


@contextmanager
def page_open(port: int, observed: bool) -> Iterator[None]:
    """Somebody has the overview open, or nobody has."""
    closed = threading.Event()

    def watch() -> None:
        while not closed.is_set():
            look(port, "/ui/")
            closed.wait(PERIOD)

    thread = threading.Thread(target=watch)
    if observed:
        thread.start()
    yield
    closed.set()
    if observed:
        thread.join()


def look(port: int, path: str) -> int:
    """Ask for a page as a browser does; bytes sent."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path, headers={"Accept": "text/html", "Accept-Encoding": "gzip"})
    size = len(connection.getresponse().read())
    connection.close()
    return size


def cpu(process: psutil.Process) -> float:
    """CPU seconds of the server so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()
