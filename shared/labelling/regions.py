"""Segments ◄► Label Studio's regions."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.errors import SeriesError
from shared.labelling.label_config import LabelConfig
from shared.labelling.segments import Segment
from shared.labelling.time_axis import Time, TimeAxis

KIND = "timeserieslabels"


def to_regions(segments: Iterable[Segment], axis: TimeAxis, config: LabelConfig) -> list[dict[str, Any]]:
    """Regions that the page draws at the segments' rows; ids are deterministic.

    Segments whose label is not in the configuration are omitted: labels are matched by name.
    """
    wanted = [segment for segment in segments if segment.label in config.label_set]
    starts = axis.values([segment.first for segment in wanted])
    ends = axis.values([segment.last for segment in wanted])
    return [_region(*each, config) for each in zip(wanted, starts, ends, strict=True)]


@dataclass
class ParsedRegions:
    """The segments of an annotation, and why regions were left out: reason ► number of regions."""

    segments: list[Segment] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def from_regions(regions: Iterable[Any], axis: TimeAxis, config: LabelConfig) -> ParsedRegions:
    """Segments of an annotation's `result`, in its order; a region with several labels is one segment for each.

    Results of other kinds of tags are ignored. A region that reaches beyond the recording is cut to it; unknown
    labels, regions of another TimeSeriesLabels tag, outside the recording or unreadable are left out and
    counted by reason. An instant at a time that several rows share is at the middle one.
    """
    parsed = ParsedRegions()
    for region in regions:
        if not isinstance(region, Mapping) or str(region.get("type", "")).lower() != KIND:
            continue
        if region.get("from_name") != config.from_name:
            other = str(region.get("from_name"))[:80]
            parsed.left_out[f"a region belongs to the tag {other!r}; only those of {config.from_name!r} are used"] += 1
            continue
        value = region.get("value")
        if not isinstance(value, Mapping) or not isinstance(value.get(KIND), list) or not value[KIND]:
            parsed.left_out["a region has no label"] += 1
            continue
        try:
            first, last = axis.rows_between(value.get("start"), value.get("end"))
        except SeriesError as error:
            parsed.left_out[str(error)] += 1
            continue
        instant = value.get("instant") is True and value.get("start") == value.get("end")
        if instant:
            first = last = (first + last) // 2
        for label in value[KIND]:
            name = config.synonyms.get(str(label), str(label))
            if name in config.label_set:
                parsed.segments.append(Segment(first, last, name, instant=instant))
            else:
                parsed.left_out[f"label {name!r} is not in the labelling configuration"] += 1
    return parsed


def _region(segment: Segment, start: Time, end: Time, config: LabelConfig) -> dict[str, Any]:
    kind = "instant" if segment.instant else "range"
    key = f"{config.from_name}\n{segment.label}\n{kind}\n{segment.first}\n{segment.last}"
    return {
        "id": hashlib.sha256(key.encode()).hexdigest()[:12],
        "from_name": config.from_name,
        "to_name": config.to_name,
        "type": KIND,
        "value": {
            "start": start,
            "end": end,
            "instant": segment.instant,
            KIND: [segment.label],
        },
        "score": round(segment.score, 4),
    }
