"""What a server costs over an old store, compared with a new one.

`python -m benchmarks.long_lived_store`.
New: one project, two versions, two updates. Old: 200 projects, 500 versions of the
first, 100,000 updates that wait. CPU is that of the server's process; a look is one request, repeated.
"""

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec
import psutil

from benchmarks.material import batch, csv_bytes, label_config, make_model
from benchmarks.measure import milliseconds, resident, say_where, table
from benchmarks.processes import Client, file_server, segmenter_server, wait_for
from benchmarks.serve import address
from shared.store.opening import open_storage
from shared.store.projects import KnownProject, KnownProjects
from tests.support.store import put_model

LOOKS = 12
IDLE_SECONDS = 20.0
ROWS = 1000
UPDATE = "ANNOTATION_CREATED"


class Size(NamedTuple):
    """What a store holds."""

    projects: int
    versions: int  # of project 1
    updates: int  # that wait, over all projects


SIZES = {"new": Size(1, 2, 2), "old": Size(200, 500, 100_000)}


def main() -> None:
    """Print the table."""
    say_where("python -m benchmarks.long_lived_store")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / f"ranges-{ROWS}.csv").write_bytes(csv_bytes(ROWS, "ranges"))
        with file_server(folder) as files:
            found = {}
            for which, size in SIZES.items():
                fill(folder / which, size)
                found[which] = figures(folder / which, files)
    rows = []
    for what, new in found["new"].items():
        old = found["old"][what]
        rows.append([what, f"{new:.3g}", f"{old:.3g}", f"{old / new:.2f}" if new else ""])
    heads = [f"{each.projects} projects, {each.versions} versions, {each.updates:,} updates" for each in SIZES.values()]
    table(["", *heads, "ratio"], rows)


def fill(store: Path, size: Size) -> None:
    """Write a store of some size; what is only listed is written without the store's care."""
    known = KnownProjects(open_storage(str(store)))
    for project in range(1, size.projects + 1):
        known.remember(KnownProject(id=project, title=f"Project {project}", label_config=label_config("ranges")))
        put_model(store, make_model("ranges", project=project), project)
    report = msgspec.json.encode({"version": "", "created_at": "2025-01-01T00:00:00+00:00", "outcome": "published"})
    for number in range(size.versions - 1):
        version = f"2025{1 + number // 480:02}{1 + number // 24 % 20:02}T{number % 24:02}0000Z-{number:06x}"
        for suffix, data in (("onnx", b"model"), ("pt", b"weights"), ("report.json", report), ("report.html", b"<p>")):
            (store / "versions" / "1" / f"{version}.{suffix}").write_bytes(data)
    for number in range(size.updates):
        project = 1 + number % size.projects
        folder = store / "updates" / str(project)
        folder.mkdir(parents=True, exist_ok=True)
        moment = 1_770_000_000_000 + number
        (folder / f"{moment:014d}.{UPDATE}.1.{project}-{number:016x}.json").write_bytes(b"{}")


def figures(store: Path, files: str) -> dict[str, float]:
    """Costs of a server over a store."""
    found: dict[str, float] = {}
    with segmenter_server(store, ready="/health") as (port, process), Client(port) as client:
        found["to the first /health, CPU s"] = cpu(process)
        wait_for(port, "/readyz")
        body = batch([address(files, "ranges", ROWS)], "ranges")
        setup = msgspec.json.encode({"project": "1.1", "schema": label_config("ranges")})
        event = msgspec.json.encode({"action": UPDATE, "project": {"id": 1}})
        client.predict(body)
        first = cpu(process)
        client.get("/ui/index.json")
        found["first look at all projects, CPU ms"] = 1e3 * (cpu(process) - first)
        before = cpu(process)
        time.sleep(IDLE_SECONDS)
        found["at rest, CPU ms a second"] = 1e3 * (cpu(process) - before) / IDLE_SECONDS
        asked = {
            "/setup": ("POST", "/setup", setup),
            "/predict": ("POST", "/predict", body),
            "/webhook": ("POST", "/webhook", event),
            "all projects (/ui/)": ("GET", "/ui/", b""),
            "a project with its versions (/ui/projects/1)": ("GET", "/ui/projects/1", b""),
            "/versions?project=1": ("GET", "/versions?project=1", b""),
            "/metrics": ("GET", "/metrics", b""),
        }
        for what, (method, path, data) in asked.items():
            waits = []
            for _ in range(LOOKS):
                begun = time.perf_counter()
                status, said = client.ask(method, path, data)
                waits.append(time.perf_counter() - begun)
                if status not in (200, 201):
                    raise RuntimeError(f"{status}: {said[:200]!r}")
                time.sleep(1.1)  # a status of the store is a second old at most
            found[f"{what}, p50 ms"] = float(milliseconds(median(waits)))
        found["resident, MiB"] = resident(process)
    return found


def cpu(process: psutil.Process) -> float:
    """CPU seconds so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()
