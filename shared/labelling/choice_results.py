"""Choices about a recording ◄► Label Studio's results of Choices tags."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from shared.labelling.choice_tags import ChoiceTag
from shared.labelling.left_out import LeftOut, label_topic

KIND = "choices"


class Chosen(NamedTuple):
    """What is chosen of one tag, and how likely all of it is right."""

    from_name: str
    choices: tuple[str, ...]
    score: float = 1.0


def from_results(
    results: Iterable[Any], tags: Sequence[ChoiceTag], series: str
) -> tuple[dict[str, frozenset[str]], list[LeftOut]]:
    """Choices of an annotation by tag; a tag without any, or with two of which one is meant, says nothing.

    series: name of the TimeSeries tag. Choices that a tag does not have are left out, and the tag then says nothing.
    """
    known = {tag.from_name: tag for tag in tags}
    found: dict[str, set[str]] = {}
    unclear: set[str] = set()
    left_out: list[LeftOut] = []
    for each in results:
        if not isinstance(each, Mapping) or each.get("type") != KIND:
            continue
        tag = known.get(str(each.get("from_name")))
        if tag is None or each.get("to_name", series) != series:
            continue
        value = each.get("value")
        names = value.get(KIND) if isinstance(value, Mapping) else None
        for name in names if isinstance(names, list) else ():
            choice = tag.meaning(name)
            if choice is None:
                unclear.add(tag.from_name)
                left_out.append(LeftOut("unknown-choice", label_topic(str(name)), f"of {tag.from_name!r}"))
            else:
                found.setdefault(tag.from_name, set()).add(choice)
    unclear |= {name for name, choices in found.items() if len(choices) > 1 and not known[name].multiple}
    return {name: frozenset(choices) for name, choices in found.items() if name not in unclear}, left_out


def under_tags(found: Iterable[Chosen], tags: Sequence[ChoiceTag]) -> tuple[list[Chosen], list[tuple[str, str]]]:
    """What a model chose under the tags of a configuration, as far as the page shows them; and what they do not have.

    Tags that are gone are left out; so are those whose condition is not met by what is chosen of other tags.
    """
    by_name = {each.from_name: each for each in found}
    chosen: dict[str, Chosen] = {}
    missing: list[tuple[str, str]] = []
    for tag in tags:
        each = by_name.get(tag.from_name)
        if each is None or (len(each.choices) > 1 and not tag.multiple):
            continue
        meant = [(choice, tag.meaning(choice)) for choice in each.choices]
        missing += [(tag.from_name, choice) for choice, today in meant if today is None]
        if all(today is not None for _, today in meant):
            chosen[tag.from_name] = each._replace(choices=tuple(str(today) for _, today in meant))
    hidden = list(tags)
    while hidden:  # what is hidden may be what another tag depends on
        hidden = [tag for tag in tags if tag.from_name in chosen and not _is_shown(tag, chosen)]
        for tag in hidden:
            del chosen[tag.from_name]
    return list(chosen.values()), missing


def _is_shown(tag: ChoiceTag, chosen: Mapping[str, Chosen]) -> bool:
    condition = tag.condition
    if condition is None:
        return True
    others = [each for name, each in chosen.items() if name != tag.from_name and condition.from_name in ("", name)]
    wanted = set(condition.choices)
    return any(not wanted or not wanted.isdisjoint(each.choices) for each in others)


def to_results(chosen: Iterable[Chosen], tags: Sequence[ChoiceTag], series: str) -> list[dict[str, Any]]:
    """Results that the page shows beside the regions; ids are deterministic."""
    known = {tag.from_name: tag for tag in tags}
    return [
        {
            "id": hashlib.sha256("\n".join([series, each.from_name, *each.choices]).encode()).hexdigest()[:12],
            "from_name": each.from_name,
            "to_name": series,
            "type": KIND,
            "value": {KIND: [known[each.from_name].written(choice) for choice in each.choices]},
            "score": round(each.score, 4),
        }
        for each in chosen
    ]
