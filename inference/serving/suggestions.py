"""Suggestions in an open task: what a model finds around what a person fixed, as changes of what lies there.

Label Studio's page takes every region of the answer at once: one whose id exists replaces that region, others are
added, and none can be removed. So regions as predicted may get other bounds or another label, and new ones come only
where nothing lies and nothing was deleted. What does not change is not sent.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from msgspec.structs import replace

from inference.serving.open_draft import OpenDraft, Region
from shared.labelling.label_config import LabelConfig
from shared.labelling.regions import from_regions, to_regions
from shared.labelling.segments import Segment
from shared.labelling.time_axis import TimeAxis
from shared.model_file.card import Head, RangeHead
from shared.segmentation.given import GivenSegments


@dataclass(frozen=True)
class Layout:
    """The open task in rows. fixed: what people left there. loose: by id, what may be replaced.

    deleted: where nothing new comes. moved: what people moved or resized, as it was.
    """

    fixed: tuple[Segment, ...]
    loose: Mapping[str, Segment]
    deleted: tuple[Segment, ...]
    moved: tuple[Segment, ...]
    used_ids: frozenset[str]

    @property
    def given(self) -> GivenSegments:
        """What decoding has to keep to: no label comes back to rows that people took it from."""
        fixed = _Spans(self.fixed)
        excluded = [
            piece
            for each in (*self.deleted, *self.moved)
            for piece in _outside(each, [one for one in fixed.near(each, 0) if one.label == each.label])
        ]
        return GivenSegments(self.fixed, tuple(excluded))


def lay_out(draft: OpenDraft, axis: TimeAxis, config: LabelConfig) -> Layout:
    """Rows of a draft's regions, without those that cannot be read or have no label of the configuration."""
    fixed: list[Segment] = []
    loose: dict[str, Segment] = {}
    for name, region in draft.regions.items():
        segments = _segments([region], axis, config)
        if name in draft.replaceable and len(segments) == 1:
            loose[name] = segments[0]
        else:
            fixed += segments
    deleted, moved = (_segments(some, axis, config) for some in (draft.deleted, draft.moved))
    return Layout(tuple(fixed), loose, tuple(deleted), tuple(moved), frozenset(draft.used_ids))


def suggest(
    found: Sequence[Segment], layout: Layout, heads: Sequence[Head], axis: TimeAxis, config: LabelConfig
) -> list[dict[str, Any]]:
    """Regions that the page shall take. found: what the model finds, given what people fixed."""
    changes: list[tuple[str, Segment]] = []
    for head in heads:
        labels = {config.synonyms.get(label, label) for label in head.labels}
        instant = not isinstance(head, RangeHead)
        parts = _Parts(*(_of_head(some, labels, instant) for some in (found, layout.fixed, layout.deleted)))
        loose = {n: each for n, each in layout.loose.items() if each.label in labels and each.instant is instant}
        reach = 0 if isinstance(head, RangeHead) else head.half_width
        changes += _changes(parts, loose, reach)
    regions = to_regions([segment for _, segment in changes], axis, config)
    for (name, _), region in zip(changes, regions, strict=True):
        region["id"] = name or _unused(region["id"], layout.used_ids)
    return regions


class _Spans:
    """Segments, to find those near another one without looking at all: there may be thousands of both."""

    def __init__(self, segments: Iterable[Segment]) -> None:
        self._segments = sorted(segments, key=lambda each: (each.first, each.last))
        self._firsts = [each.first for each in self._segments]
        self._reached = list(accumulate((each.last for each in self._segments), max))

    def near(self, segment: Segment, reach: int) -> list[Segment]:
        """Those that share a row with `segment`, or have one at most `reach` rows away; in order."""
        found = []
        place = bisect_right(self._firsts, segment.last + reach)
        while place and self._reached[place - 1] >= segment.first - reach:
            place -= 1
            if self._segments[place].last >= segment.first - reach:
                found.append(self._segments[place])
        return found[::-1]


@dataclass(frozen=True)
class _Parts:
    """Segments of one head."""

    found: list[Segment]
    fixed: list[Segment]
    deleted: list[Segment]


def _changes(parts: _Parts, loose: Mapping[str, Segment], reach: int) -> list[tuple[str, Segment]]:
    """Ids of loose segments with what replaces them, and new segments with the id "".

    reach: rows that two segments of the head may at least be apart.
    """
    fixed = _Spans(parts.fixed)
    pieces = [piece for each in parts.found for piece in _beside(each, fixed, reach)]
    cut = {name: _cut(each, fixed) for name, each in loose.items()}
    pairs = _matched(pieces, cut, reach)
    while True:  # what would lie over a segment that stays is given up, so that it stays, too
        staying = [each for name, each in cut.items() if name not in pairs]
        over = _Spans(staying)
        clash = [name for name, piece in pairs.items() if over.near(piece, reach)]
        if not clash:
            break
        for name in clash:
            del pairs[name]
    lying = _Spans([*parts.fixed, *staying, *pairs.values(), *parts.deleted])
    matched = set(pairs.values())
    new = [piece for piece in pieces if piece not in matched and not lying.near(piece, reach)]
    after = {**cut, **pairs}
    changed = [(name, piece) for name, piece in after.items() if not _same(piece, loose[name])]
    return [*changed, *(("", piece) for piece in new)]


def _matched(pieces: Sequence[Segment], loose: Mapping[str, Segment], reach: int) -> dict[str, Segment]:
    """The piece that each loose segment becomes: those that share most rows first, each piece once."""
    spans = _Spans(pieces)
    shares = [
        (_shared(piece, each, reach), name, piece) for name, each in loose.items() for piece in spans.near(each, reach)
    ]
    pairs: dict[str, Segment] = {}
    taken: set[Segment] = set()
    for _, name, piece in sorted(shares, key=lambda each: -each[0]):
        if name not in pairs and piece not in taken:
            pairs[name] = piece
            taken.add(piece)
    return pairs


def _beside(segment: Segment, fixed: _Spans, reach: int) -> list[Segment]:
    """The parts of a segment that lie beside what people fixed; none that only continues a fixed one of its label."""
    if segment.instant:
        return [] if fixed.near(segment, reach) else [segment]
    others = fixed.near(segment, 1)
    return [
        piece
        for piece in _outside(segment, others)
        if not any(
            each.label == piece.label and (each.last + 1 == piece.first or piece.last + 1 == each.first)
            for each in others
        )
    ]


def _cut(segment: Segment, fixed: _Spans) -> Segment:
    """The longest part of a segment beside what people fixed; all of it where that covers it, since none can go."""
    pieces = [] if segment.instant else _outside(segment, fixed.near(segment, 0))
    return max(pieces, key=lambda each: each.last - each.first, default=segment)


def _outside(segment: Segment, others: Iterable[Segment]) -> list[Segment]:
    """The rows of a segment that are outside all others, as segments."""
    pieces = [segment]
    for other in others:
        pieces = [
            replace(piece, first=first, last=last)
            for piece in pieces
            for first, last in (
                ((piece.first, min(piece.last, other.first - 1)), (max(piece.first, other.last + 1), piece.last))
                if piece.first <= other.last and other.first <= piece.last
                else ((piece.first, piece.last),)
            )
            if first <= last
        ]
    return pieces


def _shared(one: Segment, other: Segment, reach: int) -> int:
    return min(one.last, other.last) - max(one.first, other.first) + 1 + reach


def _same(one: Segment, other: Segment) -> bool:
    return (one.first, one.last, one.label) == (other.first, other.last, other.label)


def _of_head(segments: Iterable[Segment], labels: set[str], instant: bool) -> list[Segment]:
    return [each for each in segments if each.label in labels and each.instant is instant]


def _segments(regions: Iterable[Region], axis: TimeAxis, config: LabelConfig) -> list[Segment]:
    return from_regions(regions, axis, config).segments


def _unused(name: str, used: frozenset[str]) -> str:
    while name in used:
        name = hashlib.sha256(name.encode()).hexdigest()[:12]
    return name
