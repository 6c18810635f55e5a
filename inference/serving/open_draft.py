"""What lies in a task that a person has open: rebuilt from the message of Label Studio's interactive suggestions.

The message holds the regions of one label (`context`), as they are now, and drafts, annotations and predictions of the
task, as last saved: not until seconds after a change. So the messages of the last hour are remembered and laid over
what was saved before them. A region that is still as predicted may be replaced; what a person drew, moved, relabelled
or deleted stays as they left it. So does a region of which a person said more (`perRegion` choices, numbers, texts):
replacing it would lose that.

Source: Label Studio 1.23, `regionFinishedDrawing` in its front end: after a region was moved, resized, relabelled or
deleted, all regions of its label are sent.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Lock
from typing import Any, NamedTuple

import msgspec
from cachetools import TTLCache

from inference.serving.protocol import decode_versions
from shared.labelling.regions import KIND

Region = Mapping[str, Any]  # as Label Studio writes it
RegionKey = tuple[Any, ...]

REMEMBERED_SECONDS = 3600.0
REPEATED_SECONDS = 10.0  # Label Studio on SQLite repeats a request when its database is locked
REMEMBERED_EVENTS = 16  # of a task: a draft is saved 5 s after each change
MOST_REGIONS = 2000  # of an open task; with more nothing is suggested
ALL_REGIONS = 1 << 16  # that are remembered, about 1 kB each


class SavedVersions(NamedTuple):
    """Regions of a task as Label Studio has saved them, each with its time [s since the epoch, 0 if unknown]."""

    drafts: list[tuple[float, list[Region]]]
    annotations: list[tuple[float, list[Region]]]
    predictions: list[list[Region]]
    described: frozenset[str]  # ids of regions of which people said more than their label


@dataclass
class OpenDraft:
    """regions: in the open task, by id. replaceable: ids of those that are as predicted.

    deleted: predicted or suggested regions that a person deleted. moved: those moved or resized, as they were.
    """

    regions: dict[str, Region]
    replaceable: set[str]
    deleted: list[Region]
    moved: list[Region]
    used_ids: set[str]
    series: str = ""  # name of the tag of the time series that the last change was made on

    def is_of(self, series: str) -> bool:
        """Whether the last change was made on a time series."""
        return self.series == series


@dataclass(frozen=True)
class _Event:
    """One message and what it was answered."""

    at: float
    context: Sequence[Region]
    answer: Sequence[Region] = ()
    described: frozenset[str] = frozenset()


def _size(events: Sequence[_Event]) -> int:
    return sum(1 + len(each.context) + len(each.answer) for each in events)


class OpenDrafts:
    """Rebuilds drafts. Thread-safe; remembers messages in this process only."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = Lock()
        self._events: TTLCache[tuple[int, Any], tuple[_Event, ...]]
        self._events = TTLCache(ALL_REGIONS, REMEMBERED_SECONDS, getsizeof=_size)

    def rebuild(self, project: int, task: Any, raw: msgspec.Raw, context: Sequence[Any]) -> OpenDraft | None:
        """What lies in the open task, None where that cannot be told."""
        versions = read_versions(raw)
        event = _Event(self._clock(), _ours(context), described=_described([context]))
        if len(event.context) > MOST_REGIONS:
            return None
        with self._lock:
            earlier = self._events.get((project, task), ())
            if earlier and earlier[-1].context == event.context and event.at - earlier[-1].at < REPEATED_SECONDS:
                earlier = earlier[:-1]  # its answer may have been lost: the same again
            self._events[project, task] = (*earlier, event)[-REMEMBERED_EVENTS:]
        return _rebuild(versions, earlier, event) if event.context else None

    def answered(self, project: int, task: Any, regions: Sequence[Region]) -> None:
        """Remember what the last message was answered: the page takes all of it."""
        with self._lock:
            *earlier, last = self._events.get((project, task), (_Event(0.0, []),))
            self._events[project, task] = (*earlier, replace(last, answer=tuple(regions)))


def read_versions(raw: msgspec.Raw) -> SavedVersions:
    """What the message says of a task. What is not as expected is left out."""
    found = decode_versions(raw)
    by_people = [each.get("result") for each in (*_objects(found.drafts), *_objects(found.annotations))]
    return SavedVersions(
        [(_time(each), _ours(each.get("result"))) for each in _objects(found.drafts)],
        [
            (_time(each), _ours(each.get("result")))
            for each in _objects(found.annotations)
            if not each.get("was_cancelled")
        ],
        [_ours(each.get("result")) for each in _objects(found.predictions)],
        _described(by_people),
    )


def key(region: Region) -> RegionKey:
    """What a region is known by: id, bounds and labels."""
    value = region["value"]
    return region["id"], value.get("start"), value.get("end"), labels_of(region)


def labels_of(region: Region) -> tuple[str, ...]:
    """Its labels."""
    labels = region["value"].get(KIND)
    return tuple(map(str, labels)) if isinstance(labels, list) else ()


def _control(region: Region) -> str:
    """Name of the tag whose labels it carries: two tags may have a label of one name."""
    return str(region.get("from_name"))


def _rebuild(versions: SavedVersions, earlier: Sequence[_Event], event: _Event) -> OpenDraft | None:
    predicted = {key(each): each for regions in versions.predictions for each in regions}
    predicted |= {key(each): each for one in earlier for each in one.answer}
    base = _base(versions, event.context)
    if base is None:
        return None
    state = {each["id"]: each for each in base[1]}
    unclear: set[str] = set()  # ids of regions that may have been deleted
    for one in earlier:
        if one.at > base[0]:
            state, more = _overlaid(state, one.context)
            unclear |= more
            state |= {each["id"]: each for each in one.answer}
    state, _ = _overlaid(state, event.context)
    if len(state) > MOST_REGIONS:
        return None
    changed = {
        each["id"] for one in (*earlier, event) for each in one.context if key(each) not in predicted
    }  # by people, whatever was saved meanwhile
    changed |= versions.described.union(*(one.described for one in (*earlier, event)))
    ids = set(state)
    origin = max(versions.predictions, key=lambda regions: len(ids & {each["id"] for each in regions}), default=[])
    if not ids & {each["id"] for each in origin}:
        origin = []  # the draft was begun from nothing
    shown = [*origin, *(each for one in earlier for each in one.answer)]
    replaceable = {
        each["id"]
        for each in state.values()
        if key(each) in predicted and each["id"] not in changed | unclear and len(labels_of(each)) == 1
    }
    deleted = [each for each in shown if each["id"] not in state or each["id"] in unclear]
    moved = [each for each in shown if each["id"] not in replaceable and _moved(each, state.get(each["id"]))]
    series = next((str(each.get("to_name")) for each in event.context), "")
    used_ids = {*state, *(each["id"] for each in predicted.values())}
    return OpenDraft(state, replaceable, deleted, moved, used_ids, series)


def _moved(before: Region, now: Region | None) -> bool:
    return now is not None and key(before) != key(now) and labels_of(before) == labels_of(now)


def _base(versions: SavedVersions, context: Sequence[Region]) -> tuple[float, list[Region]] | None:
    """The saved version that holds most of the context's regions as they are, or else by their ids.

    Of equal ones a draft comes before an annotation and that before a prediction, and newer ones before older ones.
    """
    keys, ids = {key(each) for each in context}, {each["id"] for each in context}
    best: tuple[tuple[Any, ...], float, list[Region]] | None = None
    predictions = [(0.0, regions) for regions in versions.predictions]
    for tier, documents in enumerate((predictions, versions.annotations, versions.drafts)):
        for place, (at, regions) in enumerate(documents):
            held = len(ids & {each["id"] for each in regions})
            rank = (len(keys & {key(each) for each in regions}), held, tier, at, place)
            if held and (best is None or rank > best[0]):
                best = rank, at, regions
    return best[1:] if best else None


def _overlaid(state: dict[str, Region], context: Sequence[Region]) -> tuple[dict[str, Region], set[str]]:
    """The state with all regions of the context's label and tag as the context has them, and ids that may be gone.

    An empty context says that the last region of its label was deleted, but not of which label.
    """
    if not context:
        counts = Counter((_control(each), labels_of(each)) for each in state.values())
        return state, {name for name, each in state.items() if counts[_control(each), labels_of(each)] == 1}
    meant = {(_control(each), label) for each in context for label in labels_of(each)}
    rest = {
        name: each
        for name, each in state.items()
        if not any((_control(each), label) in meant for label in labels_of(each))
    }
    return rest | {each["id"]: each for each in context}, set()


def _ours(result: Any) -> list[Region]:
    """Regions of time series that have an id."""
    return [
        each
        for each in _objects(result)
        if each.get("type") == KIND and isinstance(each.get("id"), str) and _has_bounds(each.get("value"))
    ]


def _described(results: Iterable[Any]) -> frozenset[str]:
    """Ids of regions that results of other kinds are about: they carry the same id."""
    every = [each for result in results for each in _objects(result)]
    return frozenset(
        each["id"]
        for each in every
        if each.get("type") != KIND and isinstance(each.get("id"), str) and _has_bounds(each.get("value"))
    )


def _has_bounds(value: Any) -> bool:
    bounds = (value.get("start"), value.get("end")) if isinstance(value, Mapping) else (None, None)
    return all(isinstance(each, int | float | str) for each in bounds)


def _objects(value: Any) -> Iterable[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _time(document: Mapping[str, Any]) -> float:
    try:
        found = datetime.fromisoformat(str(document.get("updated_at") or document.get("created_at")))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return 0.0
