"""Formatting of times, metrics and sizes for people."""

from datetime import UTC, datetime

from shared.model_file.card import Estimate

_UNITS = ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute"), (1.0, "second"))


def ago(at: float | None, now: float) -> str:
    """Time since `at`, such as "3 minutes ago"; "" if `at` is None."""
    if at is None:
        return ""
    seconds = max(0.0, now - at)
    for size, unit in _UNITS:
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "now"


def counted(number: int, noun: str) -> str:
    """“1 task”, “2,000 tasks”."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """A length of time, such as "40 s", "3 min" or "2 h 5 min"."""
    whole = max(0, round(seconds))
    if whole < 100:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} days"


def signed(value: float) -> str:
    """A difference, such as +0.021."""
    return f"{value:+.3f}"


def iso(at: float | None) -> str:
    """A time in ISO 8601, "" for None."""
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def figure(estimate: Estimate | None) -> str:
    """A metric with its standard error, such as 0.912 ± 0.010."""
    if estimate is None:
        return "–"
    error = estimate.standard_error
    return f"{estimate.value:.3f}" + (f" ± {error:.3f}" if error is not None else "")


def size(count: int) -> str:
    """A number of bytes in KiB or MiB."""
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.0f} KiB"
