"""A double of Label Studio on a socket: answers task lists, projects, tokens, files and imports as 1.23.2 does."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.tokens import TOKEN
from tests.support.web_server import Answer, Asked, answer, answer_json

CONFIG = (
    '<View><TimeSeriesLabels name="label" toName="ts"><Label value="Run"/></TimeSeriesLabels>'
    '<TimeSeries name="ts" valueType="url" value="$csv_url"><Channel column="value"/></TimeSeries></View>'
)


def make_region(first: int, last: int, label: str = "Run", name: str = "") -> dict[str, Any]:
    """A region of an annotation of CONFIG."""
    value = {"start": first, "end": last, "instant": False, "timeserieslabels": [label]}
    return {
        "id": name or str(first),
        "from_name": "label",
        "to_name": "ts",
        "type": "timeserieslabels",
        "value": value,
    }


def make_project(number: int = 1, title: str = "One") -> dict[str, Any]:
    """A project as the API answers it."""
    return {
        "id": number,
        "title": title,
        "label_config": CONFIG,
        "created_at": "2026-11-24T03:12:03.513464Z",
        "model_version": "",
    }


# A recording from which a small network learns in a second, and its annotation.
RECORDING = "value\n" + "".join(f"{math.sin(row / (2 if row % 80 < 40 else 9)):.3f}\n" for row in range(240))
REGIONS = [make_region(first, first + 39) for first in (0, 80, 160)]


@dataclass
class LabelStudioDouble:
    """Holds projects and tasks as Label Studio's API writes them. Call it with a request, or pass it to `serve`."""

    tasks: list[dict[str, Any]] = field(default_factory=list)
    projects: dict[int, dict[str, Any]] = field(default_factory=lambda: {1: make_project()})
    # The file of a task, by its id; none: every file answers 404.
    recording: Callable[[int], str] | None = None
    lost_files: set[int] = field(default_factory=set)  # tasks whose file answers `lost_file_answer`
    lost_file_answer: bytes = answer(status=503)
    # Asked before anything else; its answer is sent unless it is None.
    fault: Callable[[Asked], Answer | None] = lambda asked: None
    page_size_max: int = 1000  # TASK_API_PAGE_SIZE_MAX
    unconfirmed_import: int = 0  # this import of predictions (1 is the first) is stored, but answered 502
    repeated_import: int = 0  # this one is stored twice, as after "database is locked" on SQLite
    imports: int = 0
    clock: int = 0

    @property
    def project(self) -> dict[str, Any]:
        """Project 1."""
        return self.projects[1]

    def tick(self) -> str:
        """A moment later than any before."""
        self.clock += 1
        return f"2026-11-24T{3 + self.clock // 3600:02d}:{self.clock // 60 % 60:02d}:{self.clock % 60:02d}.5Z"

    def task(self, number: int, project: int = 1) -> dict[str, Any] | None:
        """A task, if it is there."""
        return next((each for each in self.tasks if each["id"] == number and each.get("project", 1) == project), None)

    def annotate(self, task: int, project: int = 1, **fields: Any) -> dict[str, Any]:
        """Annotate a task, which is made if it is not there. Returns the annotation."""
        moment = self.tick()
        found = self.task(task, project)
        if not found:
            found = {
                "id": task,
                "project": project,
                "data": {"csv_url": f"/data/upload/1/{task:08x}-a.csv"},
                "meta": {},
                "annotations": [],
            }
            self.tasks.append(found)
        annotation = {
            "id": self.clock,
            "result": [],
            "created_at": moment,
            "updated_at": moment,
            "ground_truth": False,
            "was_cancelled": False,
            **fields,
        }
        found["annotations"].append(annotation)
        found["updated_at"] = moment
        return annotation

    def __call__(self, asked: Asked) -> Answer:
        fault = self.fault(asked)
        if fault is not None:
            return fault
        if asked.path.startswith("/data/upload/") and self.recording:
            return self._file(int(asked.path.rpartition("/")[2].partition("-")[0], 16), self.recording)
        if asked.path == "/api/version":
            return answer_json({"release": "1.23.2"})
        if asked.headers.get("authorization") != f"Token {TOKEN}":
            return answer_json({"status_code": 401, "detail": "Invalid token."}, 401)
        if asked.path == "/api/current-user/whoami":
            return answer_json({"id": 1, "email": "admin@example.com", "permissions": []})
        if asked.method == "POST" and asked.path.startswith("/api/tasks/"):
            return self._create(asked.path.removeprefix("/api/tasks/"), json.loads(asked.body))
        if asked.path == "/api/tasks/":
            return self._list(parse_qs(urlsplit(asked.target).query))
        if asked.path.startswith("/api/projects/"):
            return self._project(asked)
        if asked.path.startswith("/api/predictions/"):
            return self._prediction(asked.method, asked.path.strip("/").rpartition("/")[2])
        if asked.path in ("/api/ml", "/api/webhooks/"):
            return answer_json([])
        if asked.path.startswith("/api/"):
            return answer_json({"status_code": 404, "detail": "Not found."}, 404)
        return answer(b"<html>", 404, Content_Type="text/html")

    def _file(self, task: int, recording: Callable[[int], str]) -> bytes:
        if task in self.lost_files:
            return self.lost_file_answer
        body = recording(task).encode()
        return answer(body, 206, Content_Range=f"bytes 0-{len(body) - 1}/{len(body)}")

    def _prediction(self, method: str, number: str) -> bytes:
        for task in self.tasks:
            for each in task.get("predictions", ()):
                if str(each.get("id")) == number:
                    if method == "DELETE":
                        task["predictions"].remove(each)
                        return answer(b"", 204)
                    return answer_json(each)
        return answer_json({"status_code": 404, "detail": "Not found."}, 404)

    def _project(self, asked: Asked) -> bytes:
        number, _, rest = asked.path.removeprefix("/api/projects/").partition("/")
        if not number.isdecimal() or int(number) not in self.projects:
            return answer_json({"status_code": 404, "detail": "No Project matches the given query."}, 404)
        if rest == "import/predictions":
            return self._import(json.loads(asked.body))
        return answer_json(self.projects[int(number)])

    def _import(self, predictions: list[dict[str, Any]]) -> bytes:
        self.imports += 1
        tasks = {task["id"]: task for task in self.tasks}
        for _ in range(2 if self.imports == self.repeated_import else 1):
            for each in predictions:
                self.clock += 1
                tasks[each["task"]]["predictions"].append({"id": self.clock, **each})
        if self.imports == self.unconfirmed_import:
            return answer(b"", 502)
        return answer_json({"created": len(predictions)}, 201)

    def _create(self, rest: str, body: dict[str, Any]) -> bytes:
        if rest:
            number = int(rest.removesuffix("/annotations/"))
            project = next(each.get("project", 1) for each in self.tasks if each["id"] == number)
            return answer_json(self.annotate(number, project, **body), 201)
        number = max((each["id"] for each in self.tasks), default=0) + 1
        moment = self.tick()
        made = {"id": number, "meta": {}, "annotations": [], "predictions": [], "updated_at": moment, **body}
        self.tasks.append(made)
        return answer_json(made, 201)

    def _list(self, query: dict[str, list[str]]) -> bytes:
        assert query["review"][0].lower() == "true", "or else Label Studio asks the backend for predictions"
        asked = json.loads(query["query"][0])
        project = int(query["project"][0])
        ours = (task for task in self.tasks if task.get("project", 1) == project)
        found = [task for task in ours if self._fits(task, asked["filters"]["items"])]
        if asked["ordering"] == ["tasks:id"]:
            found.sort(key=lambda task: int(task["id"]))
        else:
            assert asked["ordering"] == ["-tasks:updated_at"]
            found.sort(key=lambda task: str(task["updated_at"]), reverse=True)
        size = min(int(query["page_size"][0]), self.page_size_max)
        first = size * (int(query.get("page", ["1"])[0]) - 1)
        if first and first >= len(found):
            return answer_json({"status_code": 404, "detail": "Invalid page."}, 404)
        fields = query["include"][0].split(",")
        page = [self._select(task, fields) for task in found[first : first + size]]
        total = sum(map(self._count, found))
        return answer_json({"tasks": page, "total": len(found), "total_annotations": total, "total_predictions": 0})

    def _fits(self, task: dict[str, Any], filters: list[dict[str, Any]]) -> bool:
        for each in filters:
            value = {
                "filter:tasks:id": task["id"],
                "filter:tasks:total_predictions": len(task.get("predictions", ())),
                "filter:tasks:total_annotations": self._count(task),
                "filter:tasks:draft_exists": bool(task.get("drafts")),
            }[each["filter"]]
            limit = each["value"]
            if not {"greater": value > limit, "less": value < limit, "equal": value == limit}[each["operator"]]:
                return False
        return True

    @staticmethod
    def _count(task: dict[str, Any]) -> int:
        return sum(not each["was_cancelled"] for each in task["annotations"])

    @staticmethod
    def _select(task: dict[str, Any], fields: list[str]) -> dict[str, Any]:
        chosen = {name: value for name, value in task.items() if name in fields}
        if "annotations" in chosen:
            chosen["annotations"] = [
                {name: value for name, value in each.items() if name in fields} for each in task["annotations"]
            ]
        return chosen
