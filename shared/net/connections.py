"""Keep-alive connections with a deadline for the whole response, and a limit on the size of its body.

Through the proxy of the environment, if there is one for the request (`shared.net.proxies`).
"""

import io
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from http.client import HTTPResponse
from typing import Any

from cachetools import LRUCache
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, ProxyManager, Timeout, make_headers
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    DecodeError,
    HTTPError,
    IncompleteRead,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    SSLError,
)
from urllib3.exceptions import (
    TimeoutError as UrllibTimeoutError,
)

from shared.errors import FetchError, ForbiddenError
from shared.net.proxies import HttpProxy, Proxies
from shared.net.urls import Url

CHUNK = 2**16  # bytes read at a time
MAX_POOLS = 32  # hosts kept connected
CONNECT_SECONDS = 10.0


class _TimedBytes(io.RawIOBase):
    """Reads from a socket until a deadline; the time-out of a socket alone would restart with every byte."""

    def __init__(self, connected: socket.socket, raw: Any, deadline: float) -> None:
        self._socket = connected
        self._raw = raw
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(left)
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(HTTPResponse):
    """A response whose head and body together must arrive within the read time-out."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        seconds = sock.gettimeout()
        if seconds is not None:
            raw = self.fp.detach()
            self.fp = io.BufferedReader(_TimedBytes(sock, raw, time.monotonic() + seconds), CHUNK)


class _Connection(HTTPConnection):
    response_class = _TimedResponse


class _SecureConnection(HTTPSConnection):
    response_class = _TimedResponse


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Pools(LRUCache[tuple[str, str, int, str], HTTPConnectionPool]):
    """Pools by scheme, host, port and address; the least recently used one is closed when one too many is added."""

    def popitem(self) -> tuple[tuple[str, str, int, str], HTTPConnectionPool]:
        key, pool = super().popitem()
        pool.close()
        return key, pool


class Connections:
    """Pools of connections by origin and address, for any number of threads."""

    def __init__(self) -> None:
        """Raises SettingsError if a proxy of the environment cannot be used."""
        self._proxies = Proxies()
        self._lock = threading.Lock()
        self._pools = _Pools(MAX_POOLS)
        self._context: ssl.SSLContext | None = None

    def open(
        self,
        url: Url,
        address: str,
        *,
        seconds: float,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> BaseHTTPResponse:
        """Send a request for `url` to `address` and return the response, its body unread. Redirects are not followed.

        The whole response, body included, must arrive within `seconds`. A proxy is asked to connect to `address`; it
        gets plain http requests whole, which name the host. Raises urllib3.exceptions.HTTPError.
        """
        return self._pool(url, address).urlopen(
            method,
            str(url) if url.scheme == "http" and self._proxies.of(url, address) else url.target,
            body=body,
            headers={"Host": url.authority, **(headers or {})},
            retries=False,
            redirect=False,
            assert_same_host=False,
            timeout=Timeout(connect=min(CONNECT_SECONDS, seconds), total=seconds),
            preload_content=False,
        )

    def is_proxied(self, url: Url, address: str = "") -> bool:
        """Whether a request goes through a proxy."""
        return self._proxies.of(url, address) is not None

    def close(self) -> None:
        """Close idle connections."""
        with self._lock:
            for pool in self._pools.values():
                pool.close()
            self._pools.clear()

    def _pool(self, url: Url, address: str) -> HTTPConnectionPool:
        key = (*url.origin, address)
        with self._lock:
            pool = self._pools.get(key)
            if pool is None:
                pool = self._pools[key] = self._new_pool(url, address)
            return pool

    def _new_pool(self, url: Url, address: str) -> HTTPConnectionPool:
        proxy = self._proxies.of(url, address)
        if url.scheme == "https" and self._context is None:
            self._context = ssl.create_default_context()
        if proxy is not None:
            return self._proxied_pool(proxy, url, address)
        if url.scheme == "http":
            return _Pool(address, url.port, maxsize=8)
        return _SecurePool(
            address,
            url.port,
            maxsize=8,
            ssl_context=self._context,
            server_hostname=url.host,
            assert_hostname=url.host,
        )

    def _proxied_pool(self, proxy: HttpProxy, url: Url, address: str) -> HTTPConnectionPool:
        headers = make_headers(proxy_basic_auth=proxy.credentials) if proxy.credentials else None
        verified: dict[str, Any] = {}
        if url.scheme == "https":
            verified = {"ssl_context": self._context, "server_hostname": url.host, "assert_hostname": url.host}
        manager = ProxyManager(proxy.url, maxsize=8, proxy_headers=headers, **verified)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        return manager.connection_from_host(address, url.port, url.scheme)


def read_body(response: BaseHTTPResponse, limit: int, source: str, setting: str) -> bytes:
    """The decoded body of a response; at most `limit` bytes are held in memory.

    Raises ForbiddenError naming `source` and `setting` if it is larger, urllib3's HTTPError if it is incomplete.
    """
    too_large = ForbiddenError(f"{source} is larger than {limit / 2**20:g} MiB, the limit that {setting} sets.")
    try:
        if int(response.headers.get("Content-Length") or 0) > limit:
            raise too_large
    except ValueError:
        pass
    body = io.BytesIO()
    for piece in _decoded(response):
        if body.tell() + len(piece) > limit:
            raise too_large
        body.write(piece)
    response.release_conn()
    return body.getvalue()


def _decoded(response: BaseHTTPResponse) -> Iterator[bytes]:
    """The body in chunks of at most CHUNK bytes. Unlike in urllib3, a truncated compressed body is an error."""
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if coding in ("identity", ""):
        yield from response.stream(CHUNK, decode_content=False)
        return
    if coding not in ("gzip", "x-gzip"):
        raise DecodeError(f"its Content-Encoding is {coding[:40]!r}, expected identity or gzip")
    unpacker = zlib.decompressobj(wbits=31)
    for packed in response.stream(CHUNK, decode_content=False):
        rest = packed
        while rest:
            try:
                yield unpacker.decompress(rest, CHUNK)
            except zlib.error as error:
                raise DecodeError(f"its compressed body is damaged ({error})") from error
            rest = unpacker.unconsumed_tail
            if unpacker.eof:
                rest = unpacker.unused_data
                unpacker = zlib.decompressobj(wbits=31) if rest else unpacker
    if not unpacker.eof:
        raise DecodeError("its compressed body broke off")


def describe_error(error: HTTPError, seconds: float) -> str:
    """Why a request failed, as the end of a sentence."""
    match error:
        case ProxyError():
            return f"the proxy did not connect ({_innermost(error)})"
        case NameResolutionError():
            return "its host name cannot be looked up"
        case NewConnectionError():
            return f"nothing answers there ({_innermost(error)})"
        case UrllibTimeoutError():
            return f"it was not complete after {seconds:.3g} s"
        case SSLError():
            return f"the encrypted connection failed ({_innermost(error)})"
        case DecodeError():
            return str(error)
    for cause in (error, *error.args):
        if isinstance(cause, IncompleteRead):
            return f"the body broke off after {cause.partial} bytes"
    return f"the connection broke off ({_innermost(error)})"


def fetch_error(source: str, error: HTTPError, seconds: float) -> FetchError:
    """The error for a recording that was not received."""
    return FetchError(f"{source} was not read: {describe_error(error, seconds)}.")


def _innermost(error: BaseException) -> str:
    cause: BaseException = error
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__ or cause
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
