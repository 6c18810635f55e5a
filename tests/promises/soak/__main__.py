"""`make soak`: a server with its trainings under everyday traffic for SOAK_MINUTES (30), about half a core.

One line a minute, then a verdict: no request failed, no training failed, and neither memory nor file descriptors nor
threads nor temporary files grow (tests/promises/soak/slopes.py says what counts as growing). Ends with 1 otherwise.
"""

import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.measure import say_where
from shared.retraining.active_run import begin_run
from shared.retraining.runs import HISTORY, Progress, Runs
from shared.store.opening import open_storage
from tests.promises.soak.gauges import Gauges, Reading
from tests.promises.soak.projects import PROJECTS, three_projects
from tests.promises.soak.slopes import LIMITS, after_warm_up, grows, slope
from tests.promises.soak.traffic import Traffic
from tests.support.server import run_server
from tests.support.tokens import TOKEN
from tests.support.web_server import serve

LOOK_SECONDS = 2.0
SETTINGS = {
    "SEQUENCE_SIZE": "16",  # what is learned does not matter here, that it is does
    "HIDDEN_SIZE": "8",
    "TRAIN_EPOCHS": "12",
    "BALANCED_ACCURACY_THRESHOLD": "0",
    "MIN_CLASS_F1_THRESHOLD": "0",
    "TRAIN_LAUNCHER": "process",
    "KEEP_VERSIONS": "3",
    "MODEL_CACHE_SIZE": "2",  # of three projects: models come and go
    "RECONCILE_SECONDS": "60",
    "CLIENT_TIMEOUT_SECONDS": "5",
    "LOG_FORMAT": "json",
    "LABEL_STUDIO_API_KEY": TOKEN,
    "OMP_NUM_THREADS": "1",
}


def main() -> int:
    """Run it. Returns the exit code."""
    minutes = int(os.environ.get("SOAK_MINUTES", "30"))
    say_where(f"make soak (SOAK_MINUTES={minutes})")
    label_studio = three_projects()
    with tempfile.TemporaryDirectory(prefix="soak-") as name, serve(label_studio) as web:
        folder = Path(name)
        for each in ("models", "tmp", "cache"):
            (folder / each).mkdir()
        models = folder / "models"
        age(models)
        places = {"CACHE_DIR": str(folder / "cache"), "TMPDIR": str(folder / "tmp"), "LABEL_STUDIO_HOST": web.url}
        with run_server(models, **SETTINGS, **places) as server:
            traffic = Traffic(server.port, label_studio)
            gauges = Gauges(server.process.pid, [folder / "tmp", models / ".staging"])
            traffic.start()
            try:
                readings = watch(minutes, gauges, traffic, models)
                ended = outcomes(models)  # before the server ends with the training that goes on
            finally:
                traffic.stop()
            server.program.stop()
            found = complaints(server.log)
        return verdict(readings, traffic, ended, found)


def watch(minutes: int, gauges: Gauges, traffic: Traffic, models: Path) -> list[Reading]:
    """Look every now and then, and say a line a minute."""
    readings = []
    begun = time.monotonic()
    for minute in range(1, minutes + 1):
        while time.monotonic() < begun + 60 * minute:
            gauges.look()
            time.sleep(LOOK_SECONDS)
        found = gauges.minute()
        readings.append(found)
        held = ", ".join(f"{each.name} {value:.6g}" for each, value in zip(LIMITS, found, strict=True))
        done = f"{traffic.total()} requests, {traffic.failed} failed; trainings {summarise(outcomes(models))}"
        print(f"minute {minute}: {done}; {held}; {gauges.cpu() / 60:.2f} cores", flush=True)
    return readings


def verdict(readings: list[Reading], traffic: Traffic, ended: Counter[str], complaints: list[str]) -> int:
    """Say what grew and what failed."""
    print(f"\nRequests: {summarise(traffic.counts)}\nTrainings: {summarise(ended)}")
    problems = list(traffic.failures)
    if traffic.failed:
        problems.append(f"{traffic.failed} of {traffic.total()} requests failed")
    if ended["failed"] or not ended["published"]:
        problems.append(f"trainings: {summarise(ended)}")
    problems += [f"log: {line}" for line in complaints]
    for index, limit in enumerate(LIMITS):
        values = [reading[index] for reading in readings]
        found = slope(*after_warm_up(values))
        growth = "grows" if grows(found, limit) else "flat"
        print(
            f"{limit.name}: {found.value:+.4f} ± {found.error:.4f} {limit.unit} a minute over the last {found.points} "
            f"minutes, {growth} (allowed: {limit.most:g}); {values[0]:.6g} at first, {values[-1]:.6g} at last"
        )
        if growth == "grows":
            problems.append(f"{limit.name} grows")
    print("\n".join(["", *problems, "FAILED" if problems else "passed"]))
    return 1 if problems else 0


def age(models: Path) -> None:
    """Fill the history of runs as months do: pages and their memory depend on it until it is full."""
    storage = open_storage(str(models))
    curve = Progress(fraction=1.0, losses=tuple((step, 1.0 / (1 + step)) for step in range(200)))
    for project in PROJECTS:
        for _ in range(HISTORY):
            run = begin_run(storage, project, launcher="process", host="soak")
            run.report(progress=curve)
            run.end("unchanged", exit_code=0, reason="Before the soak.")


def outcomes(models: Path) -> Counter[str]:
    """How the trainings of this soak ended."""
    runs = Runs(open_storage(str(models)))
    found: Counter[str] = Counter()
    for project in PROJECTS:
        found.update(each.outcome for each in runs.history(project) if each.outcome and each.number > HISTORY)
    return found


def complaints(log: str) -> list[str]:
    """Log lines above warnings."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [line["message"] for line in lines if line["level"] not in ("debug", "info", "warning")]


def summarise(counts: Counter[str]) -> str:
    """Counts as people read them."""
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()) if count) or "none"


if __name__ == "__main__":
    sys.exit(main())
