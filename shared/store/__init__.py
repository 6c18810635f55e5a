"""MODEL_DIR: one set of verbs over a folder or a bucket, and what lies there: models, leases, known projects, reports.

Updates and runs, which lie in the store as well, are in `shared.retraining`. What a model file holds is in
`shared.model_file`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.store.lease import Lease, take_lease
    from shared.store.models import ModelStore
    from shared.store.opening import open_storage
    from shared.store.projects import KnownProjects
    from shared.store.report import ReportFile
    from shared.store.storage import Storage

__all__ = ["KnownProjects", "Lease", "ModelStore", "ReportFile", "Storage", "open_storage", "take_lease"]
_MODULES = {  # imported at first use: a module of this package imports others without the rest
    "KnownProjects": "shared.store.projects",
    "Lease": "shared.store.lease",
    "ModelStore": "shared.store.models",
    "ReportFile": "shared.store.report",
    "Storage": "shared.store.storage",
    "open_storage": "shared.store.opening",
    "take_lease": "shared.store.lease",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
