"""What decoding uses beside rows, and only where held-out recordings gain."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from msgspec.structs import replace as with_fields

from shared.labelling.segments import Segment
from shared.model_file.card import Head, InstantHead
from training.data.annotations import LabelKinds, Recording, label_runs
from training.judging.decoding import NO_PRIORS, choose_decoding
from training.judging.evaluate import HeldOutPrediction, decode, score
from training.planning.decoding_parameters import learn_heads
from training.planning.event_label_prior import learn_event_label_prior

RANGES = LabelKinds((("Run", "Walk"),), (), ())
INSTANTS = LabelKinds((), ("Run", "Walk"), ())


def macro_f1(predictions: Sequence[HeldOutPrediction]) -> float:
    return score(predictions, predictions[0].recording.kinds, 1.0).metrics().get("macro_f1", 0.0)


def say(recording: Recording, heads: tuple[Head, ...], columns: Sequence[int]) -> HeldOutPrediction:
    """Each stretch of equal labels says one of these columns; the last label is hardly surer than the other one."""
    probabilities = np.zeros((recording.rows, 3), np.float32)
    for number, (first, last, _), column in zip(range(5), label_runs(recording.labels[:, 0]), columns, strict=True):
        probabilities[first : last + 1] = 0.4 if number == 3 else 0.05
        probabilities[first : last + 1, column] = 0.5 if number == 3 else 0.9
    return HeldOutPrediction(recording, 0, heads, probabilities, tuple(decode(heads, probabilities)))


@pytest.mark.parametrize(("second", "helps"), [("Walk", True), ("Run", False)])
def test_what_recordings_are_made_of_decides_only_where_held_out_recordings_gain(
    make_recording: Callable[..., Recording], second: str, helps: bool
) -> None:
    """All say Run twice; those learned from hold Run and Walk; those judged do, too, or Run twice indeed."""

    def hold(key: str, *labels: str) -> Recording:
        marks = [Segment(20 + 40 * at, 39 + 40 * at, label) for at, label in enumerate(labels)]
        return replace(make_recording(marks, kinds=RANGES), key=key, group=key)

    heads = learn_heads([hold(key, "Run", "Walk") for key in "ab"], RANGES)
    said = [
        say(hold("c", "Run", second), heads, (0, 1, 0, 1, 0)),
        say(hold("d", "Walk", "Run"), heads, (0, 2, 0, 1, 0)),
    ]
    decoding, chosen = choose_decoding(said, macro_f1)
    assert decoding.label_sequence_prior is helps
    assert [each.label for each in chosen[0].segments] == ["Run", second]
    assert all((each.heads == heads) is helps for each in chosen)
    assert (decoding.heads(heads) == heads) is helps


def beats(make_recording: Callable[..., Recording], number: int, shift: float) -> HeldOutPrediction:
    """Twelve Runs and three Walks; Walk leads by 3 + shift, or trails by 3 − shift."""
    rows = list(range(10, 310, 20))
    labels = ["Walk" if at % 5 == 4 else "Run" for at in range(len(rows))]
    marks = [Segment(row, row, label, instant=True) for row, label in zip(rows, labels, strict=True)]
    recording = replace(make_recording(marks, rows=330, kinds=INSTANTS), key=str(number), group=str(number))
    probabilities = np.tile(np.array([0.98, 0.01, 0.01], np.float32), (330, 1))
    jitter = np.random.default_rng(number).normal(0, 0.3, len(rows))
    for row, label, some in zip(rows, labels, jitter, strict=True):
        walk = 1 / (1 + np.exp(-(3.0 if label == "Walk" else -3.0) - shift - some))
        probabilities[row] = 0.05, 0.95 * (1 - walk), 0.95 * walk
    event_label_prior = learn_event_label_prior([recording] * 3, ("Run", "Walk"))
    heads = (
        InstantHead(
            labels=("Run", "Walk"),
            spacing=(3, 3),
            threshold=(0.3, 0.3),
            half_width=0,
            event_label_prior=event_label_prior,
        ),
    )
    return HeldOutPrediction(
        recording, number % 3, heads, probabilities, tuple(decode(NO_PRIORS.heads(heads), probabilities))
    )


def test_labels_of_instants_follow_recordings_whose_evidence_is_shifted(
    make_recording: Callable[..., Recording],
) -> None:
    said = [beats(make_recording, number, shift) for number, shift in enumerate((0.0, 0.5, -0.5, 4.0, 0.3, -0.3))]
    assert macro_f1(said) < 0.9
    decoding, chosen = choose_decoding(said, macro_f1)
    assert decoding.event_label_prior
    assert macro_f1(chosen) == 1.0


def test_where_rows_are_right_already_they_stay_right(make_recording: Callable[..., Recording]) -> None:
    said = [beats(make_recording, number, 0.0) for number in range(6)]
    _, chosen = choose_decoding(said, macro_f1)
    assert macro_f1(chosen) == macro_f1(said) == 1.0


def test_what_hurts_held_out_recordings_is_not_used(make_recording: Callable[..., Recording]) -> None:
    """Whatever the judge is: here one that likes rows alone."""
    said = [beats(make_recording, number, 0.0) for number in range(6)]
    plain = NO_PRIORS.heads(said[0].heads)
    decoding, chosen = choose_decoding(said, lambda some: float(some[0].heads == plain))
    assert decoding == NO_PRIORS
    assert [each.segments for each in chosen] == [each.segments for each in said]


def test_gaps_between_events_are_used_unless_anything_is_lost(make_recording: Callable[..., Recording]) -> None:
    gaps = ((0.0, 0.0, 0.1, 0.0, 0.1),) * 2
    plain = [beats(make_recording, number, 0.0) for number in range(6)]
    said = [replace(each, heads=(with_fields(each.heads[0], event_gaps=gaps),)) for each in plain]

    def likes(loss: float) -> Callable[[Sequence[HeldOutPrediction]], float]:
        return lambda some: 1.0 - loss * bool(some[0].heads[0].event_gaps)  # type: ignore[union-attr]

    with_gaps, _ = choose_decoding(said, likes(0.0))
    assert with_gaps.event_gaps and with_gaps.heads(said[0].heads) == said[0].heads
    without, _ = choose_decoding(said, likes(0.001))
    assert without.event_label_prior and not without.event_gaps
    assert without.heads(said[0].heads)[0].event_gaps == ()  # type: ignore[union-attr]


def test_a_prior_that_hurts_parts_is_not_used(make_recording: Callable[..., Recording]) -> None:
    """The criterion sees halves and joined pairs, too: here one that likes the prior on whole recordings only."""

    def hold(key: str) -> Recording:
        marks = [Segment(20, 39, "Run"), Segment(60, 79, "Walk")]
        return replace(make_recording(marks, kinds=RANGES), key=key, group=key)

    heads = learn_heads([hold(key) for key in "ab"], RANGES)
    said = [say(hold(key), heads, (0, 1, 0, 2, 0)) for key in "cd"]

    def likes_where(wanted: Callable[[int], bool]) -> Callable[[Sequence[HeldOutPrediction]], float]:
        return lambda some: float(wanted(some[0].recording.rows) == (some[0].heads == heads))

    rows = said[0].recording.rows
    assert choose_decoding(said, likes_where(lambda _: True))[0].label_sequence_prior
    assert not choose_decoding(said, likes_where(lambda count: count >= rows))[0].label_sequence_prior
    assert not choose_decoding(said, likes_where(lambda count: count <= rows))[0].label_sequence_prior


@pytest.mark.parametrize(("whole", "part", "used"), [(0.01, -0.005, True), (0.01, -0.015, False), (0.05, -0.03, False)])
def test_a_prior_must_help_on_whole_and_cut_recordings_together_and_hurt_neither(
    make_recording: Callable[..., Recording], whole: float, part: float, used: bool
) -> None:
    """Losses of less than .02 are noise, unless all of it is a loss."""
    marks = [Segment(20, 39, "Run"), Segment(60, 79, "Walk")]
    some = [replace(make_recording(marks, kinds=RANGES), key=key, group=key) for key in "cd"]
    heads = learn_heads(some, RANGES)
    said = [replace(say(each, heads, (0, 1, 0, 2, 0)), fold=fold) for fold, each in enumerate(some)]  # no pairs

    def criterion(some: Sequence[HeldOutPrediction]) -> float:
        gain = whole if some[0].recording.rows == said[0].recording.rows else part
        return 0.5 + gain * (some[0].heads == heads)

    assert choose_decoding(said, criterion)[0].label_sequence_prior is used
