"""The constants of a fit, each with the reason for its value. benchmarks/quality.md holds the ablations."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is fitted. None of these is a user's setting: they hold from once a minute to 360 Hz."""

    batch: int = 8  # windows: many small batches match 24 × 256 rows at a third of the cost
    learning_rate: float = 3e-3  # 1e-3 is too low for a few hundred steps
    weight_decay: float = 0.01
    warm_up: float = 0.3  # share of the one-cycle schedule in which the rate rises
    clip: float = 1.0  # largest norm of a gradient: an LSTM's first steps jump
    balanced_share: float = 0.5  # of each batch drawn uniformly over classes, then segments: 10 rows in 10^6 are seen
    longest_recording: float = 4.0  # medians: what a longer recording counts as, lest it be all that is seen
    weight_cap: float = 10.0  # of a class against the commonest one
    dropout: float = 0.0
    rows_per_step: float = 102.4  # first schedule: one step for so many training rows …
    least_steps: int = 300  # … within these bounds
    most_steps: int = 3000


RECIPE = Recipe()
