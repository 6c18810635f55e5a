"""The calls to a Kubernetes API server needed to launch trainings; each kind of failure gets one sentence."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.exceptions import HTTPError

from shared.digits import read_digits
from shared.errors import ClusterError, SettingsError
from shared.json_decoding import decode_json
from shared.net.connections import describe_error

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 20.0  # a loaded API server took 0.3 s
WATCH_SECONDS = 60  # then a new watch starts: a broken connection is noticed at the latest by then
PAGE = 500  # Jobs a page of a list
FIELDS = {"fieldValidation": "Strict"}  # a misspelt field would be dropped silently


class Cluster(NamedTuple):
    """URL of the API server, and this pod's credentials."""

    url: str
    token_file: Path  # rotates hourly, so it is read for each request
    ca_file: Path
    namespace: str

    @classmethod
    def of_pod(cls, environ: Mapping[str, str], folder: Path | None = None) -> "Cluster | None":
        """The cluster this pod runs in, None outside of a pod or without a service account token."""
        folder = folder or SERVICE_ACCOUNT
        host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "443")
        if not host or not (folder / "token").is_file():
            return None
        address = f"[{host}]" if ":" in host else host
        namespace = (folder / "namespace").read_text().strip()
        return cls(f"https://{address}:{port}", folder / "token", folder / "ca.crt", namespace)


class Condition(msgspec.Struct, frozen=True):
    """A condition of a Job."""

    type: str
    status: str
    reason: str = ""
    message: str = ""


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """Metadata of an object."""

    name: str = ""
    resource_version: str = ""
    labels: dict[str, str] = {}


class JobStatus(msgspec.Struct, frozen=True):
    """Status of a Job."""

    conditions: tuple[Condition, ...] = ()


class Job(msgspec.Struct, frozen=True):
    """The parts of a Job that launching needs."""

    metadata: Metadata
    status: JobStatus = JobStatus()

    @property
    def end(self) -> Condition | None:
        """The condition that ended it, Complete or Failed; not those that precede it (FailureTarget, …)."""
        for condition in self.status.conditions:
            if condition.type in ("Complete", "Failed") and condition.status == "True":
                return condition
        return None


class WatchEvent(msgspec.Struct, frozen=True):
    """A line of a watch."""

    type: str
    object: msgspec.Raw


class _ListMetadata(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""
    next_page: str = msgspec.field(default="", name="continue")


class _JobList(msgspec.Struct, frozen=True):
    metadata: _ListMetadata
    items: tuple[Job, ...] = ()


class _Refusal(msgspec.Struct, frozen=True):
    message: str = ""
    code: int = 0


class GoneError(Exception):
    """The resource version of a list or watch has expired (410): list again."""


class ClusterApi:
    """Calls within one namespace. Thread-safe. Each raises ClusterError."""

    def __init__(self, cluster: Cluster) -> None:
        """Raises SettingsError if the certificate authority cannot be read."""
        self._cluster = cluster
        self._jobs = f"/apis/batch/v1/namespaces/{cluster.namespace}/jobs"
        self._cronjobs = f"/apis/batch/v1/namespaces/{cluster.namespace}/cronjobs"
        try:
            context = ssl.create_default_context(cafile=str(cluster.ca_file))
        except OSError as error:
            raise SettingsError(f"{cluster.ca_file} is not a certificate authority: {error}.") from None
        self._pool = PoolManager(maxsize=4, ssl_context=context, retries=False)
        self._watching: BaseHTTPResponse | None = None
        self._closed = False

    @property
    def namespace(self) -> str:
        return self._cluster.namespace

    def cronjob(self, name: str) -> dict[str, Any]:
        """A complete CronJob."""
        answer = self._ask("GET", f"{self._cronjobs}/{name}")
        if answer.status == 404:
            raise ClusterError(
                f"There is no CronJob {name} in namespace {self.namespace}: apply k8s/ there, or set TRAIN_CRONJOB.",
                status=404,
            )
        found: dict[str, Any] = self._decode(answer, dict)
        return found

    def job(self, name: str) -> Job | None:
        """A Job, None if it does not exist."""
        answer = self._ask("GET", f"{self._jobs}/{name}")
        return None if answer.status == 404 else self._decode(answer, Job)

    def create_job(self, body: Mapping[str, Any]) -> Job | None:
        """Create a Job and return it; None if one of that name exists."""
        answer = self._ask("POST", self._jobs, FIELDS, msgspec.json.encode(body))
        return None if answer.status == 409 else self._decode(answer, Job)

    def jobs(self, selector: str) -> tuple[list[Job], str]:
        """All Jobs that match a label selector, and the resource version to watch from. Also raises GoneError."""
        found: list[Job] = []
        query = {"labelSelector": selector, "limit": str(PAGE)}
        while True:
            page = self._decode(self._ask("GET", self._jobs, query), _JobList)
            found += page.items
            if not page.metadata.next_page:
                return found, page.metadata.resource_version
            query["continue"] = page.metadata.next_page

    def watch_jobs(self, selector: str, version: str) -> Iterator[tuple[str, Job]]:
        """Changes of Jobs that match a label selector: ADDED, MODIFIED, DELETED or BOOKMARK; ends within WATCH_SECONDS.

        Also raises GoneError.
        """
        query = {
            "watch": "true",
            "labelSelector": selector,
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        response = self._send("GET", self._jobs, query, None, WATCH_SECONDS + ANSWER_SECONDS)
        if response.status != 200:
            self._decode(self._read(response), Job)
        self._watching = response
        try:
            if self._closed:
                return
            for line in _lines(response):
                event = decode_json(line, WatchEvent)
                if event.type == "ERROR":
                    self._refuse(decode_json(event.object, _Refusal))
                yield event.type, decode_json(event.object, Job)
        except msgspec.MsgspecError as error:
            raise ClusterError(f"{self._cluster.url} sent an invalid watch event: {error}.") from None
        except HTTPError as error:
            raise self._unreachable(error) from error
        finally:
            self._watching = None
            response.close()

    def close(self) -> None:
        """End the current watch and close idle connections."""
        self._closed = True
        watching = self._watching
        if watching is not None:
            with suppress(OSError, ValueError, RuntimeError):  # it may have ended already
                watching.shutdown()
        self._pool.clear()

    def _ask(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> "_Answer":
        return self._read(self._send(method, path, query or {}, body, ANSWER_SECONDS))

    def _send(
        self, method: str, path: str, query: Mapping[str, str], body: bytes | None, seconds: float
    ) -> BaseHTTPResponse:
        try:
            token = self._cluster.token_file.read_text().strip()
        except OSError as error:
            raise ClusterError(
                f"The service account token {self._cluster.token_file} cannot be read ({error.strerror}): "
                "set automountServiceAccountToken for this pod."
            ) from None
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        target = f"{self._cluster.url}{path}?{urlencode(query)}" if query else f"{self._cluster.url}{path}"
        try:
            return self._pool.request(
                method,
                target,
                headers=headers,
                body=body,
                timeout=Timeout(connect=CONNECT_SECONDS, read=seconds),
                redirect=False,
                preload_content=False,
            )
        except HTTPError as error:
            raise self._unreachable(error) from error

    def _read(self, response: BaseHTTPResponse) -> "_Answer":
        try:
            return _Answer(response.status, response.read(), response.headers.get("Retry-After", ""))
        except HTTPError as error:
            raise self._unreachable(error) from error
        finally:
            response.release_conn()

    def _decode(self, answer: "_Answer", kind: type[Any]) -> Any:
        """The object that an answer carries."""
        if 200 <= answer.status < 300:
            try:
                return decode_json(answer.body, kind)
            except msgspec.MsgspecError as error:
                raise ClusterError(
                    f"{self._cluster.url} answered with an invalid Kubernetes object: {error}."
                ) from None
        try:
            refusal = decode_json(answer.body, _Refusal)
        except msgspec.MsgspecError:
            refusal = _Refusal()
        wait = read_digits(answer.retry_after) or 0
        self._refuse(_Refusal(refusal.message, answer.status), float(wait))
        return None

    def _refuse(self, refusal: _Refusal, wait: float = 0.0) -> None:
        """Raise the error for a refused request, with the remedy."""
        server, message = f"The Kubernetes API server at {self._cluster.url}", refusal.message or "without a reason"
        match refusal.code:
            case 410:
                raise GoneError(message)
            case 401:
                sentence = (
                    f"{server} does not know the token in {self._cluster.token_file}: the service account was deleted "
                    "or created again; restart this pod."
                )
            case 403:
                sentence = (
                    f"{server} forbids it ({message}): apply k8s/base/role.yaml and its binding, or raise the quota."
                )
            case 404:
                sentence = f"{server} does not know batch/v1 or namespace {self.namespace} ({message})."
            case 400 | 422:
                sentence = (
                    f"{server} refuses a Job created from the CronJob's template ({message}): correct the CronJob."
                )
            case 429:
                sentence = f"{server} is overloaded ({message}); trainings start later."
            case _:
                sentence = f"{server} answers {refusal.code} ({message}); trainings start when it works again."
        raise ClusterError(sentence, status=refusal.code, retry_after=wait)

    def _unreachable(self, error: HTTPError) -> ClusterError:
        return ClusterError(
            f"The Kubernetes API server at {self._cluster.url} was not reached: "
            f"{describe_error(error, ANSWER_SECONDS)}; trainings start when it answers."
        )


class _Answer(NamedTuple):
    status: int
    body: bytes
    retry_after: str


def _lines(response: BaseHTTPResponse) -> Iterator[bytes]:
    """Whole lines as they arrive."""
    rest = b""
    for piece in response.stream(2**16, decode_content=False):
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line for line in whole if line.strip())
    if rest.strip():
        yield rest
