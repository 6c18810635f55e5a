"""What was learned from which recordings: networks kept for later runs, each with all recordings that taught it.

Fitting networks is in `training.fitting`; kept versions of models are in `shared.store`.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from shared.lineage.fits import KeptFits as KeptFits
    from shared.lineage.fits import LearnedRecording as LearnedRecording
    from shared.lineage.forgetting import Forgotten as Forgotten
    from shared.lineage.forgetting import forget_task as forget_task

__all__ = ["Forgotten", "KeptFits", "LearnedRecording", "forget_task"]

# imported at first use: forgetting renders reports, a trainer does not need it
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__, submod_attrs={"fits": ["KeptFits", "LearnedRecording"], "forgetting": ["Forgotten", "forget_task"]}
)
