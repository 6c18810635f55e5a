"""`make demo`: Label Studio and this backend side by side, with the shipped example partly annotated.

Connects, annotates and waits until the other tasks are pre-annotated.
"""

import json
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from examples.demo import label_studio, server
from examples.demo.client import Client, Json
from examples.demo.program import ROOT, Program, ProgramError, free_port, is_free
from shared.model_file.onnx_file import read_metadata

EXAMPLE = ROOT / "examples" / "watch"
LOGS = label_studio.HOME / "demo-logs"
UNSEEN = 3  # the last recordings: of people that the others don't show
SERVER_SECONDS = 60
TRAINING_SECONDS = 1800  # half a minute on two idle cores


class Demo(NamedTuple):
    """What runs, and which project it is about."""

    user: Client
    models: Path
    project: int


def main() -> int:
    """Run until Ctrl-C."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        label_studio.install(_say)
        with tempfile.TemporaryDirectory(prefix="demo-", dir=label_studio.HOME) as folder:
            _run(Path(folder))
    except ProgramError as error:
        _say(str(error))
        return 1
    except KeyboardInterrupt:
        _say("\nStopped, and the demo's data with it.")
    return 0


def _run(folder: Path) -> None:
    label_studio_port, port = _port(8080), _port(9090)
    shutil.rmtree(LOGS, ignore_errors=True)
    _say("Starting Label Studio …")
    program = label_studio.program(folder / "label-studio", label_studio_port, LOGS / "label-studio.log")
    with program.start(label_studio.START_SECONDS):
        user = Client(f"http://127.0.0.1:{label_studio_port}", label_studio.TOKEN)
        _say(f"Label Studio runs on {user.url}: user {label_studio.USER}, password {label_studio.PASSWORD}")
        backend = server.program(port, folder / "models", user.url, LOGS / "server.log")
        with backend.start(SERVER_SECONDS):
            url = f"http://127.0.0.1:{port}"
            _say(f"This backend runs on {url}")
            _show(user, url, folder / "models")
            _say("Correct a prediction or annotate another task, and a new version follows. Ctrl-C ends both.")
            _watch(program, backend)


def _show(user: Client, url: str, models: Path) -> None:
    tasks: list[Json] = json.loads((EXAMPLE / "tasks.json").read_text())
    project = user.create_project("Shoulder exercises", (EXAMPLE / "label_config.xml").read_text())
    ids = user.upload_series(project, {Path(path).name: (EXAMPLE / path).read_bytes() for path in map(_path, tasks)})
    user.connect(project, url)
    _say(f"Made a project of {len(tasks)} recordings and connected the backend, as Settings > Model does.")

    annotated = range(len(tasks) - UNSEEN)
    for number in annotated:
        user.annotate(ids[number], project, tasks[number]["annotations"][0]["result"])
    _say(f"Annotated {len(annotated)} of them with the example's truth; the backend learns from them …")

    since = time.monotonic()
    version = _wait_until_trained(Demo(user, models, project), len(annotated))
    _say(
        f"Version {version} has learned from all {len(annotated)}, {time.monotonic() - since:.0f} s after the last one."
    )

    user.retrieve_predictions(project)
    stored = user.predictions(project, version)
    others = ids[len(annotated) :]
    regions = sum(len(stored[task]["result"]) for task in others if task in stored)
    _say(f"Retrieved predictions: {regions} regions on the {len(others)} tasks that nobody annotated.")
    _say(f"Look at them (click any task without an annotation): {user.url}/projects/{project}/data")


def _path(task: Json) -> str:
    return str(task["data"]["csv_url"])


def _wait_until_trained(demo: Demo, annotated: int) -> str:
    """The version that Label Studio is told once it has been trained on `annotated` tasks."""
    deadline = time.monotonic() + TRAINING_SECONDS
    while time.monotonic() < deadline:
        version = demo.user.version(demo.project)
        card = _read_card(demo)
        if card and card["version"] == version and card["snapshot"]["tasks"] == annotated:
            return version
        time.sleep(1)
    raise ProgramError(
        f"The backend did not learn within {TRAINING_SECONDS} s; its page and its log in {LOGS} say why."
    )


def _read_card(demo: Demo) -> Json | None:
    path = demo.models / f"model_project_{demo.project}.onnx"
    return dict(json.loads(read_metadata(path.read_bytes())["card"])) if path.exists() else None


def _watch(*programs: Program) -> None:
    while all(program.running for program in programs):
        time.sleep(0.5)
    raise next(program.failed("ended") for program in programs if not program.running)


def _port(wanted: int) -> int:
    return wanted if is_free(wanted) else free_port()


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
