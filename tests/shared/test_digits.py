"""Digits ► a number."""

import pytest

from shared.digits import read_digits


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("007", 7), ("9" * 18, 10**18 - 1)])
def test_digits_are_a_number(text: str, number: int) -> None:
    assert read_digits(text) == number


@pytest.mark.parametrize("text", ["", " 1", "1 ", "+1", "-1", "1_0", "1.0", "１", "²", "٣", "9" * 19, "9" * 5000])
def test_anything_else_is_none(text: str) -> None:
    assert read_digits(text) is None


def test_the_number_of_digits_is_bounded() -> None:
    assert read_digits("123", longest=3) == 123
    assert read_digits("1234", longest=3) is None
