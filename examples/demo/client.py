"""Label Studio's API as its own pages use it: the calls behind what a person does there."""

import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

import urllib3

TITLE = "segmenter"  # of the backend; a project shows predictions of the backend whose title is its model version
SECONDS = 130.0  # retrieving predictions may take the backend 100 s, and storing them some more

Json = dict[str, Any]


class ClientError(Exception):
    """Label Studio refused a call: method, path, status and what it said."""

    def __init__(self, method: str, path: str, status: int, body: str) -> None:
        super().__init__(f"{method} {path} gave {status}: {body[:500]}")
        self.status = status


class Client:
    """One user of one Label Studio, by legacy token (40 hex digits) or personal access token (a JWT)."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self._token = token
        self._access, self._access_until = "", 0.0
        self._http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=5.0, read=SECONDS))

    def call(self, method: str, path: str, body: object = None, files: Mapping[str, bytes] | None = None) -> Any:
        """Send `body` as JSON, or `files` as an upload; the decoded answer, None if it is empty.

        Raises ClientError on a status of 400 or more.
        """
        headers = {"Authorization": self._authorization()}
        if files is not None:
            fields = [("FILE", (name, data, "text/csv")) for name, data in files.items()]
            answer = self._http.request(method, self.url + path, headers=headers, fields=fields)
        else:
            answer = self._http.request(method, self.url + path, headers=headers, json=body)
        if answer.status >= 400:
            raise ClientError(method, path, answer.status, answer.data.decode(errors="replace"))
        return json.loads(answer.data) if answer.data else None

    def _authorization(self) -> str:
        if self._token.count(".") != 2:
            return f"Token {self._token}"
        if time.monotonic() > self._access_until:
            answer = self._http.request("POST", f"{self.url}/api/token/refresh/", json={"refresh": self._token})
            if answer.status >= 400:
                raise ClientError("POST", "/api/token/refresh/", answer.status, answer.data.decode(errors="replace"))
            self._access, self._access_until = answer.json()["access"], time.monotonic() + 240  # they live 300 s
        return f"Bearer {self._access}"

    # Projects and tasks

    def create_project(self, title: str, label_config: str, **fields: object) -> int:
        """A new project (titles need 3 characters); its id."""
        return int(self.call("POST", "/api/projects", {"title": title, "label_config": label_config, **fields})["id"])

    def update_project(self, project: int, **fields: object) -> None:
        """Change settings of a project, such as `label_config`."""
        self.call("PATCH", f"/api/projects/{project}", fields)

    def import_tasks(self, project: int, tasks: Sequence[Mapping[str, object]]) -> list[int]:
        """Import tasks given as JSON (`{"data": …}`, with or without annotations); their ids, in order."""
        answer = self.call("POST", f"/api/projects/{project}/import?return_task_ids=true", tasks)
        return [int(task) for task in answer["task_ids"]]

    def upload_series(self, project: int, files: Mapping[str, bytes]) -> list[int]:
        """Upload CSV files and choose "treat CSV as time series": one task a file; their ids, in the order given.

        One upload a file, as the page does: Label Studio gives uploads new names, so the order tells them apart.
        """
        uploads = [self._upload(project, name, data) for name, data in files.items()]
        chosen = {"file_upload_ids": uploads, "files_as_tasks_list": False}
        self.call("POST", f"/api/projects/{project}/reimport", chosen)
        listed = self.call("GET", f"/api/projects/{project}/file-uploads?all=true")
        names = {int(upload["id"]): upload["file"].rpartition("/")[2] for upload in listed}
        tasks = {task["file_upload"]: int(task["id"]) for task in self.tasks(project)}
        return [tasks[names[upload]] for upload in uploads]

    def _upload(self, project: int, name: str, data: bytes) -> int:
        path = f"/api/projects/{project}/import?commit_to_project=false"
        return int(self.call("POST", path, files={name: data})["file_upload_ids"][0])

    def tasks(self, project: int) -> list[Json]:
        """All tasks with annotations and predictions, read as the data manager does: the backend is not asked."""
        found: list[Json] = []
        for page in count(1):
            path = f"/api/tasks?project={project}&fields=all&page={page}&page_size=100"
            answer = self.call("GET", path)
            found += answer["tasks"]
            if not answer["tasks"] or len(found) >= answer["total"]:
                break
        return found

    def open_task(self, task: int) -> Json:
        """A task as the labelling page reads it: a task without predictions gets one from the backend now."""
        return dict(self.call("GET", f"/api/tasks/{task}"))

    # Annotations

    def annotate(self, task: int, project: int, result: Sequence[Json], lead_time: float = 12.3) -> int:
        """Submit an annotation as the page does; its id."""
        body = {
            "lead_time": lead_time,
            "result": list(result),
            "draft_id": 0,
            "parent_prediction": None,
            "parent_annotation": None,
            "started_at": datetime.now(UTC).isoformat(),
            "project": project,
        }
        return int(self.call("POST", f"/api/tasks/{task}/annotations?project={project}", body)["id"])

    def skip(self, task: int, project: int) -> int:
        """Skip a task; the id of the cancelled annotation that stands for it."""
        body = {"lead_time": 1.0, "result": [], "was_cancelled": True, "project": project}
        return int(self.call("POST", f"/api/tasks/{task}/annotations?project={project}", body)["id"])

    def update_annotation(self, annotation: int, result: Sequence[Json]) -> None:
        """Change an annotation and press Update."""
        self.call("PATCH", f"/api/annotations/{annotation}", {"result": list(result), "lead_time": 20.0})

    def delete_annotation(self, annotation: int) -> None:
        """Delete an annotation with the bin beside it."""
        self.call("DELETE", f"/api/annotations/{annotation}")

    def delete_tasks(self, project: int, tasks: Sequence[int]) -> None:
        """Select tasks in the data manager and delete them."""
        self._act("delete_tasks", project, {"all": False, "included": list(tasks)})

    # The backend

    def connect(self, project: int, url: str, user: str = "", password: str = "", *, interactive: bool = False) -> int:
        """Connect a machine-learning backend, as Settings > Model does; its id.

        interactive: whether it is asked for suggestions while a task is open.
        """
        body: Json = {"project": project, "url": url, "title": TITLE, "is_interactive": interactive}
        if user:
            body |= {"auth_method": "BASIC_AUTH", "basic_auth_user": user, "basic_auth_pass": password}
        return int(self.call("POST", "/api/ml", body)["id"])

    def backends(self, project: int) -> list[Json]:
        """Backends of a project with their state; asks each for its health and version."""
        return list(self.call("GET", f"/api/ml?project={project}"))

    def version(self, project: int) -> str:
        """The version that the first backend of the project says it serves now."""
        return str(self.backends(project)[0]["model_version"])

    def train(self, backend: int) -> None:
        """Press "Start training"."""
        self.call("POST", f"/api/ml/{backend}/train", {})

    def retrieve_predictions(self, project: int) -> None:
        """Select all tasks and choose "Retrieve predictions"."""
        self._act("retrieve_tasks_predictions", project, {"all": True, "excluded": []})

    def predictions(self, project: int, version: str = "") -> dict[int, Json]:
        """The newest stored prediction of each task, or the newest of `version`."""
        newest: dict[int, Json] = {}
        for prediction in sorted(self.call("GET", f"/api/predictions?project={project}"), key=lambda each: each["id"]):
            if version in ("", prediction["model_version"]):
                newest[int(prediction["task"])] = prediction
        return newest

    def webhooks(self, project: int) -> list[Json]:
        """Webhooks of a project: connecting a backend makes one."""
        return list(self.call("GET", f"/api/webhooks/?project={project}"))

    def _act(self, action: str, project: int, selected: Json) -> None:
        body = {"selectedItems": selected, "project": project}
        self.call("POST", f"/api/dm/actions?id={action}&project={project}", body)

    # Tokens

    def create_personal_token(self) -> str:
        """A new personal access token of this user, who may hold one only."""
        return str(self.call("POST", "/api/token/")["token"])

    def allow_legacy_tokens(self, allowed: bool) -> None:
        """Settings of the organisation: whether 40-digit tokens are accepted."""
        self.call("POST", "/api/jwt/settings", {"api_tokens_enabled": True, "legacy_api_tokens_enabled": allowed})
