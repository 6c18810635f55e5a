from typing import Any

import msgspec
import pytest

from shared.errors import ModelError
from shared.model_file.card import (
    Calibration,
    ClassStatistics,
    InstantHead,
    RangeHead,
    RecordingStatistics,
    decode_card,
    encode_card,
)
from tests.support.graphs import make_card


def test_a_card_reads_back_as_written() -> None:
    card = make_card(("Run", "42"), ("beat",), ("a", "b"), folds={"subject 1": 0}, seed=3)
    assert decode_card(encode_card(card)) == card


def test_classes_are_background_and_labels_of_every_head() -> None:
    assert make_card(("Run", "Walk"), ("beat",)).class_count == 5


def test_a_card_of_a_newer_schema_asks_for_a_newer_program() -> None:
    message = msgspec.json.decode(encode_card(make_card()))
    text = msgspec.json.encode({**message, "schema": 99, "heads": "something new"})
    with pytest.raises(ModelError, match="schema 99"):
        decode_card(text)


@pytest.mark.parametrize(
    "change",
    [
        {"heads": []},
        {"hop": 0},
        {"hop": 51},
        {"window": "fifty"},
        {"channel_mean": [0.0, 0.0]},
        {"channel_std": []},
        {"heads": [{"type": "range", "labels": ["a"], "min_rows": [1]}]},
        {"heads": [{"type": "range", "labels": ["a", "a"], "min_rows": [1, 1, 1]}]},
        {"heads": [{"type": "range", "labels": [], "min_rows": [1]}]},
        {"heads": [{"type": "instant", "labels": ["a"], "spacing": [1, 2], "threshold": [0.4], "half_width": 1}]},
        {"heads": [{"type": "polygon", "labels": ["a"]}]},
        {"label_config": {}},
    ],
)
def test_a_card_that_contradicts_itself_is_refused(change: dict[str, Any]) -> None:
    message = msgspec.json.decode(encode_card(make_card()))
    with pytest.raises(ModelError, match="cannot be read"):
        decode_card(msgspec.json.encode({**message, **change}))


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", b"\xff"])
def test_text_that_is_no_card_is_refused(text: str | bytes) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        decode_card(text)


def test_a_head_with_numbers_that_make_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="temperature"):
        Calibration(temperature=0.0)
    with pytest.raises(ValueError, match="bias"):
        RangeHead(labels=("a",), min_rows=(1, 1), calibration=Calibration(bias=(1.0,)))
    with pytest.raises(ValueError, match="spacing"):
        InstantHead(labels=("a",), spacing=(1,), threshold=(), half_width=1)
    flat = ((0.0, 0.0, 0.1, 0.1, 0.1),)
    with pytest.raises(ValueError, match="event_gaps"):
        InstantHead(labels=("a",), spacing=(1,), threshold=(0.3,), half_width=1, event_gaps=flat)
    with pytest.raises(ValueError, match="event_gaps"):
        InstantHead(labels=("a", "b"), spacing=(1, 1), threshold=(0.3, 0.3), half_width=1, event_gaps=flat)


def statistics(classes: int, channels: int, **changes: Any) -> RecordingStatistics:
    """Of one channel, with those of classes."""
    some = (1.0,) * channels
    known = {
        "share": (0.5,) * classes, "center": (some,) * classes, "spread": (some,) * classes,
        "center_between": some, "center_within": some, "scale_between": some, "scale_within": some,
    }  # fmt: skip
    one = (1.0,)
    return RecordingStatistics(
        rows=10, log_scale=one, center_between=one, center_within=one, scale_between=one, scale_within=one,
        classes=ClassStatistics(**(known | changes)),
    )  # fmt: skip


def test_statistics_of_classes_are_those_of_the_first_head_and_of_the_channels() -> None:
    card = make_card(statistics=statistics(3, 1))
    assert decode_card(encode_card(card)) == card
    for complaint, labels, instants, found in (
        ("first head of ranges", ("Run", "Walk"), (), statistics(2, 1)),
        ("first head of ranges", (), ("Run", "Walk"), statistics(3, 1)),
        ("not the card's", ("Run", "Walk"), (), statistics(3, 2)),
    ):
        with pytest.raises(ValueError, match=complaint):
            make_card(labels, instants, statistics=found)


@pytest.mark.parametrize(
    "changes",
    [
        {"share": (0.5,)},
        {"share": (-0.5, 0.5, 0.5)},
        {"center": ((1.0,), (1.0,), (float("nan"),))},
        {"spread": ((1.0,), (1.0,), (float("inf"),))},
        {"scale_within": (1.0, 1.0)},
    ],
)
def test_statistics_of_classes_that_make_no_sense_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"differ|not a number|not 0 or more"):
        statistics(3, 1, **changes)
