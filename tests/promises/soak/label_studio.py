"""Three projects in a stand-in that speaks Label Studio's API; a small network learns their recordings in a second."""

import json
import math
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.label_studio import CONFIG, Studio
from tests.support.web_server import Answer, Asked, answer, answer_json

PROJECTS = (1, 2, 3)
TASKS = 5
ROWS = 320
CREATED = "2026-11-24T03:12:03.513464Z"
EPOCH = 1795489923  # the same in seconds, as Label Studio says it with /setup and /predict


class Studios:
    """A script for a web server: a `Studio` for each project, and their files."""

    def __init__(self) -> None:
        self.projects = {number: Studio(project=_project(number)) for number in PROJECTS}
        for project in PROJECTS:
            for task in range(1, TASKS + 1):
                self.annotate(project, task, shift=0)

    def annotate(self, project: int, task: int, shift: int) -> None:
        """Somebody marks a recording anew, `shift` rows to the right of the reference."""
        studio = self.projects[project]
        for each in studio.tasks:
            if each["id"] == task:
                each["annotations"].clear()
        studio.annotate(task, result=_regions(task, shift))

    def event(self, project: int, task: int) -> bytes:
        """Body of the webhook that Label Studio sends after it."""
        studio = self.projects[project]
        found = next(each for each in studio.tasks if each["id"] == task)
        annotation = {**found["annotations"][-1], "task": task, "project": project}
        return json.dumps(
            {"action": "ANNOTATION_UPDATED", "annotation": annotation, "project": studio.project, "task": found}
        ).encode()

    def batch(self, project: int, tasks: int) -> bytes:
        """Body of /predict for the first tasks of a project."""
        found = [{"id": each["id"], "data": each["data"], "project": project} for each in self.projects[project].tasks]
        return json.dumps({"tasks": found[:tasks], "project": f"{project}.{EPOCH}", "label_config": CONFIG}).encode()

    def __call__(self, asked: Asked) -> Answer:
        if asked.path.startswith("/data/upload/"):
            body = recording(int(asked.path.rpartition("/")[2][:8], 16)).encode()
            return answer(body, 206, Content_Range=f"bytes 0-{len(body) - 1}/{len(body)}")
        number = parse_qs(urlsplit(asked.target).query).get("project", ["0"])[0]
        if asked.path.startswith("/api/projects/"):
            number = asked.path.split("/")[3]
            return answer_json(_project(int(number))) if int(number) in PROJECTS else answer_json({}, 404)
        if asked.path in ("/api/ml", "/api/webhooks/"):
            return answer_json([])
        return self.projects[int(number) or PROJECTS[0]](asked)


def recording(task: int) -> str:
    """A CSV file with waves that are slow, and fast where somebody runs."""
    return "value\n" + "".join(f"{math.sin(row / (2 if _runs(row, task) else 9)):.3f}\n" for row in range(ROWS))


def _runs(row: int, task: int) -> bool:
    return (row + 7 * task) % 80 < 40


def _regions(task: int, shift: int) -> list[dict[str, Any]]:
    starts = [row for row in range(ROWS - 45) if _runs(row, task) and (row == 0 or not _runs(row - 1, task))]
    return [
        {
            "id": f"r{first}",
            "from_name": "label",
            "to_name": "ts",
            "type": "timeserieslabels",
            "value": {
                "start": first + shift,
                "end": first + shift + 39,
                "instant": False,
                "timeserieslabels": ["Run"],
            },
        }
        for first in starts
    ]


def _project(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "title": f"Project {number}",
        "label_config": CONFIG,
        "created_at": CREATED,
        "model_version": "",
    }
