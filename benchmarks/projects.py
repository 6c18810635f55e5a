"""What a server asks of a bucket with 100, 1,000 and 10,000 projects: first look, idle, busy, and from event to run.

`python -m benchmarks.projects` (about 15 minutes): a store in memory, each request of which takes 20 ms.
`python -m benchmarks.projects --seaweed`: a real S3 server on this machine, each request of which takes 20 ms more
(`--latency 0`: its own speed).

Every object of a server is real but its HTTP side and the trainings, which only write what a training writes. Busy:
3,000 trainings an hour, started by six servers, of which this is one; those of the others are written past its count.
CPU is that of this process, with the store in memory and what the other servers write, so an upper bound.
"""

import argparse
import logging
import os
import random
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks.material import label_config
from benchmarks.measure import say_where, table
from inference.services import Services
from inference.serving.protocol import ProjectRef
from inference.serving.webhooks import WebhookEvent
from shared.errors import ConflictError, LeaseHeldError
from shared.labelling.label_config import parse_label_config
from shared.model_file.onnx_file import SEAL_BYTES, seal
from shared.parallel import read_all
from shared.retraining.active_run import ActiveRun, begin_run
from shared.retraining.runs import RunRecord
from shared.retraining.scheduler import Launch
from shared.retraining.updates import Updates
from shared.settings import Settings
from shared.store import keys
from shared.store.lease import LeaseRecord
from shared.store.opening import open_storage
from shared.store.projects import KnownProject
from shared.store.report import ReportFile
from shared.store.storage import Blob, Stat, Storage
from tests.support.graphs import make_model
from tests.support.models import snapshot
from tests.support.seaweed import BUCKET, Seaweed

SIZES = (100, 1_000, 10_000)
LATENCY = 0.02  # seconds
PAGE = 1000  # keys of an answer to a listing
FIRST = 100_001  # project; all have as many digits
NONE = 999_999
VERSION, LATER = "20260101T000000Z-aaaaaa", "20260101T000001Z-aaaaaa"
EVENT = "ANNOTATION_CREATED"
IN_BACK_OFF = 1_000
WINDOW = 60.0  # seconds of each measurement
TRAININGS = 3_000 / 3_600  # a second, all servers together
SERVERS = 6
TRAINS = 20.0  # seconds a training
EVENTS = 5  # timed until they have started a run


class Memory:
    """A store in memory that lists a folder in the time that its own keys take."""

    address = "memory"

    def __init__(self) -> None:
        self._folders: dict[str, dict[str, dict[str, Blob]]] = {}
        self._count = 0
        self._lock = threading.Lock()

    def check(self) -> None:
        """It is always there."""

    def get(self, key: str, *, last: int | None = None) -> Blob | None:
        found = self._folder(key).get(key)
        return found if found is None or last is None else Blob(found.data[-last:], found.tag)

    def head(self, key: str) -> Stat | None:
        found = self.get(key)
        return None if found is None else Stat(found.tag, len(found.data), time.time())

    def put(self, key: str, data: bytes, *, create: bool = False, if_match: str | None = None) -> str:
        with self._lock:
            folder = self._folder(key)
            found = folder.get(key)
            if (create and found is not None) or (if_match is not None and (found is None or found.tag != if_match)):
                raise ConflictError(key)
            self._count += 1
            folder[key] = Blob(data, str(self._count))
            return str(self._count)

    def delete(self, keys: Iterable[str]) -> None:
        with self._lock:
            for key in keys:
                self._folder(key).pop(key, None)

    def keys(self, folder: str = "", *, deep: bool = True) -> list[str]:
        return sorted(self.marks(folder, deep=deep))

    def marks(self, folder: str = "", *, deep: bool = True) -> dict[str, str]:
        top, _, rest = folder.partition("/")
        inner, _, _ = rest.partition("/")
        with self._lock:
            groups = self._folders.get(top, {})
            chosen = [groups.get(inner, {})] if rest or not deep else list(groups.values())
            return {
                key: blob.tag
                for group in chosen
                for key, blob in group.items()
                if key.startswith(folder and folder + "/")
            }

    def now(self) -> float:
        return time.time()

    def _folder(self, key: str) -> dict[str, Blob]:
        parts = key.split("/")
        top, inner = parts[0] if len(parts) > 1 else "", parts[1] if len(parts) > 2 else ""
        return self._folders.setdefault(top, {}).setdefault(inner, {})


class Remote:
    """Another store, counted in requests to a bucket, each of which takes a while."""

    def __init__(self, storage: Storage, latency: float) -> None:
        self._storage = storage
        self._latency = latency
        self._lock = threading.Lock()
        self.requests = 0
        self.address = storage.address

    def check(self) -> None:
        self._storage.check()

    def get(self, key: str, *, last: int | None = None) -> Blob | None:
        self._send()
        return self._storage.get(key, last=last)

    def head(self, key: str) -> Stat | None:
        self._send()
        return self._storage.head(key)

    def put(self, key: str, data: bytes, *, create: bool = False, if_match: str | None = None) -> str:
        self._send()
        return self._storage.put(key, data, create=create, if_match=if_match)

    def delete(self, keys: Iterable[str]) -> None:
        self._send()
        self._storage.delete(keys)

    def keys(self, folder: str = "", *, deep: bool = True) -> list[str]:
        found = self._storage.keys(folder, deep=deep)
        self._send(len(found))
        return found

    def marks(self, folder: str = "", *, deep: bool = True) -> dict[str, str]:
        found = self._storage.marks(folder, deep=deep)
        self._send(len(found))
        return found

    def now(self) -> float:
        return self._storage.now()

    def _send(self, keys: int = 1) -> None:
        pages = max(1, -(-keys // PAGE))
        with self._lock:
            self.requests += pages
        time.sleep(pages * self._latency)


class Trainer:
    """Trainings that write what one writes, past the count; the launcher of the server is one of them."""

    name = "process"

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._lock = threading.Lock()
        self._runs: dict[int, tuple[ActiveRun, float]] = {}
        self.launched: dict[int, float] = {}  # when each project was launched by the server

    def launch(self, launch: Launch) -> None:
        self.launched[launch.project] = time.monotonic()
        self.begin(launch.project)

    def running(self) -> set[int]:
        with self._lock:
            return set(self._runs) & set(self.launched)

    def close(self) -> None:
        """Nothing depends on the server."""

    def begin(self, project: int) -> None:
        try:
            run = begin_run(self._storage, project, launcher="process", host="benchmark")
        except LeaseHeldError:
            return
        run.start_from(Updates(self._storage).of(project))
        with self._lock:
            self._runs[project] = (run, time.monotonic() + TRAINS)

    def end_due(self) -> None:
        """End the trainings whose time has come."""
        with self._lock:
            due = [project for project, (_, at) in self._runs.items() if at <= time.monotonic()]
            ended = [self._runs.pop(project)[0] for project in due]
        for run in ended:
            run.report(snapshot=snapshot(1), version=LATER)
            self._storage.put(keys.model(run.record.project), model_of(run.record.project, LATER))
            run.end("published", exit_code=0)


def model_of(project: int, version: str) -> bytes:
    """A small model of a project."""
    data = MODEL.replace(b'"project":%d' % NONE, b'"project":%d' % project).replace(VERSION.encode(), version.encode())
    return seal(data[:-SEAL_BYTES])


MODEL = make_model(
    parse_label_config(label_config("ranges")).labels, project=NONE, version=VERSION, snapshot=snapshot(1), hidden=2
)


def fill(storage: Storage, count: int) -> None:
    """Projects that have connected, each with a model, its report, and five ended runs."""
    report = msgspec.json.encode(ReportFile(version=VERSION, number=5, outcome="published"))

    def write(project: int) -> None:
        known = KnownProject(id=project, title=f"Project {project}", label_config=label_config("ranges"))
        storage.put(keys.known(project), msgspec.json.encode(known))
        storage.put(keys.model(project), model_of(project, VERSION))
        storage.put(keys.weights(project), b"weights")
        storage.put(keys.version(project, VERSION, "onnx"), model_of(project, VERSION))
        storage.put(keys.version(project, VERSION, "report.json"), report)
        lease = LeaseRecord(fence=5, token="t", holder="run 5", renewed_at=time.time() - 9999, released=True)
        storage.put(keys.lease(project), msgspec.json.encode(lease))
        for number in range(1, 6):
            storage.put(keys.run(project, "ended", number, ".json"), msgspec.json.encode(ended(project, number)))
            storage.put(keys.run(project, "logs", number, ".txt"), b"The last lines.")

    read_all(write, range(FIRST, FIRST + count))


def ended(project: int, number: int, failures: int = 0) -> RunRecord:
    """A run that ended just now: failed so often in a row, or published."""
    return RunRecord(
        project=project,
        number=number,
        state="ended",
        ended_at=time.time(),
        outcome="failed" if failures else "published",
        exit_code=75 if failures else 0,
        failures=failures,
        version=VERSION,
        snapshot=snapshot(1),
        trained=snapshot(1),
        waiting_updates=1,
    )


def back_off(storage: Storage, count: int) -> None:
    """Let the last run of the first projects have failed; an update of each waits."""

    def write(project: int) -> None:
        storage.put(keys.run(project, "ended", 6, ".json"), msgspec.json.encode(ended(project, 6, failures=8)))
        Updates(storage).add(project, EVENT, time.time())

    read_all(write, range(FIRST, FIRST + count))


@contextmanager
def serving(storage: Storage, trainer: Trainer) -> Iterator[Services]:
    """The objects of a server, running."""
    settings = Settings(model_dir="s3://models", label_studio_host="http://127.0.0.1:1", max_concurrent_runs=20)
    services = Services(settings, opened=storage, launcher=trainer)
    services.start()
    try:
        yield services
    finally:
        services.close()


class Meter:
    """Requests and CPU since it was made."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._requests, self._cpu, self._begun = remote.requests, time.process_time(), time.monotonic()

    def read(self) -> tuple[int, float, float]:
        """Requests, seconds of CPU, seconds."""
        return (
            self._remote.requests - self._requests,
            time.process_time() - self._cpu,
            time.monotonic() - self._begun,
        )


def measure(storage: Storage, count: int, latency: float) -> dict[str, str]:
    """One column of the table."""
    logging.disable(logging.WARNING)  # Label Studio is away
    print(f"{count} projects …", flush=True)
    fill(storage, count)
    remote, trainer = Remote(storage, latency), Trainer(storage)
    found: dict[str, str] = {}
    meter = Meter(remote)
    with serving(remote, trainer) as services:
        slowest = {"/metrics": 0.0, "a project's page": 0.0, "the overview": 0.0}
        page = services.pages
        looked = False
        while not looked:
            for what, work in (
                ("/metrics", services.metrics.text),
                ("a project's page", lambda: page.project.build(FIRST + count - 1)),
                ("the overview", lambda: page.overview.build("http://localhost")),
            ):
                begun = time.monotonic()
                work()
                slowest[what] = max(slowest[what], time.monotonic() - begun)
            looked = b"tss_store_look_age_seconds +Inf" not in services.metrics.text()
            time.sleep(0.5)
        requests, cpu, seconds = meter.read()
        found["first look: requests"] = f"{requests:,}"
        found["… CPU s"] = f"{cpu:.1f}"
        found["… seconds"] = f"{seconds:.1f}"
        for what, took in slowest.items():
            found[f"… slowest answer of {what} meanwhile, s"] = f"{took:.2f}"
        meter = Meter(remote)
        time.sleep(WINDOW)
        found |= rate("idle", meter)

    waiting = min(IN_BACK_OFF, count // 2)
    back_off(storage, waiting)
    with serving(remote, trainer) as services:  # a server that has just been started again
        found["event ► run just after a start, as many in back-off, slowest of five, s"] = time_events(
            services, trainer, FIRST + count - EVENTS
        )
        while b"tss_store_look_age_seconds +Inf" in services.metrics.text():
            time.sleep(0.5)
        time.sleep(TRAINS)
        trainer.end_due()
        time.sleep(TRAINS)  # their ends have been seen
        meter = Meter(remote)
        time.sleep(WINDOW)
        found |= rate("half, at most 1,000, in back-off", meter)
        found["event ► run then, slowest of five, s"] = time_events(services, trainer, FIRST + count - 2 * EVENTS)

        chosen = random.Random(0)
        meter, end, step = Meter(remote), time.monotonic() + WINDOW, 0
        while time.monotonic() < end:
            project = FIRST + chosen.randrange(waiting, count)
            if step % SERVERS == 0:
                services.events.record(WebhookEvent(action=EVENT, project=ProjectRef(project), matters=True))
            else:
                Updates(storage).add(project, EVENT, time.time())
                trainer.begin(project)
            trainer.end_due()
            step += 1
            time.sleep(1 / TRAININGS)
        found |= rate("busy", meter)
    return found


def time_events(services: Services, trainer: Trainer, first: int) -> str:
    """Seconds from an event to its run, the slowest of some projects."""
    waits = []
    for project in range(first, first + EVENTS):
        begun = time.monotonic()
        services.events.record(WebhookEvent(action=EVENT, project=ProjectRef(project), matters=True))
        while project not in trainer.launched:
            time.sleep(0.005)
        waits.append(trainer.launched[project] - begun)
    return f"{max(waits):.2f}"


def rate(what: str, meter: Meter) -> dict[str, str]:
    """Requests and CPU a minute."""
    requests, cpu, seconds = meter.read()
    return {
        f"{what}: requests a minute": f"{requests * 60 / seconds:.0f}",
        f"{what}: CPU s a minute": f"{cpu * 60 / seconds:.2f}",
    }


@contextmanager
def storage_for(*, seaweed: bool) -> Iterator[Storage]:
    """An empty store: in memory, or a bucket of a real S3 server."""
    if not seaweed:
        yield Memory()
        return
    with tempfile.TemporaryDirectory() as folder, Seaweed(Path(folder)) as server:
        os.environ.update(server.environment)
        yield open_storage(f"s3://{BUCKET}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seaweed", action="store_true", help="measure over a real S3 server")
    parser.add_argument("--latency", type=float, default=LATENCY, metavar="SECONDS", help="added to each request")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    arguments = parser.parse_args()
    say_where(f"python -m benchmarks.projects{' --seaweed' if arguments.seaweed else ''}")
    columns = {}
    for count in arguments.sizes:
        with storage_for(seaweed=arguments.seaweed) as storage:
            columns[count] = measure(storage, count, arguments.latency)
    rows = [[what, *(column[what] for column in columns.values())] for what in next(iter(columns.values()))]
    table(["", *(f"{count:,} projects" for count in columns)], rows)


if __name__ == "__main__":
    main()
