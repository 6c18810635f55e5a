"""Tokens that arrive with /setup: used once Label Studio has accepted them, which a separate thread checks.

Label Studio waits for the answer to /setup, and a single process of it could not answer a question meanwhile.
"""

import hashlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from cachetools import TTLCache

from shared.label_studio.credentials import KEY, Credentials
from shared.logs import Redaction
from shared.store.projects import without_user

WAITING = 8  # tokens to ask about; further ones come again with the next /setup
REFUSED = 256  # remembered for REFUSED_SECONDS, by checksum
REFUSED_SECONDS = 60.0
SHOWN = 60  # characters of a foreign address

log = logging.getLogger(__name__)


class TokenAdoption:
    """For any number of threads. `adopted` is called when a token has come into use."""

    def __init__(self, credentials: Credentials, redaction: Redaction, adopted: Callable[[], None]) -> None:
        self._credentials = credentials
        self._redaction = redaction
        if credentials.adopted:  # it was kept over a restart
            redaction.add(credentials.environment()[KEY])
        self._adopted = adopted
        self._thread = ThreadPoolExecutor(1, "token")
        self._lock = threading.Lock()
        self._waiting: set[bytes] = set()
        self._refused: TTLCache[bytes, None] = TTLCache(REFUSED, REFUSED_SECONDS)
        self.sentence = ""  # why the token of the last /setup is not used

    def close(self) -> None:
        """End the thread; what waits comes again with the next /setup."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def offer(self, hostname: str, access_token: str) -> None:
        """Use the token of a /setup where that is allowed and Label Studio accepts it, soon."""
        if not self._credentials.may_adopt(hostname, access_token):
            if self._credentials.kind == "none" and access_token:
                shown = without_user(hostname)[:SHOWN]
                self.sentence = (
                    f"Label Studio connected as {shown!r}, which is not LABEL_STUDIO_HOST: its token is not "
                    "used. Set LABEL_STUDIO_HOST to its address as seen from here, or LABEL_STUDIO_API_KEY."
                )
            return
        digest = hashlib.sha256(access_token.encode()).digest()
        with self._lock:
            if digest in self._waiting or digest in self._refused or len(self._waiting) >= WAITING:
                return
            self._waiting.add(digest)
        self._thread.submit(self._try, hostname, access_token, digest)

    def _try(self, hostname: str, access_token: str, digest: bytes) -> None:
        """Ask, and use the token or remember that it is none."""
        had_token = self._credentials.kind != "none"
        try:
            if self._credentials.adopt(hostname, access_token):
                self._redaction.add(access_token)
                self.sentence = ""
                log.info("The token that Label Studio sent when it connected is in use.")
                if not had_token:
                    self._adopted()
            elif not had_token:
                self.sentence = "LABEL_STUDIO_HOST does not accept the token that came with the last connection."
        except Exception:
            log.exception("Checking a token failed with an unexpected error.")
        finally:
            with self._lock:
                self._waiting.discard(digest)
                self._refused[digest] = None
