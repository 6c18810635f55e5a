from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from numpy.typing import NDArray

from shared.labelling.segments import Segment
from shared.model_file.card import Calibration, LabelSequencePrior, RangeHead
from shared.segmentation.duration_filter import LabelRuns, filter_runs, snap_borders
from shared.segmentation.label_sequence_prior import louder
from shared.segmentation.range_decoder import RangeDecoder
from shared.segmentation.scores import calibrate, log_probabilities

Floats = NDArray[np.float32]
HEAD = RangeHead(labels=("a", "b", "c"), min_rows=(4, 3, 6, 2))
CALIBRATED = RangeHead(
    labels=("a", "b", "c"), min_rows=(4, 3, 6, 2), calibration=Calibration(temperature=2.0, bias=(0.0, 0.3, -0.2, 0.1))
)


def random_probabilities(rows: int, classes: int, seed: int, sharpness: float = 2.0) -> Floats:
    """Rows that change their mind now and then."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, classes)) + np.repeat(rng.normal(size=(rows // 9 + 1, classes)), 9, axis=0)[:rows]
    raised = np.exp(sharpness * logits)
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)


def naive(head: RangeHead, probabilities: Floats) -> tuple[list[Segment], float]:
    """All rows at once; a segment's score comes from the mean logarithms of its rows."""
    logs = log_probabilities(probabilities).astype(np.float64)
    classes = probabilities.argmax(axis=1)
    firsts = np.flatnonzero(np.diff(classes, prepend=-1))
    runs = LabelRuns(classes[firsts], np.diff(firsts, append=len(classes)), np.add.reduceat(logs, firsts))
    starts, groups = filter_runs(runs, head.min_rows)
    starts = snap_borders(runs, starts, groups, head.min_rows)
    decoded = np.repeat(groups, np.add.reduceat(runs.lengths, starts))
    edges = [*np.flatnonzero(np.diff(decoded, prepend=-1)).tolist(), len(decoded)]
    segments, sure = [], 0.0
    for first, end in pairwise(edges):
        mean = logs[first:end].mean(axis=0, keepdims=True).astype(np.float32)
        score = float(calibrate(mean, head.calibration)[0, decoded[first]])
        sure += score * (end - first)
        if decoded[first]:
            segments.append(Segment(first, end - 1, head.labels[decoded[first] - 1], score))
    return segments, sure


def streamed(head: RangeHead, probabilities: Floats, block: int, open_runs: int = 10**5) -> tuple[list[Segment], float]:
    decoder = RangeDecoder(head, open_runs)
    for first in range(0, len(probabilities), block):
        decoder.add(probabilities[first : first + block])
    return decoder.finish(), decoder.sure


def rows_of(segments: list[Segment]) -> list[tuple[int, int, str]]:
    return [(each.first, each.last, each.label) for each in segments]


@given(rows=st.integers(1, 300), seed=st.integers(0, 10**6), block=st.integers(1, 80), calibrated=st.booleans())
@settings(max_examples=200)
def test_the_streamed_decoder_equals_the_naive_one(rows: int, seed: int, block: int, calibrated: bool) -> None:
    head = CALIBRATED if calibrated else HEAD
    probabilities = random_probabilities(rows, 4, seed)
    expected, expected_sure = naive(head, probabilities)
    found, sure = streamed(head, probabilities, block)
    assert rows_of(found) == rows_of(expected)
    np.testing.assert_allclose([each.score for each in found], [each.score for each in expected], rtol=1e-4)
    np.testing.assert_allclose(sure, expected_sure, rtol=1e-4)


def test_a_recording_without_rows_has_no_segments() -> None:
    assert RangeDecoder(HEAD).finish() == []


def test_rows_of_one_label_are_one_segment_whatever_the_blocks() -> None:
    probabilities = np.tile(np.array([0.1, 0.7, 0.1, 0.1], np.float32), (1000, 1))
    found, _ = streamed(HEAD, probabilities, 7)
    assert rows_of(found) == [(0, 999, "a")]
    assert abs(found[0].score - 0.7) < 1e-6


def test_a_segment_as_short_as_allowed_stays_and_a_shorter_one_goes() -> None:
    probabilities = np.tile(np.array([0.85, 0.05, 0.05, 0.05], np.float32), (40, 1))
    probabilities[10:13] = [0.05, 0.85, 0.05, 0.05]  # 3 rows of a, least 3
    probabilities[20:25] = [0.05, 0.05, 0.85, 0.05]  # 5 rows of b, least 6
    found, _ = streamed(HEAD, probabilities, 11)
    assert rows_of(found) == [(10, 12, "a")]


@given(seed=st.integers(0, 10**6), open_runs=st.integers(4, 60), block=st.integers(1, 200))
@settings(max_examples=60)
def test_settling_in_halves_keeps_every_row_in_one_place(seed: int, open_runs: int, block: int) -> None:
    probabilities = random_probabilities(600, 4, seed, sharpness=0.3)
    found, sure = streamed(HEAD, probabilities, block, open_runs)
    bounds = [row for each in found for row in (each.first, each.last + 1)]
    assert bounds == sorted(bounds)
    assert all(0 <= each.first <= each.last < 600 for each in found)
    assert all(left.last + 1 < right.first or left.label != right.label for left, right in pairwise(found))
    assert 0 <= sure <= 600


def test_settling_in_halves_changes_nothing_where_segments_are_clear() -> None:
    rng = np.random.default_rng(1)
    reference = np.repeat(rng.integers(0, 4, size=400), rng.integers(20, 60, size=400))
    probabilities = random_probabilities(len(reference), 4, 2, sharpness=0.4) * np.float32(0.5)
    probabilities[np.arange(len(reference)), reference] += 0.5
    probabilities[::17] = np.roll(probabilities[::17], 1, axis=1)  # a wrong row now and then
    assert rows_of(streamed(HEAD, probabilities, 500, open_runs=100)[0]) == rows_of(
        streamed(HEAD, probabilities, 500)[0]
    )


def test_open_runs_stay_bounded_on_noise() -> None:
    rng = np.random.default_rng(0)
    decoder = RangeDecoder(RangeHead(labels=("a",), min_rows=(50, 50)), open_runs=1000)
    for _ in range(100):
        decoder.add(rng.dirichlet([1, 1], size=500).astype(np.float32))
        assert sum(len(part) for part in decoder._parts) <= 1000 + 500
    decoder.finish()


def test_open_runs_stay_bounded_where_every_row_is_a_segment() -> None:
    decoder = RangeDecoder(RangeHead(labels=("a",), min_rows=(1, 1)), open_runs=1000)
    rows = np.tile(np.array([[0.9, 0.1], [0.1, 0.9]], np.float32), (250, 1))
    for _ in range(20):
        decoder.add(rows)
        assert sum(len(part) for part in decoder._parts) <= 1000 + 500
    assert len(decoder.finish()) == 20 * 250


def test_scores_are_calibrated() -> None:
    probabilities = np.tile(np.array([0.1, 0.8, 0.06, 0.04], np.float32), (50, 1))
    found, _ = streamed(CALIBRATED, probabilities, 16)
    expected = calibrate(log_probabilities(probabilities[:1]), CALIBRATED.calibration)[0, 1]
    assert abs(found[0].score - expected) < 1e-6
    assert found[0].score < 0.8


def test_a_twin_is_distinguished_by_what_recordings_are_made_of() -> None:
    once = (-4.0, -0.05, -4.0)  # each label once in a recording
    label_sequence_prior = LabelSequencePrior(counts=(once,) * 3, order=((0.0,) * 4,) * 4, rows=(60, 200))
    head = RangeHead(labels=("a", "b", "c"), min_rows=(4, 3, 6, 2), label_sequence_prior=label_sequence_prior)
    background, a = np.eye(4)[[0, 1]] * 0.8 + 0.05
    twin = np.array([0.05, 0.5, 0.4, 0.05])
    rows = [background] * 20 + [a] * 20 + [background] * 20 + [twin] * 20
    probabilities = np.array(rows, np.float32)
    plain = RangeHead(labels=head.labels, min_rows=head.min_rows)
    assert [each.label for each in streamed(plain, probabilities, 30)[0]] == ["a", "a"]
    found, sure = streamed(head, probabilities, 30)
    assert [each.label for each in found] == ["a", "b"]
    assert found[1].score > 0.5
    assert sure <= 80
    longer = np.concatenate([probabilities, np.tile(background, (300, 1))]).astype(np.float32)
    assert [each.label for each in streamed(head, longer, 30)[0]] == ["a", "a"]  # no recording was as long


def soft_rows(own: float, *stretches: tuple[int, int]) -> Floats:
    """Rows of a class each; it has probability `own`, the other two share the rest."""
    classes = np.concatenate([np.full(rows, class_index) for class_index, rows in stretches])
    return np.where(classes[:, None] == np.arange(3), own, (1 - own) / 2).astype(np.float32)


OVERTAKING = ((0, 300), (2, 100), (0, 30), (1, 14), (0, 25), (1, 14), (0, 317))
RARE = RangeHead(labels=("Lane change", "Turn"), min_rows=(49, 7, 40), sure_rows=(8, 3, 20))


@pytest.mark.parametrize("own", [0.45, 0.6, 0.9])
def test_background_that_usually_lasts_long_does_not_swallow_a_rare_class(own: float) -> None:
    found, _ = streamed(RARE, soft_rows(own, *OVERTAKING), 100)
    assert rows_of(found) == [(300, 399, "Turn"), (430, 443, "Lane change"), (469, 482, "Lane change")]


@pytest.mark.parametrize("own", [0.45, 0.6, 0.9])
def test_what_recordings_usually_hold_does_not_outweigh_soft_rows(own: float) -> None:
    seldom, once = np.log([[0.9, 0.07, 0.03], [0.1, 0.8, 0.1]]).tolist()
    prior = LabelSequencePrior(
        counts=(seldom, once), order=((0.0,) * 3,) * 3, rows=(700, 900), usual_rows=800, segment_rows=(14, 100)
    )
    head = replace(RARE, label_sequence_prior=prior)
    found, _ = streamed(head, soft_rows(own, *OVERTAKING), 100)
    assert [each.label for each in found] == ["Turn", "Lane change", "Lane change"]


def test_rows_that_say_nothing_are_not_made_sure() -> None:
    found, _ = streamed(RARE, soft_rows(0.334, *OVERTAKING), 100)
    assert louder(0.0) == louder(1e-6) == 8.0
    assert all(each.score < 0.35 for each in found)
