"""Reports for people: report.html, and the parts of it that the project page shows, from one set of templates.

What report.json holds is defined in `shared.store.report`; the pages around the parts are in `inference.status`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.reporting.environment import template_environment
    from shared.reporting.html_report import render_report
    from shared.reporting.wording import EVALUATION, METRIC_TITLES, class_names

__all__ = ["EVALUATION", "METRIC_TITLES", "class_names", "render_report", "template_environment"]
_MODULES = {  # imported at first use: they need Jinja
    "EVALUATION": "shared.reporting.wording",
    "METRIC_TITLES": "shared.reporting.wording",
    "class_names": "shared.reporting.wording",
    "render_report": "shared.reporting.html_report",
    "template_environment": "shared.reporting.environment",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
