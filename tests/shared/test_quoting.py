"""Names from files and configurations in sentences."""

from shared.quoting import LONGEST_NAME, quoted


def test_a_name_is_quoted_as_python_does() -> None:
    assert quoted("acc'x\n") == '"acc\'x\\n"'


def test_a_long_name_is_cut() -> None:
    assert quoted("x" * LONGEST_NAME) == repr("x" * LONGEST_NAME)
    assert quoted("x" * 10**6) == repr("x" * LONGEST_NAME) + "…"
