"""Choices tags about a recording as a whole: its quality, what was done in it, whether it can be used.

Tags with `perRegion="true"` are about regions. Source: https://labelstud.io/tags/choices, and the front end of Label
Studio 1.23 (`Choices.jsx`, `Choice.jsx`, `VisibilityMixin`).
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from xml.etree.ElementTree import Element

import msgspec

MOST_TAGS = 16  # of one time series
MOST_CHOICES = 100  # of one tag
DEEPEST = 8  # choices in choices
LONGEST_NAME = 500  # characters of value and alias of a choice
PATH = " / "  # joins the names on the way to a nested choice
SHOWN_IF, HIDDEN_IF = "choice-selected", "choice-unselected"  # values of visibleWhen


class Visibility(msgspec.Struct, frozen=True):
    """The page shows a tag only where another one holds one of these choices."""

    from_name: str = ""  # "": any tag of choices
    choices: tuple[str, ...] = ()  # empty: any


class ChoiceTag(msgspec.Struct, frozen=True, kw_only=True):
    """A tag with its choices as results name them."""

    from_name: str
    choices: tuple[str, ...]
    multiple: bool = False  # any number of them, else one
    paths: dict[str, tuple[str, ...]] = {}  # nested choices ► the names on the way to them, which results hold
    synonyms: dict[str, str] = {}  # `value` of a choice that has an alias ► the alias
    condition: Visibility | None = None

    def meaning(self, name: object) -> str | None:
        """The choice that a result means by a name, or by the names on the way to it; None: the tag has no such."""
        text = PATH.join(map(str, name)) if isinstance(name, list) else str(name)
        choice = self.synonyms.get(text, text)
        return choice if choice in self.choices else None

    def written(self, choice: str) -> str | list[str]:
        """A choice as results write it."""
        path = self.paths.get(choice)
        return choice if path is None else list(path)


def find_choice_tags(root: Element) -> list[tuple[Element, Visibility | None]]:
    """Choices tags in document order, each with its own condition or that of a tag around it."""
    found: list[tuple[Element, Visibility | None]] = []
    stack: list[tuple[Element, Visibility | None]] = [(root, None)]
    while stack:
        tag, condition = stack.pop()
        if not isinstance(tag.tag, str):
            continue
        condition = _condition(attributes(tag)) or condition
        if tag.tag.lower() == "choices":
            found.append((tag, condition))
        else:
            stack.extend((child, condition) for child in reversed(tag))
    return found


def read_choice_tag(tag: Element, condition: Visibility | None) -> ChoiceTag | None:
    """What can be learned of a tag; None for one about regions, and where there is nothing or too much to choose."""
    own = attributes(tag)
    if own.get("perregion", "").lower() == "true" or own.get("visiblewhen") == HIDDEN_IF:
        return None
    nested = own.get("allownested", "").lower() == "true"
    choices: dict[str, tuple[str, ...]] = {}
    synonyms: dict[str, str] = {}
    for value, path in islice(_paths(tag, nested=nested), MOST_CHOICES + 1):
        choice = PATH.join(path)
        choices.setdefault(choice, path)
        if value != choice:
            synonyms.setdefault(value, choice)
    multiple = own.get("choice") == "multiple"
    if not own.get("name") or not (1 if multiple else 2) <= len(choices) <= MOST_CHOICES:
        return None
    return ChoiceTag(
        from_name=own["name"],
        choices=tuple(choices),
        multiple=multiple,
        paths=choices if nested else {},
        synonyms={value: choice for value, choice in synonyms.items() if value not in choices},
        condition=condition,
    )


def attributes(tag: Element) -> dict[str, str]:
    """Attributes by lower-cased name, as the page reads them."""
    return {key.lower(): value for key, value in tag.attrib.items()}


def _paths(tag: Element, *, nested: bool) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each choice by its values and by its aliases, where it has any. Not nested, the page skips choices in choices."""
    stack: list[tuple[Element, tuple[str, ...], tuple[str, ...]]] = [(child, (), ()) for child in reversed(tag)]
    while stack:
        each, values, path = stack.pop()
        if not isinstance(each.tag, str):
            continue
        if each.tag.lower() != "choice":
            stack.extend((child, values, path) for child in reversed(each))
            continue
        own = attributes(each)
        value, name = own.get("value", ""), own.get("alias") or own.get("value", "")
        if not name or len(name) + len(value) > LONGEST_NAME or len(path) == DEEPEST:
            continue
        values, path = (*values, value), (*path, name)
        inner = [(child, values, path) for child in reversed(each)] if nested else []
        stack.extend(inner)
        if not inner:
            yield PATH.join(values), path


def _condition(own: Mapping[str, str]) -> Visibility | None:
    if own.get("visiblewhen") != SHOWN_IF:
        return None
    choices = tuple(each for each in own.get("whenchoicevalue", "").split(",") if each)
    return Visibility(own.get("whentagname", ""), choices)
