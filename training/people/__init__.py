"""What people make of predictions, and how far they agree with models and with each other.

How good a model is by its metrics: training.judging.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from training.people.agreement import agreements as agreements
    from training.people.region_use import compare_regions as compare_regions
    from training.people.region_use import use_of_predictions as use_of_predictions

__all__ = ["agreements", "compare_regions", "use_of_predictions"]

# Import on first use: torch takes more than a second.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__, submod_attrs={"agreement": ["agreements"], "region_use": ["compare_regions", "use_of_predictions"]}
)
