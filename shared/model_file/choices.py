"""What a model card holds of choices about recordings: weights of a linear classifier, and how good it is."""

from typing import Literal

import msgspec

LARGEST = 1e9  # weights learned from annotations stay below 10


def _require(holds: bool, complaint: str) -> None:
    if not holds:
        raise ValueError(complaint)  # msgspec turns it into a ValidationError that names the field


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """softmax((weights · features + bias) / temperature) over the options."""

    options: tuple[str, ...]  # choices; of a tag of which any number may be chosen: one of them, and "" for not this
    weights: tuple[tuple[float, ...], ...]  # of each option: one a feature, then one a feature's distance from usual
    bias: tuple[float, ...]
    temperature: float = 1.0
    calibrated: bool = False  # False: too few recordings; the score is the classifier's own
    recordings: int  # that it was evaluated on, each held out
    accuracy: float  # share of them for which it is right
    standard_error: float
    commonest: float  # share of them that the commonest option is right for

    def __post_init__(self) -> None:
        options = len(self.options)
        _require(len(set(self.options)) == options >= 2, "there are not two different options")
        _require(len(self.weights) == len(self.bias) == options, "weights or bias has not one entry per option")
        _require(0 < self.temperature < LARGEST, f"temperature {self.temperature} is not above 0")
        numbers = [number for row in (*self.weights, self.bias) for number in row]
        _require(all(abs(number) <= LARGEST for number in numbers), f"a weight is beyond {LARGEST:g}")


class LearnedTag(msgspec.Struct, frozen=True, kw_only=True):
    """One Choices tag: one decision, or one for each choice where any number may be chosen."""

    from_name: str
    multiple: bool = False
    decisions: tuple[Decision, ...]

    def __post_init__(self) -> None:
        _require(len(self.decisions) >= 1, "a tag has no decision")
        _require(self.multiple or len(self.decisions) == 1, "a tag of one choice has several decisions")


class ChoiceModel(msgspec.Struct, frozen=True, kw_only=True):
    """Tags that are predicted, and the scale of the features that all of them use."""

    features: Literal["statistics and classes"] = "statistics and classes"  # shared/choices/features.py
    center: tuple[float, ...]  # of each feature over the training recordings
    scale: tuple[float, ...]  # 0: not used
    tags: tuple[LearnedTag, ...]

    def __post_init__(self) -> None:
        _require(len(self.center) == len(self.scale), "center and scale differ in length")
        _require(min(self.scale, default=0.0) >= 0, "a scale is below 0")
        widths = {len(row) for tag in self.tags for decision in tag.decisions for row in decision.weights}
        _require(widths <= {2 * len(self.center)}, "weights are not two for each feature")
