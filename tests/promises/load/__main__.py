"""How long /health, events and predictions take when much is asked at once: percentiles, as tables in Markdown.

    python -m tests.promises.load

Full load: eight clients predict 10,000 rows over and over while trainings go on, one after another. Overload: ten times
MAX_REQUESTS at once. Slow clients: 500 that send byte by byte, or do not read. The server is a process of its own;
what asks shares its cores, and takes its part of the waiting.
"""

import selectors
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import psutil

from benchmarks import material
from benchmarks.measure import milliseconds, resident, say_where, table
from benchmarks.processes import file_server
from benchmarks.serve import address
from shared.retraining.runs import Runs
from shared.store.opening import open_storage
from tests.promises.load.messages import event
from tests.promises.load.slow_clients import dripping, never_reading
from tests.promises.load.test_slow_clients import ASK, BODY, HEAD, SLOW
from tests.promises.soak import projects
from tests.promises.soak.__main__ import SETTINGS
from tests.promises.soak.projects import PROJECTS, TASKS
from tests.support.label_studio import LabelStudioDouble
from tests.support.server import Server, run_server
from tests.support.store import put_model
from tests.support.web_server import serve

PROJECT = 9  # predicts; those of the stand-in train
ROWS = 10_000
CLIENTS = 8
SECONDS = 40.0
SLOW_SECONDS = 12.0
CUT_OFF_SECONDS = 8.0
PLACES = 32  # MAX_REQUESTS, its default
TIMES = 10
HEALTH_PAUSE, EVENT_PAUSE = 0.05, 0.2  # s

Waits = list[float]


def main() -> None:
    """Print all tables."""
    say_where("python -m tests.promises.load")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        models = folder / "models"
        put_model(models, material.make_model("ranges", project=PROJECT), PROJECT)
        (folder / f"ranges-{ROWS}.csv").write_bytes(material.csv_bytes(ROWS, "ranges"))
        files = stack.enter_context(file_server(folder))
        label_studio = projects.three_projects()
        web = stack.enter_context(serve(label_studio))
        body = material.batch([address(files, "ranges", ROWS)], "ranges", PROJECT)
        settings = {
            **SETTINGS,
            "DATA_HOSTS_ALLOWED": "127.0.0.1",
            "LABEL_STUDIO_HOST": web.url,
            "RECONCILE_SECONDS": "0",
            "LOG_LEVEL": "error",
            "CLIENT_TIMEOUT_SECONDS": f"{CUT_OFF_SECONDS:g}",
        }
        with run_server(models, **settings) as server:
            full_load(server, label_studio, body, models)
        with run_server(models, **settings | {"TRAIN_LAUNCHER": "none"}) as server:
            assert server.post("/predict", body).status == 200  # the model is loaded
            overload(server, body)
            slow_clients(server, body)


def full_load(server: Server, label_studio: LabelStudioDouble, body: bytes, models: Path) -> None:
    """Health and events beside predictions and trainings, and with trainings alone."""
    rows = []
    predict(server, body)
    for how, clients in (("trainings go on", 0), (f"{CLIENTS} clients predict, trainings go on", CLIENTS)):
        before = trained(models)
        with ExitStack() as stack:
            events = stack.enter_context(every(EVENT_PAUSE, partial(annotate, server, label_studio)))
            health = stack.enter_context(every(HEALTH_PAUSE, partial(check, server)))
            several = [stack.enter_context(every(0, partial(predict, server, body))) for _ in range(clients)]
            time.sleep(SECONDS)
        predictions = [wait for each in several for wait in each]
        ended = trained(models) - before
        for what, waits in (("/health", health), ("/webhook", events), ("/predict, 10,000 rows", predictions)):
            if waits:
                rows.append([how, what, *summarise(waits), ended])
    print("\n## Full load")
    table(["beside", "request", "asked", "p50 ms", "p99 ms", "worst ms", "trainings ended"], rows)


def overload(server: Server, body: bytes) -> None:
    """Ten times as many requests as there are places, all at one moment."""
    process = psutil.Process(server.process.pid)
    before = resident(process)
    with every(HEALTH_PAUSE, partial(check, server)) as health:
        found = at_once(server.port, body, TIMES * PLACES)
    rows = [
        ["predictions answered", *summarise(found[200])],
        ["503 with Retry-After", *summarise(found[503])],
        ["/health meanwhile", *summarise(health)],
    ]
    print(f"\n## {TIMES * PLACES} predictions at once, MAX_REQUESTS={PLACES}")
    table(["", "count", "p50 ms", "p99 ms", "worst ms"], rows)
    print(f"Resident: {before:.0f} MiB before, {resident(process):.0f} MiB after.")


def at_once(port: int, body: bytes, count: int) -> dict[int, Waits]:
    """Send a prediction on each of `count` connections; how long each answer took, by status."""
    request = (
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        + body
    )
    found: dict[int, Waits] = {200: [], 503: []}
    with ExitStack() as stack, selectors.DefaultSelector() as answers:
        for _ in range(count):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            answers.register(client, selectors.EVENT_READ, bytearray())
        begun = time.perf_counter()
        for key in list(answers.get_map().values()):
            key.fileobj.sendall(request)  # type: ignore[union-attr]
        while answers.get_map():
            for key, _ in answers.select():
                piece = key.fileobj.recv(2**20)  # type: ignore[union-attr]
                key.data.extend(piece)
                if not piece:
                    status = int(key.data.split(b" ", 2)[1])
                    assert status == 200 or b"\r\nretry-after: " in key.data.lower()
                    found[status].append(time.perf_counter() - begun)
                    answers.unregister(key.fileobj)
    return found


def slow_clients(server: Server, body: bytes) -> None:
    """What others wait for beside 500 slow ones, who are cut off after a while."""
    process = psutil.Process(server.process.pid)
    rows = []
    cases: dict[str, Callable[[], AbstractContextManager[object]]] = {
        "nobody": nullcontext,
        "heads that drip": lambda: dripping(server.port, HEAD, SLOW),
        "bodies that drip": lambda: dripping(server.port, BODY, SLOW),
        "answers not read": lambda: never_reading(server.port, ASK, SLOW),
    }
    for name, open_them in cases.items():
        connections: list[float] = []
        with (
            every(0.5, lambda seen=connections: seen.append(server.metric("tss_connections"))),  # type: ignore[misc]
            every(HEALTH_PAUSE, partial(check, server)) as health,
            every(EVENT_PAUSE, partial(annotate_nothing, server)) as events,
            every(0, partial(predict, server, body)) as predictions,
            open_them(),
        ):
            time.sleep(SLOW_SECONDS)
            held = resident(process)
        figures = [summarise(each)[index] for each in (health, events, predictions) for index in (1, 3)]
        rows.append([name, f"{max(connections):.0f}", *figures, f"{held:.0f}"])
    print(f"\n## {SLOW} slow clients, cut off after CLIENT_TIMEOUT_SECONDS={CUT_OFF_SECONDS:g}")
    head = [f"{what}, {which} ms" for what in ("/health", "/webhook", "/predict") for which in ("p50", "worst")]
    table(["slow clients", "most connections", *head, "resident MiB"], rows)


@contextmanager
def every(pause: float, ask: Callable[[], object]) -> Iterator[Waits]:
    """Ask over and over in a thread of its own; yields how long each took [s]."""
    waits: Waits = []
    over = threading.Event()

    def run() -> None:
        while not over.wait(pause):
            begun = time.perf_counter()
            ask()
            waits.append(time.perf_counter() - begun)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield waits
    finally:
        over.set()
        thread.join()


def check(server: Server) -> None:
    assert server.get("/health").status == 200


def predict(server: Server, body: bytes) -> None:
    assert server.post("/predict", body).json()["results"][0]["result"]


def annotate_nothing(server: Server) -> None:
    assert server.post("/webhook", event(PROJECT)).status == 201


def annotate(server: Server, label_studio: LabelStudioDouble) -> None:
    project, task = PROJECTS[0], 1 + int(time.monotonic() * 7) % TASKS
    projects.annotate(label_studio, project, task, shift=int(time.monotonic() * 13) % 6)
    assert server.post("/webhook", projects.event(label_studio, project, task)).status == 201


def trained(models: Path) -> int:
    """Trainings that ended so far."""
    runs = Runs(open_storage(str(models)))
    return sum(runs.next_number(project) - 1 for project in PROJECTS)


def summarise(waits: Sequence[float]) -> list[object]:
    """Count, median, 99th percentile and worst."""
    return [
        len(waits),
        milliseconds(median(waits)),
        milliseconds(float(np.percentile(waits, 99))),
        milliseconds(max(waits)),
    ]


if __name__ == "__main__":
    main()
