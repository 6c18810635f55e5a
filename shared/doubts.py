"""Doubts: what was read or answered, but not understood for certain.

A doubt is made where it arises (reading a recording, reading annotations, segmenting) and carried with the result to
every place where people look: the log line and the metric of the answer, the page of the task and of the project,
`predict --json`, `--explain` and the report. Errors are for what cannot be read at all (shared/errors.py).
"""

from collections.abc import Iterable
from enum import Enum
from typing import Literal

import msgspec

# highest score of an answer that a doubt speaks against; without one, 43 of 44 of watch, hapt and gait have more
UNSURE_SCORE = 0.5


class Effect(Enum):
    """What a doubt does to the answer that carries it."""

    NOTE = "note"  # it is reported, nothing else
    UNSURE = "unsure"  # the score is at most UNSURE_SCORE
    PASSING = "passing"  # nothing is stored for the task, so that Label Studio asks again


Kind = Literal[
    "unreadable-cells",  # cells that are not empty, but hold no number
    "boolean-cells",  # True and False, read as 1 and 0
    "empty-channel",  # a channel without any value
    "outliers",  # values far beyond all others of their channel, clipped before statistics are taken
    "sampling-rate",  # steps of time unlike those of the training recordings
    "value-range",  # values of another unit or scale than those of the training recordings
    "constant-channel",  # a channel that varied in the training recordings and does not here
    "swapped-channels",  # channels whose values look like each other's
    "length",  # a recording far shorter or longer than all training recordings
    "missing-cells",  # far more cells without a value than in any training recording
    "missing-label",  # segments of a label that the configuration no longer has
    "value-type",  # valueType and data do not go together, and were read all the same
    "unterminated",  # the last line does not end with a line break
    "truncated",  # the file ends in the middle of a line, or before its announced length
    "unreadable-series",  # one of several time series of a task, which the others stand without
    "not-data",  # a page, an error message or another text in place of a recording
    "unreadable-region",  # a region whose bounds or labels cannot be read
    "unknown-choice",  # a choice that the configuration does not have
    "missing-choice",  # what the model would choose is not in the configuration any more
    "outside-region",  # a region that lies outside its recording
    "unknown-label",  # a region with a label that the configuration does not have
    "other-control",  # a region of another control tag or of another series
    "covered-label",  # a label whose rows lie under other regions
    "disagreement",  # rows on which annotators differ
    "machine-made",  # an annotation that is an accepted prediction, unchanged
]

EFFECTS: dict[Kind, Effect] = {
    "unreadable-cells": Effect.NOTE,
    "boolean-cells": Effect.NOTE,
    "empty-channel": Effect.UNSURE,
    "outliers": Effect.NOTE,
    "sampling-rate": Effect.UNSURE,
    "value-range": Effect.UNSURE,
    "constant-channel": Effect.UNSURE,
    "swapped-channels": Effect.UNSURE,
    "length": Effect.UNSURE,
    "missing-cells": Effect.UNSURE,
    "missing-label": Effect.UNSURE,
    "value-type": Effect.NOTE,
    "unterminated": Effect.NOTE,
    "truncated": Effect.PASSING,
    "unreadable-series": Effect.UNSURE,
    "not-data": Effect.PASSING,
    "unreadable-region": Effect.NOTE,
    "unknown-choice": Effect.NOTE,
    "missing-choice": Effect.NOTE,
    "outside-region": Effect.NOTE,
    "unknown-label": Effect.NOTE,
    "other-control": Effect.NOTE,
    "covered-label": Effect.NOTE,
    "disagreement": Effect.NOTE,
    "machine-made": Effect.NOTE,
}


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was not understood for certain."""

    kind: Kind
    sentence: str  # for people: what was found, where, and what was done about it
    first_row: int | None = None  # where it begins in the recording; None: nowhere in particular
    share: float | None = None  # of cells, rows or regions that are concerned, 0 to 1; None: does not apply

    @property
    def effect(self) -> Effect:
        """What this does to an answer."""
        return EFFECTS[self.kind]


def doubtful_score(score: float, doubts: Iterable[Doubt]) -> float:
    """The score of an answer: at most UNSURE_SCORE where a doubt speaks against it."""
    return min(score, UNSURE_SCORE) if any(each.effect is Effect.UNSURE for each in doubts) else score
