"""A small API server on a socket: TLS, tokens, our own Role enforced, Jobs checked and simulated.

What it answers is what a kube-apiserver 1.36 answered to the same requests.
"""

import asyncio
import copy
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.promises.kubernetes.rendering import Object, find
from tests.promises.kubernetes.rules import rule_problems, schema_problems

CERTIFICATE = Path(__file__).parent / "certificate"  # of 127.0.0.1, made for these tests
NAMESPACE = "time-series-segmenter"
TOKEN = "the-token-of-the-service-account"

REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "AlreadyExists",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
}


def status(code: int, message: str, **headers: str) -> Response:
    """A refusal."""
    reason = REASONS[code]
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason}
    return JSONResponse({**body, "metadata": {}, "code": code}, code, headers)


class ApiServer:
    """The state of a namespace and the answers about it. Times are versions: each change counts one up."""

    def __init__(self, objects: list[Object]) -> None:
        """`objects` as rendered: the CronJobs and the Role."""
        self.cronjobs = {each["metadata"]["name"]: each for each in copy.deepcopy(objects) if each["kind"] == "CronJob"}
        self.rules = find(objects, "Role", "server")["rules"]
        self.jobs: dict[str, Object] = {}
        self.tokens = {TOKEN}
        self.calls: list[tuple[str, str]] = []  # verb, resource
        self.bodies: list[Object] = []
        self.fault: Callable[[Request], Response | None] = lambda request: None
        self.url = ""
        self._version = 1
        self._oldest = 0
        self._events: list[tuple[int, str, Object]] = []
        self._closing = False
        self._cut = 0  # each cut ends the watches that began before it
        self._lock = threading.Lock()

    # What tests play

    def end(self, name: str, kind: str = "Complete", reason: str = "CompletionsReached", message: str = "") -> None:
        """A Job ends, as a controller writes it: first what will be, then what is."""
        first = "SuccessCriteriaMet" if kind == "Complete" else "FailureTarget"
        for condition in (first, kind):
            self.condition(name, condition, reason, message)

    def condition(self, name: str, kind: str, reason: str = "", message: str = "") -> None:
        """A Job gets a condition."""
        with self._lock:
            job = copy.deepcopy(self.jobs[name])
            conditions = job["status"].setdefault("conditions", [])
            conditions.append({"type": kind, "status": "True", "reason": reason, "message": message})
            self._change("MODIFIED", job)

    def delete(self, name: str) -> None:
        """A Job is deleted, by its time to live or by hand."""
        with self._lock:
            job = self.jobs.pop(name)
            self._change("DELETED", job)

    def forget_history(self) -> None:
        """Versions until now cannot be observed from any more, and watches end."""
        with self._lock:
            self._version += 1
            self._oldest = self._version
            self._events.clear()
            self._cut += 1

    def close(self) -> None:
        self._closing = True

    def app(self) -> Starlette:
        """The routes."""
        root = "/apis/batch/v1/namespaces/{namespace}"
        verbs = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        return Starlette(
            routes=[
                Route(root + "/{resource}", self._answer, methods=verbs),
                Route(root + "/{resource}/{name}", self._answer, methods=verbs),
                Route("/{path:path}", lambda request: status(404, "the server could not find the requested resource")),
            ]
        )

    async def _answer(self, request: Request) -> Response:
        fault = self.fault(request)
        if fault is not None:
            return fault
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return status(401, "Unauthorized")
        resource, name = request.path_params["resource"], request.path_params.get("name")
        watching = request.query_params.get("watch") == "true"
        verb = {"POST": "create", "DELETE": "delete", "PUT": "update", "PATCH": "patch"}.get(request.method, "get")
        if verb == "get" and name is None:
            verb = "watch" if watching else "list"
        if not self._allowed(verb, resource, name) or request.path_params["namespace"] != NAMESPACE:
            who = f"system:serviceaccount:{NAMESPACE}:server"
            place = f'in API group "batch" in the namespace "{request.path_params["namespace"]}"'
            what = f'{resource}.batch is forbidden: User "{who}" cannot {verb} resource "{resource}" {place}'
            return status(403, what)
        self.calls.append((verb, resource))
        if verb == "create":
            return self._create(await request.json(), strict=request.query_params.get("fieldValidation") == "Strict")
        if verb == "watch":
            return self._watch(request)
        if verb == "list":
            return self._list(request)
        found = (self.jobs if resource == "jobs" else self.cronjobs).get(str(name))
        return JSONResponse(found) if found else status(404, f'{resource}.batch "{name}" not found')

    def _allowed(self, verb: str, resource: str, name: str | None) -> bool:
        return any(
            resource in rule["resources"]
            and verb in rule["verbs"]
            and ("resourceNames" not in rule or name in rule["resourceNames"])
            for rule in self.rules
        )

    def _create(self, body: Object, *, strict: bool) -> Response:
        self.bodies.append(body)
        name = body.get("metadata", {}).get("name")
        for sentence in schema_problems([body]):
            unknown = "unexpected" in sentence
            if unknown and not strict:
                continue
            return status(400, f"strict decoding error: {sentence}") if unknown else status(422, sentence)
        for sentence in rule_problems([body]):
            return status(422, f'Job.batch "{name}" is invalid: {sentence}')
        with self._lock:
            if name in self.jobs:
                return status(409, f'jobs.batch "{name}" already exists')
            job = {**copy.deepcopy(body), "status": {}}
            job["metadata"]["creationTimestamp"] = "2026-11-24T00:00:00Z"
            self._change("ADDED", job)
            return JSONResponse(self.jobs[name], 201)

    def _list(self, request: Request) -> Response:
        with self._lock:
            found = [job for name, job in sorted(self.jobs.items()) if self._selected(request, job)]
            limit = int(request.query_params.get("limit", "500"))
            start, version = 0, self._version
            if "continue" in request.query_params:
                start, version = map(int, request.query_params["continue"].split("-"))
                if version < self._oldest:
                    return status(410, "The provided continue parameter is too old")
            metadata: dict[str, Any] = {"resourceVersion": str(version)}
            if start + limit < len(found):
                metadata["continue"] = f"{start + limit}-{version}"
            items = found[start : start + limit]
            return JSONResponse({"kind": "JobList", "apiVersion": "batch/v1", "metadata": metadata, "items": items})

    def _watch(self, request: Request) -> Response:
        begin = int(request.query_params["resourceVersion"])
        if begin < self._oldest:
            gone = json.loads(bytes(status(410, f"too old resource version: {begin} ({self._version})").body))
            return Response(json.dumps({"type": "ERROR", "object": gone}) + "\n")
        cut = self._cut

        async def events() -> AsyncIterator[str]:
            version = begin
            deadline = asyncio.get_running_loop().time() + float(request.query_params["timeoutSeconds"])
            while not self._closing and self._cut == cut and asyncio.get_running_loop().time() < deadline:
                with self._lock:
                    news = [each for each in self._events if each[0] > version]
                for number, kind, job in news:
                    version = number
                    if self._selected(request, job):
                        yield json.dumps({"type": kind, "object": job}) + "\n"
                    else:
                        bookmark = {"kind": "Job", "metadata": {"resourceVersion": str(version)}}
                        yield json.dumps({"type": "BOOKMARK", "object": bookmark}) + "\n"
                await asyncio.sleep(0.01)

        return StreamingResponse(events(), media_type="application/json")

    @staticmethod
    def _selected(request: Request, job: Object) -> bool:
        wanted = dict(part.split("=") for part in request.query_params.get("labelSelector", "").split(",") if part)
        return set(wanted.items()) <= set(job["metadata"].get("labels", {}).items())

    def _change(self, kind: str, job: Object) -> None:
        self._version += 1
        job["metadata"]["resourceVersion"] = str(self._version)
        if kind != "DELETED":
            self.jobs[job["metadata"]["name"]] = job
        self._events.append((self._version, kind, copy.deepcopy(job)))


@contextmanager
def serve(server: ApiServer) -> Iterator[ApiServer]:
    """Serve it with TLS on a free port of loopback until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            server.app(),
            log_config=None,
            lifespan="off",
            loop="asyncio",
            timeout_graceful_shutdown=1,
            ssl_certfile=CERTIFICATE / "cert.pem",
            ssl_keyfile=str(CERTIFICATE / "key.pem"),
        )
        running = uvicorn.Server(config)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.close()
            running.should_exit = True
            thread.join()
