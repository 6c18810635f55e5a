"""Streams: the same segments as of whole recordings, whatever the parts, in time, in bounded memory."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.errors import SeriesError
from shared.labelling.segments import Segment
from shared.labelling.time_axis import TimeAxis
from shared.model_file.card import InstantHead, KnownRecordings, LabelSequencePrior, RangeHead
from shared.recordings.series import Series
from shared.segmentation.instant_decoder import InstantDecoder
from shared.segmentation.range_decoder import RangeDecoder
from shared.segmentation.segmenter import Segmenter
from shared.segmentation.streaming import Latency, SegmentStream
from tests.support.graphs import make_model

Values = NDArray[np.float64]


def pulses(rows: int, *lacking: int) -> Values:
    """Run in the second fifth of each 50 rows, Walk in the fourth; `lacking`: numbers of those without either."""
    values = np.zeros((-(-rows // 50), 50))
    values[:, 10:20], values[:, 30:40] = 3.0, -3.0
    values[list(lacking)] = 0.0
    return values.reshape(-1, 1)[:rows]


def stream(segmenter: Segmenter, values: Values, sizes: int | list[int], latency: int | None = None) -> list[Segment]:
    found, running = [], SegmentStream(segmenter, Latency.of_model(segmenter.card, latency))
    cuts = np.arange(sizes, len(values), sizes) if isinstance(sizes, int) else np.cumsum(sizes)
    for part in np.split(values, cuts):
        found += running.add(part)
    assert running.rows == len(values)
    found += running.finish()
    return sorted(found, key=lambda each: (each.first, each.last, each.label))


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.load(make_model(kind="threshold"))


@pytest.fixture(scope="module")
def both_kinds() -> Segmenter:
    return Segmenter.load(make_model(("Run",), instants=("beat", "skip"), channels=("a", "b"), kind="lstm"))


def places(segments: list[Segment]) -> list[tuple[int, int, str]]:
    return [(each.first, each.last, each.label) for each in segments]


def test_a_stream_finds_what_is_found_in_the_whole(segmenter: Segmenter) -> None:
    values = pulses(2037, 7, 8, 9, 30)
    whole = segmenter.segment(Series(values, TimeAxis.of_rows(len(values)))).segments
    found = stream(segmenter, values, 17)
    assert places(found) == places(whole)
    assert len(found) == 74
    np.testing.assert_allclose([each.score for each in found], [each.score for each in whole], atol=0.02)


@given(sizes=st.lists(st.integers(0, 120), max_size=12), latency=st.sampled_from([None, 40, 10]))
@settings(max_examples=10)
def test_how_rows_are_cut_changes_nothing(both_kinds: Segmenter, sizes: list[int], latency: int | None) -> None:
    values = np.random.default_rng(1).normal(size=(700, 2)).cumsum(axis=0)
    expected = stream(both_kinds, values, len(values), latency)
    assert stream(both_kinds, values, sizes, latency) == expected
    assert len({each.label for each in expected}) > 1


@pytest.mark.parametrize("rows", [1, 2, 10, 49, 50, 51, 75, 76])
def test_each_row_of_a_short_stream_is_decoded(segmenter: Segmenter, rows: int) -> None:
    values = np.zeros((rows, 1))
    values[rows // 2 :] = 1
    assert stream(segmenter, values, 5) == stream(segmenter, values, rows)


def test_a_stream_without_rows_has_no_segments(segmenter: Segmenter) -> None:
    assert stream(segmenter, np.zeros((0, 1)), 1) == []


@pytest.mark.parametrize("rows", [None, 40, 20, 10])
def test_a_segment_comes_within_the_latency(segmenter: Segmenter, rows: int | None) -> None:
    values = pulses(1200, 7, 8)
    latency = Latency.of_model(segmenter.card, rows)
    assert rows is None or latency.rows == rows
    running = SegmentStream(segmenter, latency)
    waited = []
    for row in range(len(values)):
        waited += [row - each.last for each in running.add(values[row : row + 1]) if each.first > 50]
    assert len(waited) >= 40
    assert max(waited) <= latency.rows


def test_less_latency_than_a_stride_is_refused(segmenter: Segmenter) -> None:
    least = Latency.of_model(segmenter.card).stride
    assert Latency.of_model(segmenter.card, least).rows == least
    with pytest.raises(ValueError, match=f"at least {least}"):
        Latency.of_model(segmenter.card, least - 1)


def test_memory_does_not_grow_with_the_stream() -> None:
    model = make_model(("Run",), instants=("beat",), channels=("a", "b"), kind="lstm", window=400, stride=300)
    segmenter = Segmenter.load(model)
    running = SegmentStream(segmenter, Latency.of_model(segmenter.card))
    random = np.random.default_rng(2)

    def held(thing: Any, seen: set[int]) -> int:
        """Bytes of all arrays below, without the model's own."""
        if id(thing) in seen or isinstance(thing, Segmenter):
            return 0
        seen.add(id(thing))
        if isinstance(thing, np.ndarray):
            return thing.nbytes
        inner = list(thing) if isinstance(thing, list | tuple) else list(getattr(thing, "__dict__", {}).values())
        return sum(held(each, seen) for each in inner)

    sizes = []
    for _ in range(2):
        for _ in range(20):
            running.add(random.normal(size=(2000, 2)))
        sizes.append(held(running, set()))
    assert sizes[0] > 100_000  # the sample that statistics are taken of is among it
    assert sizes[1] < 2.2 * sizes[0]  # it holds up to twice its rows
    assert running.open_row > 70_000


def test_of_a_label_that_comes_once_the_less_likely_segment_is_another() -> None:
    """Where the first one was given out already, the second one still knows of it."""
    once = (-5.0, 0.0, -5.0)  # log probabilities of 0, 1 and 2 segments in a recording
    prior = LabelSequencePrior(counts=(once, once), order=((0.0,) * 3,) * 3, rows=(100, 1000))
    sure, torn, background = (0.05, 0.9, 0.05), (0.02, 0.5, 0.48), (0.9, 0.05, 0.05)
    rows = np.repeat(np.array([background, sure, background, torn, background], np.float32), 40, axis=0)
    found = {}
    for used in (None, prior):
        decoder = RangeDecoder(RangeHead(labels=("Run", "Walk"), min_rows=(3, 3, 3), label_sequence_prior=used))
        labels: list[list[str]] = []
        for first in range(0, len(rows), 10):
            decoder.add(rows[first : first + 10])
            labels.append([each.label for each in decoder.settled(10)])
        assert decoder.finish() == []
        found[used] = [each for each in labels if each]
    assert found == {None: [["Run"], ["Run"]], prior: [["Run"], ["Walk"]]}


def test_an_event_is_labelled_by_those_before_it() -> None:
    """The same mixture as of a recording, of the events so far."""
    head = InstantHead(
        labels=("a", "b"), spacing=(5, 5), threshold=(0.4, 0.4), half_width=1,
        event_label_prior=(5.0, 1.0), event_labelling="blocks",
    )  # fmt: skip
    rows = np.tile(np.array([1, 0, 0], np.float32), (3000, 1))
    for event in range(10, 2990, 10):
        share = 0.45 if event % 100 == 50 else 0.95  # unsure ones among sure ones of the same label
        rows[event] = (0, share, 1 - share)
    decoder = InstantDecoder(head)
    found = []
    for first in range(0, len(rows), 100):
        decoder.add(rows[first : first + 100])
        found += decoder.settled(20)
    found += decoder.finish()
    whole = InstantDecoder(head)
    whole.add(rows)
    assert [each.first for each in found] == list(range(10, 2990, 10)) == [each.first for each in whole.finish()]
    unsure = [each.label for each in found if each.first % 100 == 50]
    assert unsure.count("a") > 0.8 * len(unsure)


def test_a_stream_is_normalised_by_as_many_rows_as_recordings_have() -> None:
    known = KnownRecordings(
        recordings=3, rows=(300, 400), missing_share=0.0, varied=(True,), filled=(True,),
        scales=((0.0,), (0.0,), (0.0,)), scale_limit=5.0,
    )  # fmt: skip
    forgetful = Segmenter.load(make_model(kind="threshold", known=known))
    unknown = Segmenter.load(make_model(kind="threshold"))
    values = np.concatenate([pulses(4000) * 100, pulses(2000)])  # the sensor's gain falls
    assert (5010, 5019, "Run") in places(stream(forgetful, values, 100))
    assert (5010, 5019, "Run") not in places(stream(unknown, values, 100))


def test_rows_of_other_channels_are_refused(segmenter: Segmenter) -> None:
    with pytest.raises(SeriesError, match="expected 1 channel"):
        SegmentStream(segmenter, Latency.of_model(segmenter.card)).add(np.zeros((5, 2)))
