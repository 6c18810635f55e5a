"""Everything that can go wrong, as one tree.

SegmenterError
├── PermanentError                trying again changes nothing: exit code 2, an empty result for a task
│   ├── SettingsError               an environment variable holds what it must not
│   ├── LabelConfigError            a labelling configuration that cannot be served
│   ├── SeriesError                 a recording that cannot be read (column missing, unparsable or decreasing time)
│   ├── RefusedError                a source that must not be read, or a name that none is
│   │   └── ForbiddenError            one that a setting forbids (internal address, too large): no result for a task
│   ├── TrainingDataError           annotations that nothing can be learned from
│   └── ModelError                  a graph that fails its checks
└── TemporaryError                may work later: exit code 75, no result for a task
    ├── FetchError                  a recording that did not arrive (time-out, connection, 5xx, 404 of a moved file)
    ├── LabelStudioError            Label Studio unreachable, refusing the token, or answering nonsense
    ├── ClusterError                the Kubernetes API server unreachable, or refusing what a launch takes
    ├── StoreError                  the model store cannot be read or written
    │   └── ConflictError             an object is not what a conditional write expected
    ├── LeaseHeldError              somebody else trains this project
    ├── RunCancelledError           somebody asked this run to stop
    └── UntrainedError              no model for this project yet

A message says what was read, what was expected and what to do.
"""

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """Exit codes of every command of both programs. They are an API: launchers, Jobs and scripts read them."""

    DONE = 0
    INCOMPLETE = 1  # some of it, or a check, failed; a crash ends with 1, too
    PERMANENT = 2  # wrong usage, settings or data; argparse ends with 2, too
    TEMPORARY = 75  # try again later: EX_TEMPFAIL of sysexits.h


class SegmenterError(Exception):
    """Base of every error this project raises on purpose."""

    exit_code: ClassVar[ExitCode] = ExitCode.TEMPORARY


class PermanentError(SegmenterError):
    """Trying again with the same input changes nothing."""

    exit_code = ExitCode.PERMANENT


class SettingsError(PermanentError):
    """An environment variable holds what it must not."""


class LabelConfigError(PermanentError):
    """A labelling configuration that cannot be served."""


class SeriesError(PermanentError):
    """A recording that cannot be read."""


class RefusedError(PermanentError):
    """A source of data that must not be read."""


class ForbiddenError(RefusedError):
    """A source of data that a setting forbids; another value of the setting would change that."""


class TrainingDataError(PermanentError):
    """Annotations that nothing can be learned from."""


class ModelError(PermanentError):
    """A graph that fails its checks."""


class TemporaryError(SegmenterError):
    """The same call may work later."""


class FetchError(TemporaryError):
    """A recording that did not arrive."""


class LabelStudioError(TemporaryError):
    """Label Studio is unreachable, refuses the token or answers nonsense."""


class ClusterError(TemporaryError):
    """The Kubernetes API server is unreachable or refuses what a launch takes."""

    def __init__(self, message: str, *, status: int = 0, retry_after: float = 0.0) -> None:
        """`status` as it answered, 0 if it did not; `retry_after` in seconds, 0 if it named no time."""
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class StoreError(TemporaryError):
    """The model store cannot be read or written."""


class ConflictError(StoreError):
    """An object in the store is not what a conditional write expected: somebody else was first."""


class LeaseHeldError(TemporaryError):
    """Another trainer holds this project's lease."""


class RunCancelledError(TemporaryError):
    """Somebody asked this run to stop."""


class UntrainedError(TemporaryError):
    """There is no model for this project yet."""
