"""From annotation events to training runs: updates, run records, scheduling, launching, comparison with Label Studio.

The training itself is in `training`; the launcher for Kubernetes is in `inference.launchers`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.retraining.active_run import ActiveRun, begin_run
    from shared.retraining.controller import Controller
    from shared.retraining.launcher import Launcher
    from shared.retraining.runs import RunRecord, Runs
    from shared.retraining.scheduler import decide
    from shared.retraining.updates import Updates

__all__ = ["ActiveRun", "Controller", "Launcher", "RunRecord", "Runs", "Updates", "begin_run", "decide"]
_MODULES = {  # imported at first use: the controller needs an HTTP client, a trainer does not
    "ActiveRun": "shared.retraining.active_run",
    "Controller": "shared.retraining.controller",
    "Launcher": "shared.retraining.launcher",
    "RunRecord": "shared.retraining.runs",
    "Runs": "shared.retraining.runs",
    "Updates": "shared.retraining.updates",
    "begin_run": "shared.retraining.active_run",
    "decide": "shared.retraining.scheduler",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
