"""Download of recordings: the value of a task to the bytes it refers to, for predicting and training.

Label Studio's own files, its cloud storages and any http(s) address. The token goes to Label Studio's host and its
media routes only, never across a redirect to another origin; shared.net.urls refuses addresses inside the network.
"""

import base64
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urljoin

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.exceptions import TimeoutError as UrllibTimeoutError

from shared.errors import FetchError, ForbiddenError, HostBusyError, RefusedError, SegmenterError
from shared.label_studio.cache import CacheEntry, RecordingCache
from shared.label_studio.credentials import Credentials
from shared.label_studio.host_shares import HostShares, LargePlace
from shared.label_studio.received import check_received
from shared.label_studio.request import Reply, display_url, request_target
from shared.net.connections import Connections, fetch_error, read_body
from shared.net.urls import HostPolicy, Resolve, Url, read_url, system_resolve
from shared.settings import Settings

Recording = bytes | str | dict[str, Any]

MAX_REDIRECTS = 5
SMALL_BYTES = 1 << 24  # of a recording, 10^5 rows of 20 channels; as many of these are held as there are threads
SLOW_SECONDS = 5.0  # a source that gives no large recording within these is left alone for a while
STORAGE_SCHEMES = ("s3", "gs", "azure-blob")  # url_scheme of Label Studio's import storages

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_RESOLVE = re.compile(r"/(?:tasks|projects)/\d+/(?:resolve|file-proxy)/")
_MEDIA = re.compile(rf"/data/(?:upload|local-files)/|/storage-data/uploaded/|{_RESOLVE.pattern}")
_UPLOAD = re.compile(r"/data/upload/\d+/[0-9a-f]{8}-[^?]+")  # the name starts with a part of a new UUID


class _LargeRecordingError(FetchError):
    """A recording larger than the limit of one call, but not than MAX_SERIES_MB."""


class _Source(NamedTuple):
    """Where a recording is read from."""

    url: Url
    display: str  # for messages
    own_media: bool  # one of Label Studio's own media routes


class Fetcher:
    """Reads recordings, within MAX_SERIES_MB and FETCH_TIMEOUT_SECONDS each, for any number of threads."""

    def __init__(
        self,
        settings: Settings,
        credentials: Credentials,
        connections: Connections,
        resolve: Resolve = system_resolve,
        *,
        share: int | None = None,
    ) -> None:
        """`share`: downloads of one host at a time, HostBusyError beyond; None: any number."""
        self._credentials = credentials
        self._connections = connections
        self._host_policy = HostPolicy(settings.data_hosts_allowed, resolve)
        self._limit = settings.max_series_mb * 2**20
        self._seconds = settings.fetch_timeout_seconds
        self._cache = (
            RecordingCache(Path(settings.cache_dir), settings.cache_max_mb * 2**20) if settings.cache_dir else None
        )
        self._large = LargePlace()
        self._shares = HostShares(share)

    @contextmanager
    def held(self, value: Any, *, task_id: int | None, deadline: float) -> Iterator[Recording]:
        """As `fetch`, while the recording is in use; of recordings above SMALL_BYTES only one is in memory at a time.

        Memory thus holds one recording of MAX_SERIES_MB, however many are requested at the same time. Raises
        HostBusyError while another large one is in memory.
        """
        if not (isinstance(value, str) and self._large.is_known(value)):
            try:
                data = self.fetch(value, task_id=task_id, deadline=deadline, limit=SMALL_BYTES)
            except _LargeRecordingError:
                self._large.remember(value)
            else:
                yield data
                return
        url = self._locate(value, task_id).url
        source = value if url.origin == self._credentials.base_url.origin else url.authority
        with self._large.taken(source):
            started = time.monotonic()
            try:
                data = self.fetch(value, task_id=task_id, deadline=deadline)
            except HostBusyError:
                raise
            except FetchError:
                if time.monotonic() - started >= min(SLOW_SECONDS, self._seconds / 2):
                    self._large.too_slow(source)
                raise
            yield data

    def fetch(
        self, value: Any, *, task_id: int | None = None, deadline: float | None = None, limit: int | None = None
    ) -> Recording:
        """The recording that a task's `value` names; a dict of columns, or JSON text of one, is returned as it is.

        `task_id` is needed for files in cloud storages; `deadline` is on time.monotonic()'s clock; `limit` [bytes] may
        be below MAX_SERIES_MB.
        Raises RefusedError if a retry cannot help, FetchError or LabelStudioError if it may.
        """
        if isinstance(value, Mapping):
            return {str(name): column for name, column in value.items()}
        if not isinstance(value, str) or not value.strip():
            raise RefusedError(
                f"The task's value is {_brief(value)}, but must be a URL or an object of columns such as "
                '{"time": [0, 1], "value": [3, null]}.'
            )
        text: str = value.strip().encode(errors="replace").decode()  # half characters cannot be sent
        if text.startswith(("{", "[")):
            return text
        source = self._locate(text, task_id)
        end = time.monotonic() + self._seconds
        limit_bytes = self._limit if limit is None else min(limit, self._limit)
        with self._shares.place(source.url.authority):
            return self._read(source, end if deadline is None else min(end, deadline), limit_bytes)

    def _locate(self, value: str, task_id: int | None) -> _Source:
        base_url = self._credentials.base_url
        scheme = _SCHEME.match(value)
        if not scheme:
            if not value.startswith("/") or value.startswith(("//", "/\\")):
                raise RefusedError(
                    f"{value[:200]!r} is not a URL; paths are read by the offline commands only, from an export."
                )
            url = read_url(display_url(base_url._replace(target="")) + request_target(base_url, value))
            return self._classify(url, value[:500])
        name = scheme[1].lower()
        if name in STORAGE_SCHEMES:
            if task_id is None:
                raise RefusedError(
                    f"{value[:500]} can only be read through its task in Label Studio, but no task id was given."
                )
            encoded = base64.urlsafe_b64encode(value.encode()).decode()
            url = base_url._replace(target=request_target(base_url, f"/tasks/{task_id}/resolve/?fileuri={encoded}"))
            return _Source(url, value[:500], True)
        if len(name) == 1 or name == "file":
            raise RefusedError(
                f"{value[:200]!r} is a path on somebody's machine: upload the file to Label Studio, or add its folder "
                "as Local storage; paths are read by the offline commands only, from an export."
            )
        if name not in ("http", "https"):
            raise RefusedError(f"The task's value is a {name}: URL; expected http, https, s3, gs or azure-blob.")
        url = read_url(value)
        if _RESOLVE.match(url.path) and "fileuri=" in url.target and url.origin != base_url.origin:
            # such URLs hold the address that Label Studio has in its own configuration
            url = base_url._replace(target=request_target(base_url, url.target))
        return self._classify(url, url.display)

    def _classify(self, url: Url, display: str) -> _Source:
        base_url = self._credentials.base_url
        inside = url.target.removeprefix(base_url.target.rstrip("/"))
        plain = not re.search(r"(^|/)\.\.?(/|$)", unquote(url.path))
        return _Source(url, display, url.origin == base_url.origin and plain and _MEDIA.match(inside) is not None)

    def _read(self, source: _Source, deadline: float, limit_bytes: int) -> bytes:
        key = str(source.url)
        known = self._cache.look_up(key) if self._cache else None
        if known and limit_bytes < min(known.size, self._limit):
            raise _LargeRecordingError(f"{source.display} has {known.size} bytes.")
        if self._cache and known and known.immutable:
            body = self._cache.read(key)
            if body is not None:
                return body
            known = None
        for _ in range(2):
            response, own_media = self._follow(source, known, deadline)
            if response.status != 304 or not (self._cache and known):
                break
            response.release_conn()
            body = self._cache.read(key)
            if body is not None:
                return body
            known = None  # damaged or deleted since; request the whole body
        body = self._receive(source, response, own_media, limit_bytes)
        check_received(body, response.headers, source.display)
        if self._cache:
            self._cache.put(
                key,
                body,
                etag=_etag(response),
                last_modified=response.headers.get("Last-Modified", ""),
                immutable=source.own_media and _UPLOAD.search(source.url.path) is not None,
            )
        return body

    def _follow(self, source: _Source, known: CacheEntry | None, deadline: float) -> tuple[BaseHTTPResponse, bool]:
        """The response after all redirects, each of them checked, and whether it is still Label Studio's own media.

        The token is sent only as long as it is.
        """
        base_url = self._credentials.base_url
        url, own_media, renewed = source.url, source.own_media, False
        redirects = 0
        while True:
            headers = self._headers(url, own_media, known)
            response = self._open(url, source, headers, deadline)
            if response.status in (301, 302, 303, 307, 308) and response.headers.get("Location"):
                response.close()
                redirects += 1
                if redirects > MAX_REDIRECTS:
                    raise FetchError(f"{source.display} was not read: it redirects more than {MAX_REDIRECTS} times.")
                url = read_url(urljoin(str(url), response.headers["Location"]))
                own_media = own_media and self._classify(url, "").own_media and url.origin == base_url.origin
            elif (
                response.status == 401 and own_media and not renewed and self._credentials.discard_access_token(headers)
            ):
                response.close()
                renewed = True
            else:
                return response, own_media

    def _headers(self, url: Url, own_media: bool, known: CacheEntry | None) -> dict[str, str]:
        headers = {"Accept": "*/*", "Accept-Encoding": "gzip", **(known.conditions if known else {})}
        if own_media:
            headers |= self._credentials.headers()
            if not _RESOLVE.search(url.path):
                # Label Studio gives the size of a part only, not of a whole file; a body without a size that breaks
                # off looks complete
                headers |= {"Range": "bytes=0-", "Accept-Encoding": "identity"}
        return headers

    def _open(self, url: Url, source: _Source, headers: dict[str, str], deadline: float) -> BaseHTTPResponse:
        addresses = self._addresses(url)
        for place, address in enumerate(addresses, 1):
            left = deadline - time.monotonic()
            if left <= 0:
                raise FetchError(f"{source.display} was not read: its time limit was reached.")
            try:
                return self._connections.open(url, address, seconds=left, headers=headers)
            except (NewConnectionError, UrllibTimeoutError) as error:
                if place == len(addresses):
                    raise fetch_error(source.display, error, self._seconds) from error
            except HTTPError as error:
                raise fetch_error(source.display, error, self._seconds) from error
        raise FetchError(f"{source.display} was not read: its host has no address.")

    def _addresses(self, url: Url) -> tuple[str, ...]:
        """Where to connect to for `url`: addresses that were checked.

        A proxy is asked by name only for hosts that the operator has named: it looks names up itself, and may get
        another address than this process.
        """
        trusted = self._credentials.base_url
        proxied = self._connections.is_proxied(url)
        if proxied and self._host_policy.is_named(url, trusted):
            return (url.host,)
        try:
            addresses = self._host_policy.check(url, trusted)
        except FetchError as error:
            if proxied:
                raise FetchError(f"{error} The proxy looks names up itself for hosts in DATA_HOSTS_ALLOWED.") from error
            raise
        plain = url.scheme == "http" and url.host not in addresses
        if plain and any(self._connections.is_proxied(url, each) for each in addresses):
            raise ForbiddenError(
                f"{url.display} was not read: plain http goes through a proxy, which looks the name up itself. Use "
                f"https, or add {url.host} to DATA_HOSTS_ALLOWED."
            )
        return addresses

    def _receive(self, source: _Source, response: BaseHTTPResponse, own_media: bool, limit_bytes: int) -> bytes:
        try:
            if response.status not in (200, 206):
                raise FetchError(f"{source.display} was not read: {self._explain_status(source, response, own_media)}")
            body = read_body(response, limit_bytes, source.display, "MAX_SERIES_MB")
        except HTTPError as error:
            raise fetch_error(source.display, error, self._seconds) from error
        except ForbiddenError as error:
            response.close()
            if limit_bytes < self._limit:
                raise _LargeRecordingError(f"{source.display} has more than {limit_bytes} bytes.") from error
            raise
        except SegmenterError:
            response.close()
            raise
        if response.status == 206 and not _is_whole(response.headers.get("Content-Range", ""), len(body)):
            raise FetchError(f"{source.display} was not read: {response.headers.get('Content-Range')} is only a part.")
        if not body:  # also the result of a truncated head
            raise FetchError(f"{source.display} was not read: it is empty.")
        return body

    def _explain_status(self, source: _Source, response: BaseHTTPResponse, own_media: bool) -> str:
        """What an error status means, as the end of a sentence."""
        status = response.status
        if not own_media:
            path = f"; if {source.display!r} is a path on a disk, add its folder as Local storage"
            at_home = status == 404 and source.display.startswith("/")
            return f"the server answered {status}{path if at_home else ''}."
        if status in (401, 403):
            detail = Reply(status, {}, read_body(response, 2**20, source.display, "this program")).detail
            return self._credentials.explain_refusal(status, detail)
        if status == 404 and "/local-files/" in source.url.path:
            return (
                "Label Studio answered 404; the file is missing, LOCAL_FILES_SERVING_ENABLED is off, "
                "or no Local storage of the project covers its folder."
            )
        if status == 404:
            return "Label Studio answered 404; the file, the task or the storage that held it was deleted."
        if status == 424:
            return "Label Studio answered 424; the storage of the file is unreachable or refuses access."
        if status == 500 and "/data/upload/" in source.url.path:
            return "Label Studio answered 500, which it does for an upload that does not exist (any more)."
        return f"Label Studio answered {status}."


def _etag(response: BaseHTTPResponse) -> str:
    """ETag of a body, "" if unusable: without one from the storage, Label Studio's proxy sends the user's id, "11"."""
    tag = response.headers.get("ETag", "")
    return "" if re.fullmatch(r'"\d{1,12}"', tag) else tag


def _is_whole(content_range: str, size: int) -> bool:
    """Whether a Content-Range such as "bytes 0-18/19" covers the whole body."""
    found = re.fullmatch(r"bytes 0-(\d+)/(\d+)", content_range)
    return bool(found) and int(found[1]) + 1 == int(found[2]) == size  # type: ignore[index]


def _brief(value: Any) -> str:
    return repr(value)[:100]
