"""What people should know about the annotated tasks that were read: collected by task, reported by kind."""

from dataclasses import dataclass, field

from shared.doubts import Doubt, Kind
from shared.labelling.left_out import LeftOut, count_by_kind

MOST_NAMED = 20  # tasks that are named one by one


@dataclass
class Findings:
    """Where something was found, and what."""

    left_out: list[tuple[str, LeftOut]] = field(default_factory=list)
    series: list[tuple[str, Doubt]] = field(default_factory=list)  # about recordings

    def topics(self, kind: Kind) -> frozenset[str]:
        """What was left out of a kind is about."""
        return frozenset(each.topic for _, each in self.left_out if each.kind == kind)

    def doubts(self, recordings: int) -> list[Doubt]:
        """One for each kind, with its number and one example; recordings: how many were read.

        Files without a line break at their end are named where most others have one.
        """
        by_kind: dict[Kind, list[tuple[str, Doubt]]] = {}
        for where, doubt in self.series:
            by_kind.setdefault(doubt.kind, []).append((where, doubt))
        if 2 * len(by_kind.get("unterminated", ())) >= recordings:
            by_kind.pop("unterminated", None)
        return [*count_by_kind(self.left_out), *map(_together, by_kind.values())]


def _together(group: list[tuple[str, Doubt]]) -> Doubt:
    """Doubts of one kind as one: that of the first recording, and how many others there are."""
    where, first = group[0]
    rest = f" The same in {len(group) - 1} more recordings." if len(group) > 1 else ""
    return Doubt(kind=first.kind, sentence=f"{where[:1].upper()}{where[1:]}: {first.sentence}{rest}", share=first.share)
