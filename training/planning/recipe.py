"""The constants of a fit, each with the reason for its value. docs/quality.md holds the ablations."""

from dataclasses import dataclass

from training.data.annotations import LabelKinds


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is fitted. None of these is a user's setting: they hold from once a minute to 360 Hz."""

    batch: int = 8  # windows: many small batches match 24 × 256 rows at a third of the cost
    learning_rate: float = 3e-3  # 1e-3 is too low for a few hundred steps
    weight_decay: float = 0.01
    warm_up: float = 0.3  # share of the one-cycle schedule in which the rate rises
    clip: float = 1.0  # largest norm of a gradient: an LSTM's first steps jump
    balanced_share: float = 0.5  # of each batch drawn uniformly over classes, then segments: 10 rows in 10^6 are seen …
    rare: float = 0.25  # … where a class has less than this part of an even share; else it costs .01
    longest_recording: float = 4.0  # medians: what a longer recording counts as, lest it be all that is seen
    weight_cap: float = 10.0  # of a class against the commonest one
    most_inflation: float = (
        50.0  # of a rare class by batches and weight together: ten events in 6·10^5 rows, counted 2,600
    )
    # times, give 67 alarms for 8 events
    averaging: float = 0.0  # share of the running mean of weights that a step leaves: steadier from seed to seed
    gain: float = 0.0  # standard deviation of the logarithm of a factor a window and channel
    offset: float = 0.0  # standard deviation of a shift a window and channel [normalised units]
    warp: float = 0.0  # a window is played up to this share faster or slower
    noise: float = 0.0  # standard deviation of white noise [normalised units]
    parts: float = 0.0  # of the windows are normalised by a part of their recording, as a recording cut short will be
    most_fit_rows: int = 10**9  # rows of a window while fitting, where it is to be shorter than the one that serves
    least_steps: int = 200  # of the first schedule
    rows_per_step: float = 273.0  # training rows for each step beyond these …
    most_steps: int = 800  # … up to these


# Ranges: people and machines differ in speed (macro F1 +.017); a change of a channel's gain or level would change what
# a label means (−.04 and −.08), noise is level. Strong decay: segment F1@50 +.03.
# Less than half of the steps that were taken before, a quarter where there are many recordings. `watch`, `hapt` and
# `gait` would do with 100; five simulated people lose .06 of balanced accuracy by that, and .01 by 200.
# Parts: halves of recordings of one protocol .84 ► .90; the experts, too, cost whole ones .02.
RANGES = Recipe(parts=0.5, warp=0.3, weight_decay=0.3)

# Instants: a change of gain, level and noise keeps an event an event (event F1 .893 ► .917, rare class .711 ► .758);
# the running mean of weights and the bound on inflation: .912 ► .940, rare class .733 ► .809 (three seeds, all up);
# windows of 128 rows teach a row as much as 256 at two thirds of the cost. No parts: hearts beat alike all along:
# cut ECGs lose nothing without, and whole ones are level (+.015 on one partition, −.01 and −.03 on two others).
# Steps as before: half of them cost 14 ECGs .014 event F1 at this rate and .025 at twice this rate.
INSTANTS = Recipe(
    gain=0.4,
    offset=0.4,
    noise=0.2,
    averaging=0.98,
    most_fit_rows=128,
    longest_recording=10.0,
    least_steps=400,
    rows_per_step=102.4,
    most_steps=1600,
)

# Both: what neither minds.
BOTH = Recipe(noise=0.2, averaging=0.98, longest_recording=10.0)


def recipe_for(kinds: LabelKinds) -> Recipe:
    """The recipe for what a project's labels are."""
    if kinds.ranges and kinds.instants:
        return BOTH
    return INSTANTS if kinds.instants else RANGES


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertRecipe:
    """How the experts on window statistics are fitted: apart, on whole recordings; with the LSTM they are worse."""

    steps: int = 400  # half a second
    batch: int = 256  # steps of recordings, drawn uniformly
    pool: int = 25_600  # different steps drawn from: bounds memory
    learning_rate: float = 3e-3
    weight_decay: float = 0.3
    warm_up: float = 0.3


EXPERTS = ExpertRecipe()

# The event expert gains by more steps (gait, event F1 .782 ► .789 by three times as many, level on ECGs).
EVENT_EXPERT = ExpertRecipe(steps=800)
