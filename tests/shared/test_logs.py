import io
import json
import logging

import pytest

from shared.logs import LONGEST_LINE, MOST_ADDED, Redaction, start_logging

FORGED = "a\n12:00:00 A forged line.\r\x1b[2J\x00\u2028\u202eb"


@pytest.mark.parametrize("form", ["text", "json"])
def test_foreign_text_is_one_line_without_escapes_of_a_terminal(form: str) -> None:
    stream = io.StringIO()
    start_logging("info", form, (), stream)
    logging.getLogger("x").info("Event %s.", FORGED, extra={"task": FORGED})
    line, *others = stream.getvalue().removesuffix("\n").split("\n")
    assert others == []
    assert not any(each in line for each in "\r\x1b\x00\u2028\u202e")
    assert "forged" in line


def test_a_traceback_cannot_look_like_a_log_line() -> None:
    stream = io.StringIO()
    start_logging("info", "text", (), stream)
    try:
        raise ValueError(FORGED)
    except ValueError:
        logging.getLogger("x").exception("It failed.")
    first, *others = stream.getvalue().removesuffix("\n").split("\n")
    assert "It failed." in first
    assert others
    assert all(line.startswith("  | ") for line in others)
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("text", ["x" * 10**6, "\x00" * 10**5, "é" * 10**5])
def test_no_line_is_longer_than_8_kb(form: str, text: str) -> None:
    stream = io.StringIO()
    start_logging("info", form, (), stream)
    try:
        raise ValueError(text)
    except ValueError:
        logging.getLogger("x").exception("%s", text, extra={"task": text, "project": 3})
    lines = stream.getvalue().removesuffix("\n").split("\n")
    assert all(len(line) <= 8192 for line in lines)
    assert len(stream.getvalue()) < 2 * LONGEST_LINE
    if form == "json":
        assert json.loads(lines[0])["project"] == 3


def test_added_secrets_are_bounded_and_the_settings_stay() -> None:
    redaction = Redaction(["configured"])
    for number in range(10 * MOST_ADDED):
        redaction.add(f"secret {number:04d}")
    redaction.add("x" * 10**6)
    assert redaction.redact("configured, secret 0159, secret 0001") == "***, ***, secret 0001"
    assert len(redaction._added) == MOST_ADDED
