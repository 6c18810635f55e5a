"""Predictions for all tasks of a project, pushed to Label Studio by any number of processes, each task exactly once.

The tasks are divided into ranges of ids, planned once in the store. A process claims a range, predicts and pushes its
tasks batch by batch, and claims the next; the claim of a process that died expires and another one continues. Every
batch is recorded in its range before it is sent. `read_plan` gives the progress. Used by the command `preannotate`.
After a publication `Refresher` starts one by itself. Predicting a batch is in `inference.serving`.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from inference.preannotation.plans import progress_sentence, read_plan
    from inference.preannotation.records import Counts, PreannotationPlan
    from inference.preannotation.work import Preannotation

__all__ = ["Counts", "Preannotation", "PreannotationPlan", "progress_sentence", "read_plan"]
# imported at first use: predicting needs onnxruntime
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "plans": ["progress_sentence", "read_plan"],
        "records": ["Counts", "PreannotationPlan"],
        "work": ["Preannotation"],
    },
)
