"""The token that Label Studio sent when it connected, in a file of its own (KEEP_TOKEN=true).

The file has mode 600 and lies in the user's folder for states of programs, outside MODEL_DIR: copies, exports and
mounts of the store never hold a token. It names the host that accepted the token and counts for that host only. It is
deleted as soon as Label Studio answers 401.
"""

import hashlib
import logging
import os
import stat
from contextlib import suppress
from pathlib import Path

import msgspec

from shared.errors import SettingsError
from shared.json_decoding import decode_json
from shared.settings import Settings

FOLDER = "time-series-segmenter"
LARGEST = 1 << 14  # bytes

log = logging.getLogger(__name__)


class StoredToken(msgspec.Struct, frozen=True):
    """Contents of the file."""

    host: str  # address of the Label Studio that accepted the token
    token: str


class TokenFile:
    """One token. Nothing here raises: without the file the token comes again with the next /setup."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, host: str) -> str:
        """The token for a host; "" if there is none, or if others could have read or written the file."""
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return ""
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077 or status.st_uid != os.getuid():
                log.warning("%s is not used: it must be a file of mode 600 of this user.", self.path)
                return ""
            with suppress(msgspec.DecodeError):
                found = decode_json(file.read(LARGEST), StoredToken)
                return found.token if found.host == host else ""
        return ""

    def write(self, host: str, token: str) -> None:
        """Keep a token, in place of any other."""
        beside = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            beside.unlink(missing_ok=True)
            handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.encode(StoredToken(host, token)))
                file.flush()
                os.fsync(handle)
            beside.replace(self.path)
        except OSError as error:
            log.warning("The token is not kept over restarts: %s cannot be written: %s", self.path, error)

    def delete(self) -> None:
        """Forget the token."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s cannot be deleted, delete it by hand: %s", self.path, error)


def open_token_file(settings: Settings) -> TokenFile | None:
    """The file of a store's token, None unless KEEP_TOKEN is set. Raises SettingsError if it would lie in MODEL_DIR."""
    if not settings.keep_token or settings.label_studio_api_key:
        return None
    store = Path(settings.model_dir).resolve()
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    path = Path(base).resolve() / FOLDER / f"token-{hashlib.sha256(str(store).encode()).hexdigest()[:16]}.json"
    if path.is_relative_to(store):
        raise SettingsError(
            f"KEEP_TOKEN=true would keep the token in {path}, within MODEL_DIR={settings.model_dir}; set "
            "XDG_STATE_HOME to a folder outside it."
        )
    return TokenFile(path)
