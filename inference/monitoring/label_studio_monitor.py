"""Periodic checks: whether Label Studio answers, the kind of token, titles of projects."""

import threading
import time
from collections.abc import Callable, Mapping

import msgspec

from shared.errors import RecordError, SegmenterError
from shared.label_studio.client import LabelStudio
from shared.label_studio.credentials import Credentials
from shared.store.projects import KnownProjects
from shared.supervision import beat

LOOK_SECONDS = 30.0
TITLE_SECONDS = 3600.0  # titles rarely change
TITLES_AT_ONCE = 20
NO_TOKEN = "This server has no token for Label Studio: annotations are not seen, and nothing is trained."  # noqa: S105
REMEDY = (
    "Open the Data Manager of a connected project, which sends one, or set LABEL_STUDIO_API_KEY. KEEP_TOKEN=true keeps "
    "it over restarts."
)


class LabelStudioState(msgspec.Struct, frozen=True, kw_only=True):
    """Result of the last check."""

    address: str
    reachable: bool | None = None  # None: not asked yet
    sentence: str = "Not asked yet."
    token: str = "none"  # noqa: S105 - legacy, personal or none: a kind, not a token
    problem: str = ""  # why annotations are not seen and nothing can be read, "" if all is well or nothing connected


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
        titles: Callable[[], Mapping[int, str]] = dict,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`asked` is called after each request with whether Label Studio answered.

        `titles`: of the known projects as of the last look at the store; empty where that is to be listed.
        """
        self._label_studio = label_studio
        self._credentials = credentials
        self._projects = projects
        self._asked = asked
        self._titles = titles
        self._clock = clock
        self._titled: dict[int, float] = {}
        self.token_sentence: Callable[[], str] = str  # why the token of the last /setup is not used; "" otherwise
        self.trouble = ""  # why Label Studio cannot be read, whether or not a project has connected
        self.state = LabelStudioState(address=address)

    def run(self, closing: threading.Event) -> None:
        """Check periodically until `closing`."""
        while not closing.is_set():
            self.look()
            beat(LOOK_SECONDS)
            closing.wait(LOOK_SECONDS)

    def look(self) -> None:
        """Check once. A failure becomes a sentence."""
        reachable = False
        problem = ""
        try:
            sentence = f"Label Studio {self._label_studio.version()} answers."
            reachable = True
            if self._credentials.kind != "none":
                sentence = f"{sentence[:-1]}, the token is {self._label_studio.whoami().email[:100]}'s."
                self._name_projects()
            else:
                told = self.token_sentence()
                sentence = f"{sentence} {told}" if told else sentence
                problem = f"{NO_TOKEN} {told or REMEDY}"
        except SegmenterError as error:
            sentence = problem = str(error)
        self.trouble = problem
        self.state = msgspec.structs.replace(
            self.state,
            reachable=reachable,
            sentence=sentence,
            token=self._credentials.kind,
            problem=problem if self._has_connected() else "",
        )
        self._asked(reachable)

    def _has_connected(self) -> bool:
        try:
            return any(self._titles() or self._projects.ids())  # without 0, which is no project of Label Studio
        except SegmenterError:  # the pages name it
            return False

    def _name_projects(self) -> None:
        titles = self._titles() or dict.fromkeys(self._projects.ids(), "")
        due = [each for each in titles if self._clock() >= self._titled.get(each, float("-inf"))]
        for project in due[:TITLES_AT_ONCE]:
            beat()
            self._titled[project] = self._clock() + TITLE_SECONDS
            found = self._label_studio.project(project)
            if found is None or found.title == titles[project]:
                continue
            try:
                known = self._projects.get(project)
            except RecordError:  # the status page names it
                continue
            if known is not None and found.title != known.title:
                self._projects.remember(msgspec.structs.replace(known, title=found.title))
