"""What is learned of each Choices tag, and what is left out because held-out recordings do not show that it helps."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.labelling.choice_tags import ChoiceTag
from shared.model_file.card import Estimate
from shared.model_file.choices import ChoiceModel, Decision, LearnedTag
from shared.reporting.wording import CHOICE_ACCURACY, metric_of_set
from shared.segmentation.choices import describe_recording
from shared.segmentation.choices.classifier import scaled
from training.choices.classifier import Scale, fit, fit_temperature, learn_scale, penalties, spread_folds
from training.data.chosen import ChosenRecording

LEAST_RECORDINGS = 3  # of a choice
LEAST_CALIBRATED = 10  # recordings: fewer say nothing of how sure a score may be
MOST_FOLDS = 10
ERRORS = 2.0  # standard errors that a choice must be better than the commonest one by
LEAST_GROUPS = 3  # else recordings are held out one by one, as segments are
DIGITS = 6

Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]


class LearnedChoices(NamedTuple):
    """What the card holds, how often it is right, and sentences for people."""

    model: ChoiceModel | None
    estimates: Mapping[str, Estimate]  # `choice_accuracy (tag)`, or `(tag: choice)` where any number may be chosen
    notes: list[str]


class Question(NamedTuple):
    """A decision to be learned. right: [recordings], place of the right option; −1 is one that is too rare to learn."""

    tag: ChoiceTag
    name: str  # for people
    options: tuple[str, ...]
    places: Integers  # of the recordings in all of them
    right: Integers
    rare: tuple[str, ...]

    def word(self, option: str) -> str:
        """An option for people."""
        return repr(option) if option else "not so"


def learn_choices(
    recordings: Sequence[ChosenRecording], tags: Sequence[ChoiceTag], shares: Mapping[str, Doubles], classes: int
) -> LearnedChoices:
    """Learn every tag that can be, each for itself.

    shares: of held-out recordings the mean probability of each class, by the network that has not seen it.
    """
    questions: list[Question] = []
    notes: list[str] = []
    for tag in tags:
        found, complaint = _questions(tag, recordings)
        questions += found
        notes += [complaint] if complaint else []
    if not questions:
        return LearnedChoices(None, {}, notes)
    unknown = np.full(classes, np.nan)
    features = np.array([describe_recording(each.series.values, shares.get(each.key, unknown)) for each in recordings])
    groups = [each.group for each in recordings]
    scale = learn_scale(features, classes)
    learned: dict[str, list[Decision]] = {}
    estimates: dict[str, Estimate] = {}
    for question in questions:
        decision, better = _learn(question, features, groups, scale, classes)
        notes.append(_sentence(question, decision, better=better))
        if better:
            metric = metric_of_set(CHOICE_ACCURACY, question.name)
            estimates[metric] = Estimate(decision.accuracy, decision.standard_error)
            learned.setdefault(question.tag.from_name, []).append(decision)
    kept = [
        LearnedTag(from_name=tag.from_name, multiple=tag.multiple, decisions=tuple(learned[tag.from_name]))
        for tag in tags
        if tag.from_name in learned
    ]
    if not kept:
        return LearnedChoices(None, {}, notes)
    model = ChoiceModel(center=_rounded(scale.center), scale=_rounded(scale.spread), tags=tuple(kept))
    return LearnedChoices(model, estimates, notes)


def _questions(tag: ChoiceTag, recordings: Sequence[ChosenRecording]) -> tuple[list[Question], str]:
    """What to decide, and a sentence where that is nothing though people chose something."""
    answers = [each.answers.get(tag.from_name, {}) for each in recordings]
    disputed = sum(tag.from_name in each.disputed for each in recordings)
    found: list[Question] = []
    if tag.multiple:
        for choice in tag.choices:
            known = [(place, each[choice]) for place, each in enumerate(answers) if choice in each]
            counts = Counter(yes for _, yes in known)
            if min(counts[True], counts[False]) >= LEAST_RECORDINGS:
                places, right = np.array(known, np.int64).T
                name = f"{tag.from_name}: {choice}"
                found.append(Question(tag, name, ("", choice), places, right, ()))
    else:
        chosen = {place: next(c for c, yes in each.items() if yes) for place, each in enumerate(answers) if each}
        counts_of = Counter(chosen.values())
        options = tuple(choice for choice in tag.choices if counts_of[choice] >= LEAST_RECORDINGS)
        if len(options) >= 2:
            right = np.array([options.index(c) if c in options else -1 for c in chosen.values()], np.int64)
            rare = tuple(choice for choice in tag.choices if choice not in options)
            found.append(Question(tag, tag.from_name, options, np.array(list(chosen), np.int64), right, rare))
    if found or not (any(answers) or disputed):
        return found, ""
    counted = Counter(choice for each in answers for choice, yes in each.items() if yes)
    shown = ", ".join(f"{choice!r} {counted[choice]}" for choice in tag.choices if counted[choice])
    needed = "one that is chosen in three recordings and not in three others" if tag.multiple else (
        "two with three recordings each"
    )  # fmt: skip
    differing = f"; annotators differ on {disputed}" if disputed else ""
    return [], f"Choices {tag.from_name!r} are not learned yet: of {shown or 'none'}{differing}, {needed} are needed."


def _learn(
    question: Question, features: Doubles, groups: Sequence[str], scale: Scale, classes: int
) -> tuple[Decision, bool]:
    """The decision fitted on all recordings, and whether held-out ones show that it is of use."""
    right = question.right
    inputs = features[question.places]
    own_groups = [groups[place] for place in question.places]
    if len(set(own_groups)) < min(len(own_groups), LEAST_GROUPS):
        own_groups = [str(place) for place in question.places]
    logits = held_out_logits(inputs, right, own_groups, len(question.options), classes)
    hits = logits.argmax(axis=1) == right
    commonest = int(np.bincount(right[right >= 0]).argmax())
    gains = hits.astype(float) - (right == commonest)
    learned = right >= 0
    calibrated = len(right) >= LEAST_CALIBRATED
    penalty = penalties(inputs.shape[1], classes)
    weights = fit(scaled(inputs[learned], *scale), right[learned], len(question.options), penalty)
    decision = Decision(
        options=question.options,
        weights=tuple(map(_rounded, weights.weights)),
        bias=_rounded(weights.bias),
        temperature=fit_temperature(logits[learned], right[learned]) if calibrated else 1.0,
        calibrated=calibrated,
        recordings=len(right),
        accuracy=float(hits.mean()),
        standard_error=_standard_error(hits.astype(float), own_groups),
        commonest=float((right == commonest).mean()),
    )
    return decision, bool(gains.mean() > ERRORS * _standard_error(gains, own_groups))


def held_out_logits(features: Doubles, right: Integers, groups: Sequence[str], options: int, classes: int) -> Doubles:
    """Logits of each recording by weights that were learned without its group: [recordings, options]."""
    found = np.zeros((len(right), options))
    penalty = penalties(features.shape[1], classes)
    folds = spread_folds(groups, right, MOST_FOLDS)
    for fold in range(int(folds.max()) + 1):
        inside, teaching = folds == fold, (folds != fold) & (right >= 0)
        scale = learn_scale(features[teaching], classes)
        weights = fit(scaled(features[teaching], *scale), right[teaching], options, penalty)
        found[inside] = weights.logits(scaled(features[inside], *scale))
    return found


def _standard_error(values: Doubles, groups: Sequence[str]) -> float:
    """Of the mean, where recordings of one group are not independent."""
    sums: dict[str, float] = {}
    for group, value in zip(groups, values - values.mean(), strict=True):
        sums[group] = sums.get(group, 0.0) + float(value)
    count = len(sums)
    return float(np.sqrt(sum(each**2 for each in sums.values()) * count / max(count - 1, 1)) / len(values))


def _sentence(question: Question, decision: Decision, *, better: bool) -> str:
    commonest = question.options[int(np.bincount(question.right[question.right >= 0]).argmax())]
    measured = (
        f"of {decision.recordings} held-out recordings it is right for {decision.accuracy:.2f} ± "
        f"{decision.standard_error:.2f}, the commonest ({question.word(commonest)}) for {decision.commonest:.2f}"
    )
    if not better:
        return f"Choice {question.name!r} is left out: {measured}, which is not better by {ERRORS:g} standard errors."
    more = f" Too rare to be learned: {', '.join(map(repr, question.rare))}." if question.rare else ""
    if not decision.calibrated:
        more += f" Its scores are not calibrated: that takes {LEAST_CALIBRATED} recordings."
    return f"Choice {question.name!r} is predicted: {measured}.{more}"


def _rounded(numbers: Doubles) -> tuple[float, ...]:
    return tuple(float(f"{number:.{DIGITS}g}") for number in numbers)
