"""A small Label Studio on a socket: task lists, projects and tokens as 1.23.2 answers them, with faults on demand."""

import json
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


@dataclass
class Studio:
    """Holds tasks as Label Studio's API writes them; call it with a request."""

    tasks: list[dict[str, Any]] = field(default_factory=list)
    project: dict[str, Any] | None = field(
        default_factory=lambda: {
            "id": 1,
            "title": "One",
            "label_config": CONFIG,
            "created_at": "2026-11-24T03:12:03.513464Z",
            "model_version": "",
        }
    )
    fault: Callable[[Asked], Answer | None] = lambda asked: None
    clock: int = 0
    page_size_max: int = 1000  # TASK_API_PAGE_SIZE_MAX

    def tick(self) -> str:
        """A moment later than any before."""
        self.clock += 1
        return f"2026-11-24T03:{self.clock // 60:02d}:{self.clock % 60:02d}.5Z"

    def annotate(self, task: int, **fields: Any) -> dict[str, Any]:
        """Annotate a task, which is made if it is not there."""
        moment = self.tick()
        found = next((each for each in self.tasks if each["id"] == task), None)
        if not found:
            found = {"id": task, "data": {"csv_url": f"/data/upload/1/{task:08x}-a.csv"}, "meta": {}, "annotations": []}
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
        if asked.path == "/api/version":
            return answer_json({"release": "1.23.2"})
        if asked.headers.get("authorization") != f"Token {TOKEN}":
            return answer_json({"status_code": 401, "detail": "Invalid token."}, 401)
        if asked.path == "/api/current-user/whoami":
            return answer_json({"id": 1, "email": "admin@example.com", "permissions": []})
        if asked.path == "/api/tasks/":
            return self._list(parse_qs(urlsplit(asked.target).query))
        if asked.path == "/api/projects/1/" and self.project:
            return answer_json(self.project)
        if asked.path.startswith("/api/"):
            return answer_json({"status_code": 404, "detail": "No Project matches the given query."}, 404)
        return answer(b"<html>", 404, Content_Type="text/html")

    def _list(self, query: dict[str, list[str]]) -> bytes:
        assert query["review"][0].lower() == "true", "or else Label Studio asks the backend for predictions"
        asked = json.loads(query["query"][0])
        found = [task for task in self.tasks if self._fits(task, asked["filters"]["items"])]
        if asked["ordering"] == ["tasks:id"]:
            found.sort(key=lambda task: int(task["id"]))
        else:
            assert asked["ordering"] == ["-tasks:updated_at"]
            found.sort(key=lambda task: str(task["updated_at"]), reverse=True)
        size = min(int(query["page_size"][0]), self.page_size_max)
        fields = query["include"][0].split(",")
        page = [self._only(task, fields) for task in found[:size]]
        total = sum(map(self._count, found))
        return answer_json({"tasks": page, "total": len(found), "total_annotations": total, "total_predictions": 0})

    def _fits(self, task: dict[str, Any], filters: list[dict[str, Any]]) -> bool:
        for each in filters:
            value = task["id"] if each["filter"] == "filter:tasks:id" else self._count(task)
            if not {"greater": value > each["value"], "equal": value == each["value"]}[each["operator"]]:
                return False
        return True

    @staticmethod
    def _count(task: dict[str, Any]) -> int:
        return sum(not each["was_cancelled"] for each in task["annotations"])

    @staticmethod
    def _only(task: dict[str, Any], fields: list[str]) -> dict[str, Any]:
        kept = {name: value for name, value in task.items() if name in fields}
        if "annotations" in kept:
            kept["annotations"] = [
                {name: value for name, value in each.items() if name in fields} for each in task["annotations"]
            ]
        return kept
