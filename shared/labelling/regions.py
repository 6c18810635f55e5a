"""Segments ◄► Label Studio's regions."""

import hashlib
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from shared.errors import SeriesError
from shared.labelling.label_config import LabelConfig
from shared.labelling.left_out import LeftOut, label_topic
from shared.labelling.segments import Segment
from shared.labelling.time_axis import Time, TimeAxis

KIND = "timeserieslabels"
MOST_NAMED = 5  # tags in a sentence


def to_regions(segments: Iterable[Segment], axis: TimeAxis, config: LabelConfig) -> list[dict[str, Any]]:
    """Regions that the page draws at the segments' rows; ids are deterministic.

    Segments whose label is not in the configuration are omitted: labels are matched by name.
    """
    wanted = [segment for segment in segments if segment.label in config.label_set]
    starts = axis.values([segment.first for segment in wanted])
    ends = axis.values([segment.last for segment in wanted])
    return [_region(*each, config) for each in zip(wanted, starts, ends, strict=True)]


class UnclearRegion(NamedTuple):
    """A region of ours that marks rows, but not for certain which, or not as what: those rows are unknown.

    first, last: None for a bound that cannot be read; first above last: both were read, and one must be wrong.
    """

    first: int | None
    last: int | None
    label: str | None  # None: it has none, or one that the configuration does not have
    instant: bool
    among: frozenset[str] = frozenset()  # labels of its set, of which one is meant; empty: any label

    @property
    def span(self) -> tuple[int, int] | None:
        """First and last row where they are certain, and only the label is not."""
        if self.first is None or self.last is None or self.first > self.last:
            return None
        return self.first, self.last


@dataclass
class ParsedRegions:
    """The segments of an annotation, regions whose rows are unknown, and what was left out."""

    segments: list[Segment] = field(default_factory=list)
    unclear: list[UnclearRegion] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    @property
    def says_something(self) -> bool:
        """Whether it has no regions at all, or at least one whose rows are known."""
        placed = bool(self.segments) or any(each.span for each in self.unclear)
        return placed or not any(each.kind in ("unreadable-region", "outside-region") for each in self.left_out)


def from_regions(regions: Iterable[Any], axis: TimeAxis, config: LabelConfig) -> ParsedRegions:
    """Segments of an annotation's `result`, in its order; a region with several labels is one segment for each.

    Results of other kinds of tags and of other series that are served are ignored; what tells is the name of the tag,
    as a type may be missing. A region that reaches beyond the
    recording is cut to it. Regions of tags that are not served, or outside the recording, are left out; those with
    unreadable bounds or unknown labels are left out, too, and their rows are unknown. An instant at a time that several
    rows share is at the middle one.
    """
    parsed = ParsedRegions()
    for region in regions:
        if not isinstance(region, Mapping):
            parsed.unclear.append(UnclearRegion(None, None, None, instant=False))
            parsed.left_out.append(LeftOut("unreadable-region", "", f"{reprlib.repr(region)} is no region"))
            continue
        control, series = region.get("from_name"), region.get("to_name", config.to_name)  # not always written
        if isinstance(control, str) and control in config.label_sets and series == config.to_name:
            _read_region(region.get("value"), axis, config, control, parsed)  # whatever type is written there
        elif str(region.get("type", "")).lower() == KIND and series not in config.beside:
            parsed.left_out.append(_of_other_tags(control, series, config))
    return parsed


def _of_other_tags(control: object, series: object, config: LabelConfig) -> LeftOut:
    names = " and ".join(map(repr, islice(config.label_sets, MOST_NAMED)))
    used = f"only those of {names} on {config.to_name!r} are used"
    return LeftOut("other-control", f"{str(control)[:80]!r} on {str(series)[:80]!r}", used)


def _read_region(value: Any, axis: TimeAxis, config: LabelConfig, control: str, parsed: ParsedRegions) -> None:
    value = value if isinstance(value, Mapping) else {}
    start, end, labels = value.get("start"), value.get("end"), value.get(KIND)
    instant = value.get("instant") is True and start == end
    names = [str(label) for label in labels] if isinstance(labels, list) else []
    meant = [config.meaning(control, name) for name in names]
    among = config.label_sets[control] if config.sets else frozenset()
    try:
        first, last = axis.rows_between(start, end)
    except SeriesError as error:
        bounds = axis.row_at(start), axis.row_at(end, ends=True)
        if None not in bounds and not axis.is_reversed(start, end):
            parsed.left_out.append(LeftOut("outside-region", "", str(error)))
            return
        parsed.unclear += [UnclearRegion(*bounds, label, instant, among) for label in meant or [None]]
        parsed.left_out.append(LeftOut("unreadable-region", "", str(error)))
        return
    if instant:
        first = last = (first + last) // 2
    if not names:
        parsed.unclear.append(UnclearRegion(first, last, None, instant, among))
        parsed.left_out.append(LeftOut("unreadable-region", "", f"A region from {start!r} to {end!r} has no label."))
    for name, label in zip(names, meant, strict=True):
        if label is not None:
            parsed.segments.append(Segment(first, last, label, instant=instant))
        else:
            parsed.unclear.append(UnclearRegion(first, last, None, instant, among))
            parsed.left_out.append(LeftOut("unknown-label", label_topic(name), f"from {start!r} to {end!r}"))


def _region(segment: Segment, start: Time, end: Time, config: LabelConfig) -> dict[str, Any]:
    kind = "instant" if segment.instant else "range"
    from_name, label = config.origins[segment.label]
    key = f"{from_name}\n{label}\n{kind}\n{segment.first}\n{segment.last}"
    return {
        "id": hashlib.sha256(key.encode()).hexdigest()[:12],
        "from_name": from_name,
        "to_name": config.to_name,
        "type": KIND,
        "value": {
            "start": start,
            "end": end,
            "instant": segment.instant,
            KIND: [label],
        },
        "score": round(segment.score, 4),
    }
