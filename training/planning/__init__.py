"""What is fitted and how it is evaluated, decided before any fit: folds, window shape, recipe, decoding parameters."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from training.planning.folds import Split as Split
    from training.planning.plan import Plan as Plan
    from training.planning.plan import make_plan as make_plan
    from training.planning.recipe import Recipe as Recipe

__all__ = ["Plan", "Recipe", "Split", "make_plan"]

# Import on first use: torch takes more than a second.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__, submod_attrs={"folds": ["Split"], "plan": ["Plan", "make_plan"], "recipe": ["Recipe"]}
)
