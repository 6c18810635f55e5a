"""Sentences that name a task: found in records and logs, and taken out of them."""

import re
from collections.abc import Iterable
from typing import Any

REMOVED = "(It named a task that was forgotten.)"


class Mentions:
    """What a task is named by. names: of its recording, beside its number."""

    def __init__(self, task: str, names: Iterable[str] = ()) -> None:
        self._task = task
        words = [rf"\btask {re.escape(task)}\b", *(rf"(?<!\w){re.escape(name)}(?!\w)" for name in names if name)]
        self._pattern = re.compile("|".join(words), re.IGNORECASE)

    def within(self, text: str) -> bool:
        """Whether a text names the task."""
        return self._pattern.search(text) is not None

    def without(self, value: Any) -> Any:
        """A decoded JSON value in which nothing names the task.

        Of a list, objects of the task go; sentences that name it become REMOVED, keys that do go with their values.
        """
        if isinstance(value, str):
            return REMOVED if self.within(value) else value
        if isinstance(value, list):
            return [self.without(each) for each in value if not self._is_of_task(each)]
        if isinstance(value, dict):
            if self._is_of_task(value):
                return {}
            return {key: self.without(each) for key, each in value.items() if not self.within(key)}
        return value

    def without_lines(self, text: str) -> str:
        """A text without the lines that name the task."""
        return "".join(line for line in text.splitlines(keepends=True) if not self.within(line))

    def _is_of_task(self, value: Any) -> bool:
        return isinstance(value, dict) and str(value.get("task", "")) == self._task
