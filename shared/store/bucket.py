"""A store in a bucket, through obstore: S3 and compatible services, Google Cloud Storage, Azure Blob Storage.

Credentials and endpoints come from the usual variables (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, AWS_REGION,
GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_ACCOUNT_KEY, … or the identity of the machine).
"""

import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import obstore
from obstore import exceptions
from obstore.store import from_url

from shared.errors import ConflictError, StoreError
from shared.store.keys import CLOCK
from shared.store.storage import Blob, Stat, check_key, check_size, is_name

NO_SUFFIX = ("az://", "azure://", "abfs://", "abfss://", "adl://")  # Azure gives no last bytes without the size
PREFIXES = ("AWS_", "GOOGLE_", "AZURE_")
CONNECT_SECONDS = 3
REQUEST_SECONDS = 15  # a model of 1 MB takes far less, and a webhook must not wait long
RETRY_SECONDS = 20
CLOCK_SECONDS = 60.0  # how long a reading of the store's clock is used
ATTEMPTS = 5  # S3 may answer 409 to simultaneous conditional writes
_MISSING = (exceptions.NotFoundError, FileNotFoundError)
_DENIED = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, PermissionError)
log = logging.getLogger(__name__)
_CONFLICT = (exceptions.AlreadyExistsError, exceptions.PreconditionError, FileExistsError)


class ObjectStorage:
    """A bucket, or a prefix in it, as a store. Needs conditional writes: If-None-Match, If-Match.

    Tags are entity tag and generation, where the service has them.
    """

    def __init__(self, address: str, *, retry_seconds: float = RETRY_SECONDS) -> None:
        self._address = address.rstrip("/")
        _strip_credentials()
        self._clock = (0.0, float("-inf"))  # store's time minus ours, when read
        self._clock_lock = threading.Lock()
        try:
            self._store: Any = from_url(
                self._address,
                config=_config(self._address),
                client_options={
                    "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
                    "timeout": timedelta(seconds=REQUEST_SECONDS),
                    "allow_http": _endpoint().startswith("http://"),
                },
                retry_config={
                    "max_retries": 8,
                    "retry_timeout": timedelta(seconds=retry_seconds),
                    "backoff": {
                        "init_backoff": timedelta(seconds=0.1),
                        "max_backoff": timedelta(seconds=5),
                        "base": 2,
                    },
                },
            )
        except (exceptions.BaseError, ValueError) as error:
            raise StoreError(f"MODEL_DIR {address} cannot be used: {_reason(error)}.") from error
        except BaseException as error:
            raise _panic(error, f"MODEL_DIR {address} cannot be used") from error

    @property
    def address(self) -> str:
        return self._address

    def check(self) -> None:
        """Nothing to ask: a bucket is not mounted."""

    def get(self, key: str, *, last: int | None = None) -> Blob | None:
        check_key(key)
        some: Any = None if last is None or self._address.startswith(NO_SUFFIX) else {"range": {"suffix": last}}
        with self._explained(key, "read"):
            try:
                found = obstore.get(self._store, key, options=some)
                check_size(f"{self.address}/{key}", found.meta["size"], key)
                return Blob(bytes(found.bytes()), _tag(found.meta))
            except _MISSING:
                return None

    def head(self, key: str) -> Stat | None:
        check_key(key)
        with self._explained(key, "read"):
            try:
                meta = obstore.head(self._store, key)
            except _MISSING:
                return None
        return Stat(_tag(meta), meta["size"], meta["last_modified"].timestamp())

    def put(self, key: str, data: bytes, *, create: bool = False, if_match: str | None = None) -> str:
        check_key(key)
        mode: Any = "create" if create else "overwrite" if if_match is None else _version(if_match)
        with self._explained(key, "written"):
            for attempt in range(ATTEMPTS):
                try:
                    return _tag(obstore.put(self._store, key, data, mode=mode, use_multipart=False))
                except _CONFLICT as error:
                    return self._settle(key, data, error)
                except _MISSING as error:
                    if if_match is None or "NoSuchBucket" in str(error):
                        raise StoreError(
                            f"{self._address} does not exist: create the bucket or set MODEL_DIR."
                        ) from error
                    return self._settle(key, data, error)
                except exceptions.GenericError as error:
                    if "409" not in str(error) or attempt == ATTEMPTS - 1:
                        raise
                    time.sleep(0.05 * 2**attempt)
        raise AssertionError("unreachable")

    def delete(self, keys: Iterable[str]) -> None:
        names = list(keys)
        for key in names:
            check_key(key)
        with self._explained(f"{len(names)} objects", "deleted"):
            if names:
                try:
                    obstore.delete(self._store, names)
                except _MISSING:
                    for key in names:
                        self._delete_one(key)

    def keys(self, folder: str = "", *, deep: bool = True) -> list[str]:
        return sorted(meta["path"] for meta in self._listed(folder, deep=deep))

    def marks(self, folder: str = "", *, deep: bool = True) -> dict[str, str]:
        return {meta["path"]: _tag(meta) for meta in self._listed(folder, deep=deep)}

    def now(self) -> float:
        """The store's clock: the time of change of an object written now; for a minute, advanced by our own clock."""
        with self._clock_lock:
            ahead, looked = self._clock
            if time.monotonic() - looked > CLOCK_SECONDS:
                self.put(CLOCK, uuid4().hex.encode())
                found = self.head(CLOCK)
                looked = time.monotonic()
                ahead = (found.modified if found else time.time()) - looked
                self._clock = (ahead, looked)
        return time.monotonic() + ahead

    def _listed(self, folder: str, *, deep: bool) -> list[Any]:
        if folder:
            check_key(folder)
        with self._explained(folder, "listed"):
            if deep:
                pages = obstore.list(self._store, prefix=folder or None, chunk_size=1000)
                found = [meta for page in pages for meta in page]
            else:
                found = list(obstore.list_with_delimiter(self._store, folder or None)["objects"])
        return [meta for meta in found if all(is_name(name) for name in meta["path"].split("/"))]

    def _settle(self, key: str, data: bytes, error: Exception) -> str:
        """The tag after a conflict if the stored bytes are ours (the answer was lost). Else raises ConflictError."""
        found = self.get(key)
        if found is not None and found.data == data:
            return found.tag
        raise ConflictError(
            f"{self._address}/{key} does not have the expected tag: another process wrote it first."
        ) from error

    def _delete_one(self, key: str) -> None:
        try:
            obstore.delete(self._store, key)
        except _MISSING:
            return

    @contextmanager
    def _explained(self, key: str, verb: str) -> Iterator[None]:
        try:
            yield
        except (exceptions.BaseError, OSError, ValueError) as error:
            denied = isinstance(error, _DENIED) or " 403 " in str(error) or " 401 " in str(error)
            remedy = (
                "check the credentials and their permissions (get, put, delete, list)"
                if denied
                else "check MODEL_DIR, the endpoint and the network"
            )
            raise StoreError(f"{self._address}/{key} could not be {verb}: {_reason(error)}; {remedy}.") from error
        except BaseException as error:
            raise _panic(error, f"{self._address}/{key} could not be {verb}") from error


def _strip_credentials() -> None:
    """Take blanks and line ends off the variables that obstore reads itself: `echo … | base64` adds them to Secrets,
    and obstore panics on a line end in a header.
    """
    for name, value in os.environ.items():
        if name.startswith(PREFIXES) and value != value.strip():
            log.warning("%s begins or ends with a blank or a line end, which is left out.", name)
            os.environ[name] = value.strip()


def _panic(error: BaseException, what: str) -> BaseException:
    """A panic of obstore, which is no Exception, as a StoreError; anything else as it is."""
    if type(error).__name__ != "PanicException":
        return error
    return StoreError(
        f"{what}: obstore failed with {str(error)[:200]!r}; check the credentials for characters that no HTTP header "
        "can hold."
    )


def _config(address: str) -> Any:
    if not address.startswith("s3://"):
        return {}
    config = {"aws_region": os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"}
    return config | ({"aws_endpoint": _endpoint()} if _endpoint() else {})


def _endpoint() -> str:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""


def _tag(meta: Any) -> str:
    return f"{meta['e_tag'] or ''}|{meta['version'] or ''}"


def _version(tag: str) -> Any:
    e_tag, _, version = tag.rpartition("|")
    return {name: value for name, value in (("e_tag", e_tag), ("version", version)) if value}


def _reason(error: BaseException) -> str:
    """First sentence of obstore's message; a dump of internals follows it."""
    return str(error).split("\n\nDebug source", maxsplit=1)[0].strip().rstrip(".")[:500]
