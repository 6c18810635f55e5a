"""Periodic checks: whether Label Studio answers, the kind of token, titles of projects."""

import threading
import time
from collections.abc import Callable

import msgspec

from shared.errors import RecordError, SegmenterError
from shared.label_studio.client import LabelStudio
from shared.label_studio.credentials import Credentials
from shared.store.projects import KnownProjects

LOOK_SECONDS = 30.0
TITLE_SECONDS = 3600.0  # titles rarely change
TITLES_AT_ONCE = 20


class LabelStudioState(msgspec.Struct, frozen=True, kw_only=True):
    """Result of the last check."""

    address: str
    reachable: bool | None = None  # None: not asked yet
    sentence: str = "Not asked yet."
    token: str = "none"  # noqa: S105 - legacy, personal or none: a kind, not a token


class LabelStudioMonitor:
    """Checks in one thread; `state` may be read from any."""

    def __init__(
        self,
        label_studio: LabelStudio,
        credentials: Credentials,
        projects: KnownProjects,
        address: str,
        *,
        asked: Callable[[bool], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`asked` is called after each request with whether Label Studio answered."""
        self._label_studio = label_studio
        self._credentials = credentials
        self._projects = projects
        self._asked = asked
        self._clock = clock
        self._titled: dict[int, float] = {}
        self.token_sentence: Callable[[], str] = str  # why the token of the last /setup is not used; "" otherwise
        self.state = LabelStudioState(address=address)

    def run(self, closing: threading.Event) -> None:
        """Check periodically until `closing`."""
        while not closing.is_set():
            self.look()
            closing.wait(LOOK_SECONDS)

    def look(self) -> None:
        """Check once. A failure becomes a sentence."""
        reachable = False
        try:
            sentence = f"Label Studio {self._label_studio.version()} answers."
            reachable = True
            if self._credentials.kind != "none":
                sentence = f"{sentence[:-1]}, the token is {self._label_studio.whoami().email[:100]}'s."
                self._name_projects()
            elif self.token_sentence():
                sentence = f"{sentence} {self.token_sentence()}"
        except SegmenterError as error:
            sentence = str(error)
        self.state = msgspec.structs.replace(
            self.state, reachable=reachable, sentence=sentence, token=self._credentials.kind
        )
        self._asked(reachable)

    def _name_projects(self) -> None:
        due = [each for each in self._projects.ids() if self._clock() >= self._titled.get(each, float("-inf"))]
        for project in due[:TITLES_AT_ONCE]:
            self._titled[project] = self._clock() + TITLE_SECONDS
            found = self._label_studio.project(project)
            try:
                known = self._projects.get(project)
            except RecordError:  # the status page names it
                continue
            if found is not None and known is not None and found.title != known.title:
                self._projects.remember(msgspec.structs.replace(known, title=found.title))
