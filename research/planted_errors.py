"""Annotation errors planted in recordings: wrong labels, missing and superfluous segments, borders and events off."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from msgspec.structs import replace as with_fields

from shared.labelling.segments import Segment
from training.data.annotations import Instant, Recording, event_gaps

KINDS = ("wrong label", "missing", "superfluous", "border off")
OFF = (0.25, 0.5)  # of its length that a segment's border is moved, or of the median gap that an event is
TRIES = 50


@dataclass(frozen=True, slots=True)
class PlantedError:
    """One error. first, last: the rows that are wrong now."""

    key: str
    kind: str
    first: int
    last: int


def plant(recordings: Sequence[Recording], count: int, seed: int) -> tuple[list[Recording], list[PlantedError]]:
    """Recordings with `count` errors, of each kind as many, in segments and places drawn at random."""
    random = np.random.default_rng(seed)
    gaps = event_gaps(recordings)
    off = float(np.median(gaps)) if len(gaps) else 0.0
    changed = {each.key: each.segments() for each in recordings}
    taken: dict[str, list[tuple[int, int]]] = {each.key: [] for each in recordings}
    known = {each.key: each for each in recordings}
    planted: list[PlantedError] = []
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        for _ in range(TRIES):
            key, segment = _draw(changed, random)
            found = _change(kind, segment, known[key], changed[key], off, random)
            if found is None:
                continue
            segments, first, last = found
            if any(first <= end and last >= begin for begin, end in taken[key]):
                continue
            changed[key] = segments
            taken[key].append((min(first, segment.first) if kind != "superfluous" else first, last))
            planted.append(PlantedError(key, kind, first, last))
            break
    return [_annotated(each, changed[each.key]) for each in recordings], planted


def _draw(changed: dict[str, list[Segment]], random: np.random.Generator) -> tuple[str, Segment]:
    every = [(key, segment) for key, segments in changed.items() for segment in segments]
    return every[int(random.integers(len(every)))]


def _change(
    kind: str, segment: Segment, recording: Recording, segments: list[Segment], off: float, random: np.random.Generator
) -> tuple[list[Segment], int, int] | None:
    """The recording's segments with the error, and the rows that are wrong then; None where it does not fit."""
    others = [each for each in segments if each is not segment]
    if kind == "missing":
        return others, segment.first, segment.last
    if kind == "wrong label":
        labels = [each for each in _exclusive(recording, segment) if each != segment.label]
        if not labels:
            return None
        wrong = with_fields(segment, label=str(random.choice(labels)))
        return [*others, wrong], segment.first, segment.last
    if kind == "superfluous":
        return _superfluous(segment, recording, segments, random)
    return _moved(segment, others, recording, off, random)


def _superfluous(
    segment: Segment, recording: Recording, segments: list[Segment], random: np.random.Generator
) -> tuple[list[Segment], int, int] | None:
    """As long as `segment`, where nothing is."""
    first = int(random.integers(recording.rows))
    last = first + segment.last - segment.first
    apart = 0 if not segment.instant else 3
    free = last < recording.rows and recording.known[first : last + 1].all()
    if not free or any(each.first <= last + apart and each.last >= first - apart for each in segments):
        return None
    label = str(random.choice(_exclusive(recording, segment)))
    return [*segments, with_fields(segment, first=first, last=last, label=label)], first, last


def _moved(
    segment: Segment, others: list[Segment], recording: Recording, off: float, random: np.random.Generator
) -> tuple[list[Segment], int, int] | None:
    """One border moved, or the event."""
    rows = off if segment.instant else segment.last - segment.first + 1
    moved = round(float(random.uniform(*OFF)) * rows) * int(random.choice([-1, 1]))
    if segment.instant:
        row = segment.first + moved
        if not 0 <= row < recording.rows or any(abs(each.first - row) < abs(moved) / 2 for each in others):
            return None
        return [*others, with_fields(segment, first=row, last=row)], min(row, segment.first), max(row, segment.first)
    if random.random() < 0.5:
        new, wrong = with_fields(segment, first=segment.first + moved), (segment.first, segment.first + moved)
    else:
        new, wrong = with_fields(segment, last=segment.last + moved), (segment.last, segment.last + moved)
    if not moved or new.first < 0 or new.last >= recording.rows or new.first >= new.last:
        return None
    first, last = min(wrong), max(wrong)
    if any(first <= each.first and each.last <= last for each in others):
        return None
    return [*others, new], first, last


def _exclusive(recording: Recording, segment: Segment) -> Sequence[str]:
    """Labels of the head that the segment belongs to."""
    if segment.instant:
        return recording.kinds.instants
    return next(head for head in recording.kinds.heads if segment.label in head)


def _annotated(recording: Recording, segments: Sequence[Segment]) -> Recording:
    """The recording as if these were its annotations; of two that overlap the shorter stays whole."""
    labels = np.zeros_like(recording.labels)
    for head, names in enumerate(recording.kinds.heads):
        for each in sorted(segments, key=lambda each: each.first - each.last):
            if not each.instant and each.label in names:
                labels[each.first : each.last + 1, head] = 1 + names.index(each.label)
    return replace(recording, labels=labels, events=tuple(_instants(segments)), annotators=())


def _instants(segments: Sequence[Segment]) -> Iterator[Instant]:
    for each in sorted(segments, key=lambda each: each.first):
        if each.instant:
            yield Instant(each.first, each.label)
