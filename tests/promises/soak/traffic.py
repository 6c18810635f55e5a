"""People, Label Studio and machines at a server: predictions, events, pages, roll backs, and misuse."""

import json
import random
import socket
import threading
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress

import urllib3

from tests.promises.soak.projects import EPOCH, PROJECTS, TASKS, annotate, batch, event
from tests.support.label_studio import CONFIG, LabelStudioDouble

UNTRAINED = "untrained"
FAILURES = 50  # that are kept for the report
PAUSES = {"predict": 0.4, "annotate": 25.0, "watch": 2.5, "go back": 100.0, "misbehave": 3.0}  # s between two turns


class Traffic:
    """A thread for each habit; `counts` and `failures` grow until `stop`."""

    def __init__(self, port: int, label_studio: LabelStudioDouble) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._port = port
        self._label_studio = label_studio
        self._pool = urllib3.PoolManager(maxsize=8, retries=False, timeout=60)
        self._lock = threading.Lock()
        self._over = threading.Event()
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self.failed = 0
        habits: dict[str, Callable[[random.Random], None]] = {
            "predict": self._predict,
            "annotate": self._annotate,
            "watch": self._watch,
            "go back": self._go_back,
            "misbehave": self._misbehave,
        }
        self._threads = [
            threading.Thread(target=self._keep, args=(name, habit), name=name) for name, habit in habits.items()
        ]

    def start(self) -> None:
        """Connect all projects, and begin."""
        for project in PROJECTS:
            self._setup(project)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish the requests under way."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._pool.clear()

    def total(self) -> int:
        """Requests so far."""
        return sum(self.counts.values())

    def _keep(self, name: str, habit: Callable[[random.Random], None]) -> None:
        dice = random.Random(name)
        while not self._over.wait(PAUSES[name] * dice.uniform(0.5, 1.5)):
            habit(dice)

    def _predict(self, dice: random.Random) -> None:
        project, tasks = dice.choice(PROJECTS), dice.randint(1, TASKS)
        self._ask("GET", "/health")
        version = self._setup(project)
        found = self._ask("POST", "/predict", batch(self._label_studio, project, tasks))
        if found is None:
            return
        results = json.loads(found)["results"]
        if len(results) != tasks or (version != UNTRAINED and [] in results):
            self._fail(f"/predict of {tasks} tasks by {version}: {found[:200]!r}")

    def _annotate(self, dice: random.Random) -> None:
        project, task = dice.choice(PROJECTS), dice.randint(1, TASKS)
        annotate(self._label_studio, project, task, shift=dice.randint(0, 5))
        self._ask("POST", "/webhook", event(self._label_studio, project, task), {201})

    def _watch(self, dice: random.Random) -> None:
        project = dice.choice(PROJECTS)
        pages = ["/ui/", "/ui/index.json", f"/ui/projects/{project}", f"/ui/projects/{project}.json", "/metrics"]
        pages += [f"/ui/projects/{project}/task?number={dice.randint(1, TASKS)}", "/versions", "/readyz"]
        for page in dice.sample(pages, 2):
            self._ask("GET", page)

    def _go_back(self, dice: random.Random) -> None:
        project = dice.choice(PROJECTS)
        before = self._setup(project)
        done = self._ask("POST", f"/ui/projects/{project}/roll-back", b"", {303, 409})
        if done is None or before == UNTRAINED or b"no accepted version older" in done:
            return
        for _ in range(50):
            if self._setup(project) != before:
                return
            self._over.wait(0.1)
        self._fail(f"{before} still serves project {project} five seconds after it was rolled back")

    def _misbehave(self, dice: random.Random) -> None:
        match dice.randrange(4):
            case 0:
                self._ask("POST", "/predict", b'{"tasks": [', {400})
            case 1:
                self._ask("POST", "/webhook", b"[]", {400})
            case 2:
                self._ask("GET", "/nowhere", None, {404})
            case _:
                with suppress(OSError), socket.create_connection(("127.0.0.1", self._port)) as client:
                    client.sendall(b"POST /predict HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
                    if dice.random() < 0.5:
                        client.settimeout(60)
                        client.recv(2**16)  # until it is cut off

    def _setup(self, project: int) -> str:
        call = {"project": f"{project}.{EPOCH}", "schema": CONFIG, "hostname": "", "access_token": ""}
        found = self._ask("POST", "/setup", json.dumps(call).encode())
        return UNTRAINED if found is None else str(json.loads(found)["model_version"])

    def _ask(
        self, method: str, path: str, body: bytes | None = None, expected: Collection[int] = (200,)
    ) -> bytes | None:
        """Body of the answer; None, and a failure, if it is not one of those that are due."""
        headers = {"Origin": self._url} if "/ui/" in path else {}
        route = "/ui" if path.startswith("/ui") else path
        with self._lock:
            self.counts[route] += 1
        try:
            answer = self._pool.request(method, self._url + path, body=body, headers=headers, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            self._fail(f"{method} {path}: {error!r}")
            return None
        if answer.status not in expected:
            self._fail(f"{method} {path}: {answer.status} {answer.data[:200]!r}")
            return None
        return answer.data

    def _fail(self, what: str) -> None:
        with self._lock:
            self.failed += 1
            self.failures = [*self.failures, what][-FAILURES:]
