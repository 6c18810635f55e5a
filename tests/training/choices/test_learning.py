from collections.abc import Sequence

import numpy as np
import pytest

from shared.labelling.choice_tags import ChoiceTag
from shared.labelling.time_axis import TimeAxis
from shared.recordings.series import Series
from shared.segmentation.choices import choose, describe_recording
from training.choices import learn_choices
from training.data.chosen import ChosenRecording, majority

QUALITY = ChoiceTag(from_name="quality", choices=("good", "bad", "odd"))
SEEN = ChoiceTag(from_name="seen", choices=("noise", "gap"), multiple=True)
UNKNOWN = np.full(2, np.nan)


def recording(number: int, fault: str, tag: ChoiceTag, *choices: str, group: str = "") -> ChosenRecording:
    random = np.random.default_rng(number)
    values = np.sin(np.arange(300) / 15 + number)[:, None] * random.uniform(0.8, 1.2, 2) + random.normal(
        0, 0.1, (300, 2)
    )
    if "noise" in fault:
        values += random.normal(0, 0.7, values.shape)
    if "gap" in fault:
        values[50:150, number % 2] = np.nan
    answers = {tag.from_name: majority(tag, [frozenset(choices)])} if choices else {}
    return ChosenRecording(str(number), group or f"task {number}", Series(values, TimeAxis.of_rows(300)), answers)


def quality(bad: int, good: int, *, groups: Sequence[str] = ()) -> list[ChosenRecording]:
    every = ["noise"] * bad + [""] * good
    names = groups or [""] * len(every)
    return [
        recording(number, fault, QUALITY, "bad" if fault else "good", group=group)
        for number, (fault, group) in enumerate(zip(every, names, strict=True))
    ]


def test_a_choice_that_can_be_seen_is_learned_and_its_scores_calibrated() -> None:
    found = learn_choices(quality(6, 8), (QUALITY,), {}, 2)
    assert found.model is not None
    (tag,) = found.model.tags
    (decision,) = tag.decisions
    assert (decision.options, decision.recordings, decision.calibrated) == (("good", "bad"), 14, True)
    assert decision.accuracy >= 0.9
    assert decision.commonest == pytest.approx(8 / 14)
    assert found.estimates["choice_accuracy (quality)"].value == decision.accuracy
    (note,) = found.notes
    assert note.startswith("Choice 'quality' is predicted: of 14 held-out recordings")
    assert "Too rare to be learned: 'odd'." in note
    unseen = [recording(number, fault, QUALITY) for number in range(90, 100) for fault in ("", "noise")]
    chosen = [choose(found.model, describe_recording(each.series.values, UNKNOWN))[0].choices for each in unseen]
    assert chosen == [("good",), ("bad",)] * 10


def test_six_recordings_are_enough_and_their_scores_are_said_to_be_uncalibrated() -> None:
    found = learn_choices(quality(3, 3), (QUALITY,), {}, 2)
    assert found.model is not None
    assert not found.model.tags[0].decisions[0].calibrated
    assert "Its scores are not calibrated: that takes 10 recordings." in found.notes[0]


def test_with_fewer_nothing_is_learned_and_the_numbers_are_named() -> None:
    found = learn_choices(quality(2, 9), (QUALITY,), {}, 2)
    assert found.model is None
    assert found.notes == [
        "Choices 'quality' are not learned yet: of 'good' 9, 'bad' 2, two with three recordings each are needed."
    ]
    assert learn_choices([], (QUALITY,), {}, 2).notes == []


def test_what_cannot_be_seen_is_left_out_with_its_figures() -> None:
    drawn = np.random.default_rng(1).permutation(["good", "bad"] * 8)
    some = [recording(number, "", QUALITY, choice) for number, choice in enumerate(drawn)]
    found = learn_choices(some, (QUALITY,), {}, 2)
    assert (found.model, found.estimates) == (None, {})
    assert "is left out: of 16 held-out recordings" in found.notes[0]
    assert "which is not better by 2 standard errors." in found.notes[0]


def test_a_rare_choice_counts_against_the_model_but_is_not_learned() -> None:
    some = [*quality(6, 6), recording(50, "gap", QUALITY, "odd")]
    found = learn_choices(some, (QUALITY,), {}, 2)
    assert found.model is not None
    (decision,) = found.model.tags[0].decisions
    assert decision.options == ("good", "bad")
    assert decision.recordings == 13
    assert decision.accuracy == pytest.approx(12 / 13)


def test_recordings_of_few_groups_are_held_out_one_by_one_and_of_more_together() -> None:
    """Each group knows a choice of its own, which nothing else shows: its recordings tell of each other only."""
    tag = ChoiceTag(from_name="who", choices=("a", "b"))
    some = [recording(number, "noise" if number % 2 else "", tag, "ab"[number % 2]) for number in range(12)]
    few = [each._replace(group=f"person {number % 2}") for number, each in enumerate(some)]
    assert learn_choices(few, (tag,), {}, 2).model is not None
    third = [*few, recording(20, "gap", tag, "a", group="person 2")]
    assert learn_choices(third, (tag,), {}, 2).model is None


def test_of_a_tag_of_any_number_each_choice_is_learned_by_itself() -> None:
    faults = ["noise", "gap", "noise gap", "gap"] * 4
    some = [recording(number, fault, SEEN, *fault.split()) for number, fault in enumerate(faults)]
    found = learn_choices(some, (SEEN,), {}, 2)
    assert found.model is not None
    assert [decision.options for decision in found.model.tags[0].decisions] == [("", "noise"), ("", "gap")]
    both = describe_recording(recording(70, "noise gap", SEEN).series.values, UNKNOWN)
    assert choose(found.model, both)[0].choices == ("noise", "gap")


def test_what_the_network_finds_helps_where_values_say_nothing() -> None:
    random = np.random.default_rng(0)
    some = [recording(number, "", QUALITY, ("good", "bad")[number % 2]) for number in range(16)]
    share = {each.key: 0.3 * (number % 2) + random.uniform(0.1, 0.2) for number, each in enumerate(some)}
    shares = {key: np.array([1 - each, each]) for key, each in share.items()}
    found = learn_choices(some, (QUALITY,), shares, 2)
    assert found.model is not None
    assert learn_choices(some, (QUALITY,), {}, 2).model is None
