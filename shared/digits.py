"""Numbers in names, headers and queries: ASCII digits alone, where int() would also read "１", "1_0" and " 1"."""


def read_digits(text: str, longest: int = 18) -> int | None:
    """The number that `text` writes with 1 to `longest` digits (18 always fit in int64); None for any other text."""
    return int(text) if 0 < len(text) <= longest and text.isascii() and text.isdigit() else None
