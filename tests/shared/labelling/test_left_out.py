"""What was left out is reported by kind, and the numbers add up."""

import re

from shared.labelling.left_out import LeftOut, count_by_kind


def test_each_kind_is_one_sentence_with_its_number_and_one_example() -> None:
    unreadable = [("task 1", LeftOut("unreadable-region", "", f"A region's bound is {n!r}.")) for n in range(41)]
    other = [("task 2", LeftOut("other-control", "'a' on 'ecg'", "only 'label' on 'ts' is used"))]
    first, second = count_by_kind([*unreadable, *other])
    assert (first.kind, second.kind) == ("unreadable-region", "other-control")
    assert first.sentence.startswith("Left out 41 × regions that cannot be read")
    assert first.sentence.endswith("For example task 1: A region's bound is 0.")
    assert "'a' on 'ecg' (1)" in second.sentence


def test_topics_of_a_kind_are_named_with_their_numbers_up_to_a_few() -> None:
    labels = ["Pump"] * 7 + [f"L{n}" for n in range(9)]
    (reported,) = count_by_kind(("task 1", LeftOut("unknown-label", repr(label), "from 1 to 5")) for label in labels)
    assert "'Pump' (7)" in reported.sentence
    assert "and 5 others" in reported.sentence
    assert re.findall(r"(\d+) ×", reported.sentence) == ["16"]


def test_nothing_left_out_is_nothing_reported() -> None:
    assert count_by_kind([]) == []
