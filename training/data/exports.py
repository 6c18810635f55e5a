"""Label Studio's JSON export ► annotated tasks and their recordings, without Label Studio.

Only offline commands come here: nothing else in this project reads a file that a task names.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from shared.errors import LabelStudioError, RefusedError, SeriesError, TrainingDataError
from shared.label_studio.fetcher import Fetcher
from shared.labelling.snapshots import AnnotationState, take_snapshot
from training.data.tasks import Annotated, AnnotatedTask, annotation_states, read_task

EXPECTED = 'expected the format "JSON" of Label Studio\'s Export: a list of tasks with "data" and "annotations"'


def read_export(path: Path, fingerprint: str) -> Annotated:
    """Annotated tasks of an export and their snapshot. Raises TrainingDataError saying what is wrong with the file."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise TrainingDataError(f"The export {path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise TrainingDataError(f"The export {path} is not JSON ({error}); {EXPECTED}.") from error
    if not isinstance(content, list):
        raise TrainingDataError(f"The export {path} holds a {type(content).__name__}; {EXPECTED}.")
    tasks: list[AnnotatedTask] = []
    notes: list[str] = []
    for number, raw in enumerate(content, 1):
        if isinstance(raw, Mapping) and "annotation_id" in raw:
            raise TrainingDataError(f"The export {path} has the format JSON_MIN, without regions; {EXPECTED}.")
        try:
            task = read_task(_complete(raw, number))
        except LabelStudioError as error:
            notes.append(f"Task {number} of the export was skipped: {error}")
            continue
        if task:
            tasks.append(task)
    if content and not tasks and not any(isinstance(raw, Mapping) and "annotations" in raw for raw in content):
        raise TrainingDataError(f"The export {path} has no data or annotations; {EXPECTED}.")
    if notes and not tasks:
        raise TrainingDataError(f"No annotated task of the export {path} can be read; {EXPECTED}. {notes[0]}")
    return Annotated(tasks, take_snapshot(_dated(tasks), fingerprint, datetime.now(UTC)), tuple(notes))


class OfflineSource:
    """Reads the recordings that an export names: files beside it, under DATA_ROOT or by absolute path, and http(s)."""

    def __init__(self, folder: Path, fetcher: Fetcher, data_root: str = "") -> None:
        """`folder`: where the export lies. `data_root`: a copy of Label Studio's media folder."""
        self._folder = folder
        self._fetcher = fetcher
        self._root = Path(data_root).resolve() if data_root else None

    def fetch(
        self, value: Any, *, task_id: int | None = None, deadline: float | None = None
    ) -> bytes | str | dict[str, Any]:
        """The recording that a task's `value` names, as Fetcher.fetch gives it.

        Raises SeriesError for a file that is not there, and what Fetcher.fetch raises.
        """
        if not isinstance(value, str) or not value.strip() or value.lstrip().startswith(("{", "[")):
            return self._fetcher.fetch(value, task_id=task_id, deadline=deadline)
        text = value.strip()
        if "://" in text:
            return self._fetcher.fetch(text, task_id=None, deadline=deadline)
        at_home = text.startswith(("/data/upload/", "/data/local-files/"))
        path = self._media(text) if at_home else self._folder / text  # an absolute path stands for itself
        try:
            return path.read_bytes()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SeriesError(
                f"The file {path} of the task's value {text[:200]!r} cannot be read: {reason}."
            ) from error

    def _media(self, text: str) -> Path:
        if self._root is None:
            raise RefusedError(
                f"{text} lies in Label Studio; set DATA_ROOT to a copy of its media folder to train without it."
            )
        parts = urlsplit(text)
        if parts.path.startswith("/data/upload/"):
            inside = unquote(parts.path.removeprefix("/data/"))
        else:
            inside = (parse_qs(parts.query).get("d") or [""])[0].lstrip("/")
        path = (self._root / inside).resolve()
        if not path.is_relative_to(self._root):
            raise RefusedError(f"{text} leads out of DATA_ROOT {self._root}.")
        return path


def _complete(raw: Any, number: int) -> dict[str, Any]:
    """A task with numbers for whatever was written by hand without them. Raises LabelStudioError if it is none."""
    if not isinstance(raw, Mapping) or not isinstance(raw.get("annotations") or [], list):
        raise LabelStudioError(f"it is no object with a list of annotations: {str(raw)[:200]}")
    annotations = [
        {"id": place, **each} if isinstance(each, Mapping) else each
        for place, each in enumerate(raw.get("annotations") or (), 1)
    ]
    return {"id": number, **raw, "annotations": annotations}


def _dated(tasks: list[AnnotatedTask]) -> list[AnnotationState]:
    """States in which a digest of the regions stands for a time that was not exported."""
    found = {(task.id, each.id): each for task in tasks for each in task.annotations}
    return [
        state
        if state.updated_at
        else state._replace(
            updated_at=hashlib.sha256(
                json.dumps(found[state.task, state.annotation].result, sort_keys=True).encode()
            ).hexdigest()
        )
        for state in annotation_states(tasks)
    ]
