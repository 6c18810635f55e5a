"""What is written of a training: model card, weights, report.json, report.html. The store itself is shared.store."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from training.publishing.model_files import make_card as make_card
    from training.publishing.model_files import make_weights as make_weights
    from training.publishing.model_files import read_weights as read_weights
    from training.publishing.report import make_report as make_report
    from training.publishing.report import text_report as text_report

__all__ = ["make_card", "make_report", "make_weights", "read_weights", "text_report"]

# Import on first use: torch takes more than a second.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "model_files": ["make_card", "make_weights", "read_weights"],
        "report": ["make_report", "text_report"],
    },
)
