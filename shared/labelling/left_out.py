"""What of the annotations was left out: counted by kind, with one example of each."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from shared.doubts import Doubt, Kind

MOST_NAMED = 5  # topics of a kind that are named with their numbers
LONGEST_LABEL = 80  # characters of it in a topic

TITLES: dict[Kind, str] = {
    "unreadable-region": "regions that cannot be read, so their rows are unknown",
    "unknown-label": "regions with a label that the configuration does not have, so their rows are unknown",
    "unknown-choice": "choices that the configuration does not have, so their annotations teach nothing of this tag",
    "outside-region": "regions outside their recording",
    "other-control": "regions of other tags",
    "machine-made": "annotations that are predictions accepted without a change",
}


class LeftOut(NamedTuple):
    """One region, or one annotation, that is not learned from."""

    kind: Kind
    topic: str  # what it is about: a label, a tag; entries of one kind differ by it; "" where there is none
    sentence: str  # what was found


def label_topic(label: str) -> str:
    """The topic of what is about a label."""
    return repr(label[:LONGEST_LABEL])


def count_by_kind(found: Iterable[tuple[str, LeftOut]]) -> list[Doubt]:
    """One doubt for each kind, in order of appearance; their numbers add up to all that was left out.

    found: what was left out, and where (a task, for people).
    """
    by_kind: dict[Kind, list[tuple[str, LeftOut]]] = {}
    for where, each in found:
        by_kind.setdefault(each.kind, []).append((where, each))
    return [Doubt(kind=kind, sentence=_sentence(kind, group)) for kind, group in by_kind.items()]


def _sentence(kind: Kind, group: Sequence[tuple[str, LeftOut]]) -> str:
    where, example = group[0]
    topics = Counter(each.topic for _, each in group if each.topic).most_common()
    named = ", ".join(f"{topic} ({count})" for topic, count in topics[:MOST_NAMED])
    rest = len(topics) - MOST_NAMED
    named += f" and {rest} others" if rest > 0 else ""
    title = TITLES[kind] + (f": {named}" if named else "")
    topic = f"{example.topic}, " if example.topic else ""
    return f"Left out {len(group)} × {title}. For example {where}: {topic}{example.sentence.rstrip('.')}."
