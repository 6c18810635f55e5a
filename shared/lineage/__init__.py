"""What was learned from which recordings: networks kept for later runs, each with all recordings that taught it.

Fitting networks is in `training.fitting`; kept versions of models are in `shared.store`.
"""

from shared.lineage.fits import KeptFit, KeptFits, LearnedRecording

__all__ = ["KeptFit", "KeptFits", "LearnedRecording"]
