"""The real server and the real trainer beside a Label Studio on a socket, to be killed."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import urllib3

from examples.demo import server as segmenter
from examples.demo.program import ROOT, Program, free_port
from shared.label_studio.client import LabelStudio
from shared.label_studio.credentials import Credentials
from shared.labelling.label_config import parse_label_config
from shared.labelling.snapshots import Snapshot, take_snapshot
from shared.net.connections import Connections
from shared.settings import Settings
from tests.support.label_studio import CONFIG, RECORDING, REGIONS, LabelStudioDouble
from tests.support.synthetic import FAST
from tests.support.tokens import TOKEN
from tests.support.waiting import NEVER_SECONDS
from tests.support.web_server import Web, serve

PROJECT = 1
FAST_RUN = {**FAST, "BALANCED_ACCURACY_THRESHOLD": "0", "MIN_CLASS_F1_THRESHOLD": "0", "OMP_NUM_THREADS": "1"}
CREATED = 1795490000  # of the project; any will do
START_SECONDS = NEVER_SECONDS
# Another machine, as far as processes can be seen: a pid namespace of its own.
ELSEWHERE = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc")


class Annotators:
    """People at work: what they save, and which of their events were answered 2xx."""

    def __init__(self, label_studio: LabelStudioDouble, pool: urllib3.PoolManager) -> None:
        self._label_studio = label_studio
        self._pool = pool
        self._lock = threading.Lock()
        self.answered = 0
        self.refused: list[str] = []  # answers that were no 2xx, which Label Studio would not repeat
        self.unanswered = 0

    def save(self, *servers: str, task: int = 1) -> bool:
        """Save an annotation and tell the servers; returns whether all answered 2xx."""
        with self._lock:
            annotation = self._label_studio.annotate(task, result=REGIONS)
        body = {"action": "ANNOTATION_CREATED", "project": self._label_studio.project, "annotation": annotation}
        reported = [self._tell(server, json.dumps(body)) for server in servers]
        return all(reported)

    def tell_again(self, server: str) -> bool:
        """Tell a server that something was annotated before; returns whether it answered 2xx."""
        return self._tell(server, json.dumps({"action": "ANNOTATION_CREATED", "project": self._label_studio.project}))

    def _tell(self, server: str, body: str) -> bool:
        try:
            reply = self._pool.request("POST", f"{server}/webhook", body=body, timeout=NEVER_SECONDS, retries=False)
        except urllib3.exceptions.HTTPError:
            self.unanswered += 1
            return False
        if reply.status != 201:
            self.refused.append(f"{reply.status} {reply.data[:600]!r}")
            return False
        self.answered += 1
        return True


class LiveStack:
    """A Label Studio, a store, and what runs over them."""

    def __init__(self, web: Web, label_studio: LabelStudioDouble, folder: Path, model_dir: str) -> None:
        self.web = web
        self.label_studio = label_studio
        self.folder = folder
        self.model_dir = model_dir
        self.pool = urllib3.PoolManager(maxsize=8)
        self.annotators = Annotators(label_studio, self.pool)

    def environ(self, **more: str) -> dict[str, str]:
        return {
            **FAST_RUN,
            "LABEL_STUDIO_HOST": self.web.url,
            "LABEL_STUDIO_API_KEY": TOKEN,
            "MODEL_DIR": self.model_dir,
            **more,
        }

    def server(self, name: str, *, inside: Sequence[str] = (), **more: str) -> tuple[Program, str]:
        """A program to be started, and its address. `inside` is the beginning of its command (see ELSEWHERE)."""
        port = free_port()
        environ = self.environ(RECONCILE_SECONDS="0", LOG_FORMAT="json", **more)
        program = segmenter.program(port, Path(self.model_dir), self.web.url, self.folder / f"{name}.log", **environ)
        program.command = [*inside, *program.command]
        return program, f"http://127.0.0.1:{port}"

    def trainer(self, before: str = "", *, inside: Sequence[str] = (), **more: str) -> "subprocess.Popen[str]":
        """A started `training run --project`, as a launcher starts it; `before` is Python that runs first."""
        run = ["run", "--attached", "--project", str(PROJECT)]
        main = f"{before}\nfrom training.__main__ import main\nraise SystemExit(main({run!r}))"
        return subprocess.Popen(
            [*inside, sys.executable, *(("-c", main) if before else ("-m", "training", *run))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env=_inherited() | self.environ(PYTHONPATH=str(ROOT), **more),
        )

    def train(self, before: str = "", *, inside: Sequence[str] = (), **more: str) -> tuple[int, str]:
        """A whole run; its exit code and what it said."""
        with self.trainer(before, inside=inside, **more) as process:
            said = process.stdout.read() if process.stdout else ""
            return process.wait(), said

    def reference(self) -> Snapshot:
        """What Label Studio holds now, by its API."""
        settings = Settings.from_environment({"LABEL_STUDIO_HOST": self.web.url, "LABEL_STUDIO_API_KEY": TOKEN})
        connections = Connections()
        asked = LabelStudio(Credentials(settings, connections), connections)
        return take_snapshot(
            asked.annotation_states(PROJECT), parse_label_config(CONFIG).fingerprint, datetime.now(UTC)
        )

    def predict(self, server: str, task: int = 1) -> tuple[int, Any]:
        """Status and result of one task; status 0 if nobody answered."""
        asked = {"id": task, "data": {"csv_url": f"/data/upload/1/{task:08x}-a.csv"}, "project": PROJECT}
        body = json.dumps({"tasks": [asked], "project": str(PROJECT), "label_config": CONFIG})
        try:
            reply = self.pool.request("POST", f"{server}/predict", body=body, timeout=NEVER_SECONDS, retries=False)
        except urllib3.exceptions.HTTPError:
            return 0, None
        return reply.status, reply.json()["results"][0] if reply.status == 200 else reply.data


@contextmanager
def live_stack(folder: Path, *, model_dir: str = "", tasks: int = 4) -> Iterator[LiveStack]:
    """A Label Studio of some annotated tasks over an empty store (default: a folder)."""
    label_studio = LabelStudioDouble(recording=lambda _: RECORDING)
    for task in range(1, tasks + 1):
        label_studio.annotate(task, result=REGIONS)
    with serve(label_studio) as web:
        yield LiveStack(web, label_studio, folder, model_dir or str(folder / "models"))


def _inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
