"""What people fixed is decoded as given, and the rest of the recording follows."""

import numpy as np

from shared.labelling.segments import Segment
from shared.model_file.card import Head, InstantHead, LabelSequencePrior, RangeHead
from shared.segmentation.given import GivenSegments
from shared.segmentation.instant_decoder import InstantDecoder
from shared.segmentation.range_decoder import RangeDecoder

BLOCK = 7  # rows


def ranges(
    head: RangeHead, probabilities: list[list[float]], given: GivenSegments | None
) -> list[tuple[int, int, str]]:
    """First row, last row and label of what is decoded, block by block."""
    decoder = RangeDecoder(head)
    rows = np.array(probabilities, np.float32)
    for first in range(0, len(rows), BLOCK):
        part = rows[first : first + BLOCK]
        decoder.add(given.apply(part, first, [head]) if given else part)
    return [(each.first, each.last, each.label) for each in decoder.finish()]


def test_rows_that_are_certain_come_back_and_an_excluded_label_does_not() -> None:
    head = RangeHead(labels=("Run", "Walk"), min_rows=(1, 1, 1))
    rows = [[0.1, 0.8, 0.1]] * 20 + [[0.8, 0.1, 0.1]] * 10
    assert ranges(head, rows, None) == [(0, 19, "Run")]
    given = GivenSegments((Segment(5, 12, "Walk"),), (Segment(16, 19, "Run"),))
    assert ranges(head, rows, given) == [(0, 4, "Run"), (5, 12, "Walk"), (13, 15, "Run")]


def test_a_label_that_comes_once_goes_elsewhere_when_a_person_gives_it_to_a_segment() -> None:
    once = (np.log(0.01), np.log(0.98), np.log(0.01))
    prior = LabelSequencePrior(counts=(once, once), order=((0.0,) * 3,) * 3, rows=(30, 30))
    head = RangeHead(labels=("Run", "Walk"), min_rows=(1, 1, 1), label_sequence_prior=prior)
    rows = [[0.02, 0.6, 0.38]] * 10 + [[0.98, 0.01, 0.01]] * 10 + [[0.02, 0.4, 0.58]] * 10
    assert ranges(head, rows, None) == [(0, 9, "Run"), (20, 29, "Walk")]
    given = GivenSegments((Segment(0, 9, "Walk"),))
    assert ranges(head, rows, given) == [(0, 9, "Walk"), (20, 29, "Run")]


def test_heads_beside_each_other_are_fixed_each_for_itself() -> None:
    heads: list[Head] = [RangeHead(labels=("Run",), min_rows=(1, 1)), RangeHead(labels=("In",), min_rows=(1, 1))]
    found = GivenSegments((Segment(2, 3, "In"),)).apply(np.full((5, 4), 0.5, np.float32), 0, heads)
    assert (found[:, :2] == 0.5).all()
    assert found[:, 3].round(3).tolist() == [0.5, 0.5, 1, 1, 0.5]


def test_an_event_that_is_certain_is_found_with_its_label_and_a_deleted_one_is_not() -> None:
    head = InstantHead(labels=("N", "V"), spacing=(3, 3), threshold=(0.5, 0.5), half_width=2)
    rows = np.zeros((40, 3), np.float32)
    rows[:, 0] = 1
    for row in (10, 30):
        for away, share in ((-2, 1 / 3), (-1, 2 / 3), (0, 1), (1, 2 / 3), (2, 1 / 3)):
            rows[row + away] = [1 - share, 0.9 * share, 0.1 * share]

    def found(given: GivenSegments | None) -> list[tuple[int, str]]:
        decoder = InstantDecoder(head, given=given.events(head) if given else None)
        for first in range(0, len(rows), BLOCK):
            part = rows[first : first + BLOCK]
            decoder.add(given.apply(part, first, [head]) if given else part)
        return [(each.first, each.label) for each in decoder.finish()]

    assert found(None) == [(10, "N"), (30, "N")]
    certain = (Segment(11, 11, "V", instant=True), Segment(20, 20, "N", instant=True))
    gone = (Segment(30, 30, "N", instant=True),)
    assert found(GivenSegments(certain, gone)) == [(11, "V"), (20, "N")]
