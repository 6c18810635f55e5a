"""Three projects in a double of Label Studio; a small network learns their recordings in a second."""

import json
import math
from typing import Any

from tests.support.label_studio import CONFIG, LabelStudioDouble, make_project, make_region

PROJECTS = (1, 2, 3)
TASKS = 5
ROWS = 320
EPOCH = 1795489923  # when the projects were created, in seconds, as Label Studio says it with /setup and /predict


def three_projects() -> LabelStudioDouble:
    """All tasks of all projects annotated."""
    projects = {number: make_project(number, f"Project {number}") for number in PROJECTS}
    label_studio = LabelStudioDouble(projects=projects, recording=recording)
    for project in PROJECTS:
        for task in range(1, TASKS + 1):
            annotate(label_studio, project, task, shift=0)
    return label_studio


def annotate(label_studio: LabelStudioDouble, project: int, task: int, shift: int) -> None:
    """Replace a task's annotation by one that lies `shift` rows to the right of the reference."""
    found = label_studio.task(task, project)
    if found:
        found["annotations"].clear()
    label_studio.annotate(task, project, result=_regions(task, shift))


def event(label_studio: LabelStudioDouble, project: int, task: int) -> bytes:
    """Body of the webhook that Label Studio sends after it."""
    found = label_studio.task(task, project)
    assert found
    annotation = {**found["annotations"][-1], "task": task, "project": project}
    project_fields = label_studio.projects[project]
    return json.dumps(
        {"action": "ANNOTATION_UPDATED", "annotation": annotation, "project": project_fields, "task": found}
    ).encode()


def batch(label_studio: LabelStudioDouble, project: int, tasks: int) -> bytes:
    """Body of /predict for the first tasks of a project."""
    ours = [each for each in label_studio.tasks if each["project"] == project]
    found = [{"id": each["id"], "data": each["data"], "project": project} for each in ours[:tasks]]
    return json.dumps({"tasks": found, "project": f"{project}.{EPOCH}", "label_config": CONFIG}).encode()


def recording(task: int) -> str:
    """A CSV file with slow waves, and fast ones while somebody runs."""
    return "value\n" + "".join(f"{math.sin(row / (2 if _runs(row, task) else 9)):.3f}\n" for row in range(ROWS))


def _runs(row: int, task: int) -> bool:
    return (row + 7 * task) % 80 < 40


def _regions(task: int, shift: int) -> list[dict[str, Any]]:
    starts = [row for row in range(ROWS - 45) if _runs(row, task) and (row == 0 or not _runs(row - 1, task))]
    return [make_region(first + shift, first + shift + 39, name=f"r{first}") for first in starts]
