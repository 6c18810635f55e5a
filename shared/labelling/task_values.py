"""What a variable of the labelling configuration means in a task's data, as Label Studio's page finds it."""

import re
from collections.abc import Mapping
from typing import Any

from shared.digits import read_digits
from shared.errors import SeriesError

VARIABLE = re.compile(r"\$[\w[\].{}]+")


def fill_template(template: str, data: Mapping[str, Any]) -> str:
    """A text with its variables replaced. Raises SeriesError where the data lack one."""
    return VARIABLE.sub(lambda match: _in_text(required_value(match[0][1:], data, template)), template)


def required_value(key: str, data: Mapping[str, Any], template: str) -> Any:
    """What data hold for a variable. template: the attribute that names it. Raises SeriesError for nothing or null."""
    found = _entry(key, data)
    if found is None and (key in data or root_key(key) in data):
        raise SeriesError(f'"{key}" of the task\'s data is null or holds no value; expected a URL or columns.')
    if found is None:
        raise SeriesError(
            f'The task has no "{key}", which value="{template}" of the TimeSeries tag '
            f"names; it has {', '.join(sorted(data)[:10]) or 'nothing'}."
        )
    return found


def root_key(key: str) -> str:
    """The key of a task's data that a path such as `files.csv` or `files[0]` begins with."""
    return re.split(r"[.[]", key, maxsplit=1)[0]


def _entry(key: str, data: Mapping[str, Any]) -> Any:
    """What data hold under a key: the key itself, else a path such as `files.csv` or `files[0]`; None: nothing."""
    if key in data:
        return data[key]
    found: Any = data
    for part in re.findall(r"[^.[\]]+", key):
        if isinstance(found, Mapping):
            found = found.get(part)
            continue
        index = read_digits(part)
        if not isinstance(found, list) or index is None or index >= len(found):
            return None
        found = found[index]
    return found


def _in_text(value: Any) -> str:
    """A value within a text, as JavaScript writes it. Raises SeriesError for an object or a list."""
    if isinstance(value, Mapping | list):
        raise SeriesError(f"A part of the address is {str(value)[:60]!r} in the task's data; expected a text.")
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
