"""What is written of a training: model card, weights, report.json, report.html. The store itself is shared.store."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.publishing.model_files import make_card as make_card
    from training.publishing.model_files import make_weights as make_weights
    from training.publishing.report import make_report as make_report
    from training.publishing.report import text_report as text_report

__all__ = ["make_card", "make_report", "make_weights", "text_report"]

_MODULES = {
    "make_card": "model_files",
    "make_weights": "model_files",
    "make_report": "report",
    "text_report": "report",
}


def __getattr__(name: str) -> Any:
    """Import on first use: torch takes more than a second."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
