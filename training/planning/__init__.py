"""What is fitted and how it is evaluated, decided before any fit: folds, window shape, recipe, decoding parameters."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.planning.folds import Split as Split
    from training.planning.plan import Plan as Plan
    from training.planning.plan import make_plan as make_plan
    from training.planning.recipe import Recipe as Recipe

__all__ = ["Plan", "Recipe", "Split", "make_plan"]

_MODULES = {
    "Split": "folds",
    "Plan": "plan",
    "make_plan": "plan",
    "Recipe": "recipe",
}


def __getattr__(name: str) -> Any:
    """Import on first use: torch takes more than a second."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
