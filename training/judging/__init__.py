"""Evaluation on held-out recordings: metrics, calibration, number of steps, comparison with the model that serves."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from training.judging.cross_validation import Evaluation as Evaluation
    from training.judging.gate import Reference as Reference
    from training.judging.gate import Verdict as Verdict
    from training.judging.gate import pass_gate as pass_gate
    from training.judging.references import load_references as load_references
    from training.judging.step_search import StepSearch as StepSearch
    from training.judging.step_search import search_steps as search_steps

__all__ = ["Evaluation", "Reference", "StepSearch", "Verdict", "load_references", "pass_gate", "search_steps"]

# Import on first use: torch takes more than a second.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "cross_validation": ["Evaluation"],
        "gate": ["Reference", "Verdict", "pass_gate"],
        "references": ["load_references"],
        "step_search": ["StepSearch", "search_steps"],
    },
)
