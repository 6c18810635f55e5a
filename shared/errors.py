"""The tree of errors.

SegmenterError
├── PermanentError                a retry fails again: exit code 2, an empty result for a task
│   ├── SettingsError               an environment variable has an invalid value
│   ├── LabelConfigError            a labelling configuration that cannot be served
│   ├── SeriesError                 a recording that cannot be read (column missing, unparsable or decreasing time)
│   ├── RefusedError                a source that must not be read, or an invalid name
│   │   └── ForbiddenError            forbidden by a setting (internal address, too large): no result for a task
│   ├── TrainingDataError           annotations that cannot be trained on
│   └── ModelError                  a graph that fails its checks
└── TemporaryError                may work later: exit code 75, no result for a task
    ├── FetchError                  a recording that was not received (time-out, connection, 5xx, 404 of a moved file)
    │   └── NotDataError              something else in its place, or a part of it, with status 200
    ├── LabelStudioError            Label Studio is unreachable, refuses the token or sends an invalid answer
    ├── ClusterError                the Kubernetes API server is unreachable or refuses a request
    ├── StoreError                  the model store cannot be read or written
    │   ├── NoStoreError              the folder of the store is not a store: a volume is not mounted
    │   ├── ConflictError             another writer changed the object first
    │   └── RecordError               a record of one project that cannot be read; those of others can
    ├── LeaseHeldError              another trainer holds the lease of the project
    ├── RunCancelledError           the run was cancelled
    └── UntrainedError              no model for this project yet

A message says what was read, what was expected and what to do.
"""

from enum import IntEnum
from typing import ClassVar, Literal


class ExitCode(IntEnum):
    """Exit codes of all commands. They are an API: launchers, Jobs and scripts depend on them."""

    DONE = 0
    INCOMPLETE = 1  # a part or a check failed; also the code of a crash
    PERMANENT = 2  # wrong usage, settings or data; also the code of argparse
    TEMPORARY = 75  # try again later: EX_TEMPFAIL of sysexits.h


class SegmenterError(Exception):
    """Base of all errors that this project raises."""

    exit_code: ClassVar[ExitCode] = ExitCode.TEMPORARY


class PermanentError(SegmenterError):
    """A retry with the same input fails again."""

    exit_code = ExitCode.PERMANENT


class SettingsError(PermanentError):
    """An environment variable has an invalid value."""


class LabelConfigError(PermanentError):
    """A labelling configuration that cannot be served."""


class SeriesError(PermanentError):
    """A recording that cannot be read."""


class RefusedError(PermanentError):
    """A source of data that must not be read."""


class ForbiddenError(RefusedError):
    """A source of data that a setting forbids; changing the setting would allow it."""


class TrainingDataError(PermanentError):
    """Annotations that cannot be trained on."""


class ModelError(PermanentError):
    """A graph that fails its checks."""


class TemporaryError(SegmenterError):
    """The same call may work later."""


class FetchError(TemporaryError):
    """A recording that was not received."""


class NotDataError(FetchError):
    """Something else was received in place of a recording, or a part of it, although the status was 200."""

    def __init__(self, kind: Literal["not-data", "truncated"], message: str) -> None:
        """`kind`: of the doubt (shared/doubts.py)."""
        super().__init__(message)
        self.kind = kind


class HostBusyError(TemporaryError):
    """A host of recordings has its share of downloads, or another large recording is in memory: later."""


class LabelStudioError(TemporaryError):
    """Label Studio is unreachable, refuses the token or sends an invalid answer."""


class ClusterError(TemporaryError):
    """The Kubernetes API server is unreachable or refuses a request."""

    def __init__(self, message: str, *, status: int = 0, retry_after: float = 0.0) -> None:
        """`status`: HTTP status, 0 without an answer; `retry_after`: seconds, 0 if the answer named none."""
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after

    @property
    def kind(self) -> str:
        """What it is about in one word, as metrics name it."""
        if self.status in (401, 403):
            return "forbidden"
        if self.status == 404:
            return "missing"
        return "refused" if self.status in (400, 422) else "unreachable"


class StoreError(TemporaryError):
    """The model store cannot be read or written."""


class NoStoreError(StoreError):
    """The folder of the store is not the one it was, or not made yet: most likely its volume is not mounted."""


class ConflictError(StoreError):
    """A conditional write failed: another writer changed the object first."""


class RecordError(StoreError):
    """A record of one project cannot be read; the store can."""


class LeaseHeldError(TemporaryError):
    """Another trainer holds this project's lease."""


class RunCancelledError(TemporaryError):
    """The run was cancelled."""


class UntrainedError(TemporaryError):
    """There is no model for this project yet."""
