"""What is known about the running server: metrics, status of projects, recent activity, diagnosis of tasks.

It is shown by `inference.status` and by `/metrics`.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from inference.monitoring.activity_log import ActivityLog
    from inference.monitoring.counting_storage import CountingStorage
    from inference.monitoring.diagnosis import Diagnoser
    from inference.monitoring.label_studio_monitor import LabelStudioMonitor
    from inference.monitoring.metrics import ServerMetrics
    from inference.monitoring.outcomes import OutcomeRecorder
    from inference.monitoring.project_status import StatusCollector
    from inference.monitoring.reports import Reports

__all__ = [
    "ActivityLog",
    "CountingStorage",
    "Diagnoser",
    "LabelStudioMonitor",
    "OutcomeRecorder",
    "Reports",
    "ServerMetrics",
    "StatusCollector",
]
# imported at first use: they need pandas, onnxruntime and the Prometheus client
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "activity_log": ["ActivityLog"],
        "counting_storage": ["CountingStorage"],
        "diagnosis": ["Diagnoser"],
        "label_studio_monitor": ["LabelStudioMonitor"],
        "metrics": ["ServerMetrics"],
        "outcomes": ["OutcomeRecorder"],
        "project_status": ["StatusCollector"],
        "reports": ["Reports"],
    },
)
