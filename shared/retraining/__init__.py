"""From annotation events to training runs: updates, run records, scheduling, launching, comparison with Label Studio.

The training itself is in `training`; the launcher for Kubernetes is in `inference.launchers`.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from shared.retraining.active_run import ActiveRun, begin_run
    from shared.retraining.controller import Controller
    from shared.retraining.launcher import Launcher
    from shared.retraining.runs import RunRecord, Runs
    from shared.retraining.scheduler import decide
    from shared.retraining.updates import Updates

__all__ = ["ActiveRun", "Controller", "Launcher", "RunRecord", "Runs", "Updates", "begin_run", "decide"]
# imported at first use: the controller needs an HTTP client, a trainer does not
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "active_run": ["ActiveRun", "begin_run"],
        "controller": ["Controller"],
        "launcher": ["Launcher"],
        "runs": ["RunRecord", "Runs"],
        "scheduler": ["decide"],
        "updates": ["Updates"],
    },
)
