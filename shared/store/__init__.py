"""The store at MODEL_DIR, a folder or a bucket, and its contents: models, leases, known projects, reports.

Updates and runs, also in the store, are in `shared.retraining`. The contents of a model file are in
`shared.model_file`.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from shared.store.lease import Lease, take_lease
    from shared.store.models import ModelStore
    from shared.store.opening import open_storage
    from shared.store.projects import KnownProjects
    from shared.store.report import ReportFile
    from shared.store.storage import Storage

__all__ = ["KnownProjects", "Lease", "ModelStore", "ReportFile", "Storage", "open_storage", "take_lease"]
# imported at first use: a module of this package imports others without the rest
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "lease": ["Lease", "take_lease"],
        "models": ["ModelStore"],
        "opening": ["open_storage"],
        "projects": ["KnownProjects"],
        "report": ["ReportFile"],
        "storage": ["Storage"],
    },
)
