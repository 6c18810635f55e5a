"""Evaluation on held-out recordings: metrics, calibration, number of steps, comparison with the model that serves."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.judging.cross_validation import Evaluation as Evaluation
    from training.judging.gate import Reference as Reference
    from training.judging.gate import Verdict as Verdict
    from training.judging.gate import pass_gate as pass_gate
    from training.judging.references import load_references as load_references
    from training.judging.step_search import StepSearch as StepSearch
    from training.judging.step_search import search_steps as search_steps

__all__ = ["Evaluation", "Reference", "StepSearch", "Verdict", "load_references", "pass_gate", "search_steps"]

_MODULES = {
    "Evaluation": "cross_validation",
    "Reference": "gate",
    "Verdict": "gate",
    "pass_gate": "gate",
    "load_references": "references",
    "StepSearch": "step_search",
    "search_steps": "step_search",
}


def __getattr__(name: str) -> Any:
    """Import on first use: torch takes more than a second."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
