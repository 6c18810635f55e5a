"""Names that come from files and configurations, as sentences quote them: of bounded length."""

LONGEST_NAME = 60  # characters; column names of real recordings have at most 40


def quoted(name: object) -> str:
    """A name in quotes, cut after LONGEST_NAME characters."""
    text = str(name)
    return repr(text) if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]!r}…"
