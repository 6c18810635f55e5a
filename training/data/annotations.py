"""Annotations ► recordings with labelled rows: which labels are ranges and which instants, and which rows are known.

Instants stand beside ranges and never split them. How annotators are combined: training/data/opinions.py.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.doubts import Doubt
from shared.labelling.regions import UnclearRegion
from shared.labelling.segments import Segment
from shared.labelling.time_axis import TimeAxis
from shared.recordings.series import Series
from shared.segmentation.resampling import at_own_rows
from training.data.opinions import NOBODY, Agreement, Author, Opinion, agree, form_opinion
from training.data.painting import UNKNOWN as UNKNOWN
from training.data.votes import Instant as Instant

STRAY_SHARE = 0.1  # a label used as instants this rarely among its ranges (or the reverse) is a mistake
TOLERANCE_SHARE = 0.2  # of the median gap between events
LEAST_OF_A_KIND = 3  # … and so are fewer than this


class OwnRows(NamedTuple):
    """Rows of a task's recording that was resampled: how many there are of them, and how many for each row now."""

    ratio: float
    total: int


@dataclass(frozen=True, slots=True)
class AnnotatedSeries:
    """A recording and what people marked in it: one layer for each annotator.

    unclear: of each layer, regions whose rows are unknown; empty: none anywhere. machine_made: nobody looked at it.
    own_rows: of the recording as it came, where it was resampled.
    """

    key: str
    name: str
    group: str
    series: Series
    layers: tuple[tuple[Segment, ...], ...]
    unclear: tuple[tuple[UnclearRegion, ...], ...] = ()
    machine_made: bool = False
    own_rows: OwnRows | None = None
    authors: tuple[Author, ...] = ()  # of the layers
    chosen: tuple[Mapping[str, frozenset[str]], ...] = ()  # of each annotator, choices about the recording by tag


@dataclass(frozen=True, slots=True)
class LabelKinds:
    """Which labels are decoded as ranges and which as instants, in the order of the configuration; some as both.

    heads: labels of ranges. Those of one head exclude each other, those of different heads may overlap.
    sets: name and labels of each TimeSeriesLabels tag where there are several; each has heads of its own.
    """

    heads: tuple[tuple[str, ...], ...]
    instants: tuple[str, ...]
    notes: tuple[str, ...]
    sets: tuple[tuple[str, frozenset[str]], ...] = ()

    @property
    def ranges(self) -> tuple[str, ...]:
        """Labels of ranges, head by head."""
        return tuple(label for head in self.heads for label in head)

    @property
    def range_classes(self) -> tuple[str, ...]:
        """Names of background and labels, head by head; each head has a background of its own."""
        found: list[str] = []
        for head in self.heads:
            name = "outside regions" if "background" in self.ranges else "background"  # people call labels so
            found += [name if len(self.heads) == 1 else f"{name} ({', '.join(head)})", *head]
        return tuple(found)

    def scopes(self) -> tuple[list[frozenset[str] | None], list[int]]:
        """Labels of which each tells where people looked, and which of these scopes each head has, instants last.

        None: labels of any kind. Several sets have a scope each, and instants all sets that have any.
        """
        if not self.sets:
            return [None], [0] * (len(self.heads) + 1)
        sets = [labels for _, labels in self.sets]
        of_heads = [next(place for place, labels in enumerate(sets) if head[0] in labels) for head in self.heads]
        of_instants = frozenset().union(*(each for each in sets if each.intersection(self.instants)))
        return [*sets, of_instants], [*of_heads, len(sets)]

    def only(self, labels: Collection[str]) -> "LabelKinds":
        """Without all other labels, and heads that then have none."""
        heads = tuple(head for head in self.heads if head[0] in labels)
        return LabelKinds(heads, tuple(label for label in self.instants if label in labels), self.notes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A recording with a label for every row that is known.

    key: Label Studio's task. name: for people. group: recordings of one group are held out together.
    labels: int16 [rows, heads of ranges], 0 the head's background, i the label `kinds.heads[head][i − 1]`.
    events: in order of their rows. known: bool [rows, all heads], where there are instants their head is the last one.
    whole, offset: rows of the recording that this is or is a part of, and the first of them. own_rows: those of the
    task's recording as it came, where it was resampled.
    annotators: the recording as each of several annotators marked it, `disagreement` what they differ on.
    machine_made: labels are accepted predictions, which teach but evaluate nothing.
    author: who annotated it, if that is one person.
    """

    key: str
    name: str
    group: str
    series: Series
    kinds: LabelKinds
    labels: NDArray[np.int16]
    events: tuple[Instant, ...]
    known: NDArray[np.bool_]
    offset: int = 0
    whole: int = 0
    own_rows: OwnRows | None = None
    annotators: tuple["Recording", ...] = ()
    disagreement: Doubt | None = None
    machine_made: bool = False
    author: Author = NOBODY

    @property
    def rows(self) -> int:
        return len(self.labels)

    def segments(self) -> list[Segment]:
        """What should be found: runs of rows under one label, and the instants; in order of their first rows."""
        runs = [
            Segment(first, last, labels[label - 1])
            for head, labels in enumerate(self.kinds.heads)
            for first, last, label in label_runs(self.known_labels(head))
            if label > 0
        ]
        instants = [Segment(event.row, event.row, event.label, instant=True) for event in self.events]
        return sorted(runs + instants, key=lambda segment: (segment.first, segment.last, segment.label))

    def to_own_rows(self, segments: Iterable[Segment]) -> list[Segment]:
        """Segments at the rows of the task's recording as it came."""
        own = self.own_rows
        return list(at_own_rows(segments, own.ratio, own.total)) if own else list(segments)

    def from_own_rows(self, segments: Iterable[Segment]) -> list[Segment]:
        """Segments of the task's recording as it came at the rows of this one."""
        return list(at_own_rows(segments, 1 / self.own_rows.ratio, self.rows)) if self.own_rows else list(segments)

    def own_row(self, row: int) -> int:
        """The row of the task's recording as it came that lies nearest to one of this."""
        return min(round(row * self.own_rows.ratio), self.own_rows.total - 1) if self.own_rows else row

    @property
    def own_count(self) -> int:
        """Rows of the task's recording as it came."""
        return self.own_rows.total if self.own_rows else self.rows

    def known_labels(self, head: int) -> NDArray[np.int16]:
        """The label of every row by one head of ranges, UNKNOWN where nobody annotated: int16 [rows]."""
        return np.where(self.known[:, head], self.labels[:, head], np.int16(UNKNOWN))

    def class_sizes(self) -> NDArray[np.float64]:
        """How much of each class: rows of background and of each label, head by head, then number of each instant.

        Without ranges the first number is that of the known rows.
        """
        rows = [
            np.bincount(self.labels[self.known[:, head], head], minlength=1 + len(labels)).astype(float)
            for head, labels in enumerate(self.kinds.heads)
        ] or [np.array([self.known[:, -1].sum()], float)]
        events = Counter(event.label for event in self.events)
        return np.concatenate([*rows, [float(events[label]) for label in self.kinds.instants]])

    def borders(self) -> NDArray[np.int64]:
        """Rows at which a range begins or another ends; where there are none, the middles between instants."""
        edges = np.flatnonzero(np.diff(self.labels, axis=0).any(axis=1)) + 1
        if not len(edges):
            rows = np.array([event.row for event in self.events], np.int64)
            edges = (rows[:-1] + rows[1:] + 1) // 2
        return edges[(edges > 0) & (edges < self.rows)]

    def only(self, labels: Collection[str]) -> "Recording":
        """As if one label set had been annotated alone."""
        kinds = self.kinds.only(labels)
        heads = [place for place, head in enumerate(self.kinds.heads) if head in kinds.heads]
        return replace(
            self,
            kinds=kinds,
            labels=self.labels[:, heads],
            events=tuple(event for event in self.events if event.label in labels),
            known=self.known[:, heads + [-1] * bool(kinds.instants)],
            annotators=tuple(each.only(labels) for each in self.annotators),
        )

    def part(self, first: int, end: int) -> "Recording":
        """Rows `first` to `end` − 1 as a recording of their own."""
        axis = self.series.axis
        return replace(
            self,
            group=f"{self.group}, row {self.offset + first}",
            offset=self.offset + first,
            name=f"{self.name} rows {first} to {end - 1}",
            series=Series(self.series.values[first:end], TimeAxis(axis.times[first:end], axis.time_format)),
            labels=self.labels[first:end],
            events=tuple(Instant(e.row - first, e.label) for e in self.events if first <= e.row < end),
            known=self.known[first:end],
            annotators=tuple(each.part(first, end) for each in self.annotators),
        )


def by_annotator(recordings: Iterable[Recording]) -> Iterator[Recording]:
    """Recordings as each annotator marked them: several combined have segments that nobody drew."""
    for recording in recordings:
        yield from recording.annotators or (recording,)


def label_runs(labels: NDArray[np.int16] | NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """First row, last row and label of each run of equal labels."""
    edges = np.flatnonzero(np.diff(labels)) + 1
    firsts = np.concatenate([[0], edges]) if len(labels) else edges
    lasts = np.concatenate([edges - 1, [len(labels) - 1]]) if len(labels) else edges
    return [(int(a), int(b), int(labels[a])) for a, b in zip(firsts, lasts, strict=True)]


def choose_label_kinds(marked: Iterable[AnnotatedSeries], order: Sequence[str]) -> LabelKinds:
    """What each label of `order` is: ranges, instants, or both where people clearly mean both."""
    ranges: Counter[str] = Counter()
    instants: Counter[str] = Counter()
    for each in marked:
        for layer in each.layers:
            for segment in layer:
                (instants if segment.instant else ranges)[segment.label] += 1
    as_ranges, as_instants, notes = [], [], []
    for label in order:
        long, short = ranges[label], instants[label]
        if not long and not short:
            continue
        if long and short:
            rarer = min(long, short)
            both = rarer >= LEAST_OF_A_KIND and rarer >= STRAY_SHARE * (long + short)
            kept = "both, side by side" if both else "ranges" if long >= short else "instants"
            notes.append(f"{label} was marked as {long} ranges and {short} instants: learned as {kept}.")
            long, short = (long, short) if both else (long, 0) if long >= short else (0, short)
        if long:
            as_ranges.append(label)
        if short:
            as_instants.append(label)
    heads = (tuple(as_ranges),) if as_ranges else ()
    return LabelKinds(heads, tuple(as_instants), tuple(notes))


def label_rows(
    marked: AnnotatedSeries, kinds: LabelKinds, unlabelled: str, margin: int, tolerance: float = 1.0
) -> Recording:
    """The label of every row, by each head, as more than half of the annotators say.

    unlabelled: `ignore` knows rows within regions, and from `margin` rows before the first region to `margin` rows
    after the last one. tolerance: rows that an event of two annotators may be apart.
    """
    ignore = unlabelled == "ignore"
    rows = len(marked.series.values)
    opinions = [
        form_opinion(
            layer,
            unclear,
            kinds.heads,
            kinds.instants,
            rows,
            scopes=kinds.scopes(),
            margin=margin if ignore else None,
            tolerance=tolerance,
        )
        for layer, unclear in zip(marked.layers, marked.unclear or ((),) * len(marked.layers), strict=True)
    ]
    together = agree(opinions, tolerance, unmarked_votes=not ignore)

    def recording(opinion: Opinion, author: Author = NOBODY) -> Recording:
        return Recording(
            key=marked.key,
            name=marked.name,
            group=marked.group,
            series=marked.series,
            kinds=kinds,
            labels=np.maximum(opinion.labels, 0),
            events=opinion.events,
            known=opinion.known(has_instants=bool(kinds.instants)),
            whole=rows,
            machine_made=marked.machine_made,
            own_rows=marked.own_rows,
            author=author,
        )

    authors = marked.authors or (NOBODY,) * len(opinions)
    if len(opinions) == 1:
        return recording(together.opinion, authors[0])
    return replace(
        recording(together.opinion),
        annotators=tuple(map(recording, opinions, authors)),
        disagreement=_disagreement(marked, together),
    )


def _disagreement(marked: AnnotatedSeries, together: Agreement) -> Doubt | None:
    if not together.differing and not together.disputed_events:
        return None
    events = f" and on {together.disputed_events} instants" if together.disputed_events else ""
    return Doubt(
        kind="disagreement",
        sentence=f"{len(marked.layers)} annotators of {marked.name} differ on {100 * together.differing:.1f} % of its "
        f"rows{events}; what has no majority is unknown.",
        share=together.differing,
    )


def tolerance_between(marked: Iterable[AnnotatedSeries], instants: Collection[str]) -> float:
    """Rows that an event of two annotators may be apart: as `event_tolerance`, of each annotator's own events."""
    rows = [
        sorted(segment.first for segment in layer if segment.instant and segment.label in instants)
        for each in marked
        for layer in each.layers
    ]
    return _tolerance(rows)


def segment_durations(recordings: Sequence[Recording], head: int, classes: int) -> list[list[int]]:
    """Rows of the segments of each class of a head of ranges, background too.

    Those cut off by an end or by unknown rows don't teach.
    """
    durations: list[list[int]] = [[] for _ in range(classes)]
    for recording in by_annotator(recordings):
        runs = label_runs(recording.known_labels(head))
        for before, (first, last, label), after in zip(runs, runs[1:], runs[2:], strict=False):
            if UNKNOWN not in (before[2], label, after[2]):
                durations[label].append(last - first + 1)
    return durations


def event_gaps(recordings: Sequence[Recording]) -> NDArray[np.int64]:
    """Rows between neighbouring events of a recording, whatever their labels."""
    gaps = [np.diff([event.row for event in each.events]) for each in by_annotator(recordings) if len(each.events) > 1]
    whole: NDArray[np.int64] = np.concatenate([*gaps, np.zeros(0, np.int64)]).astype(np.int64)
    found: NDArray[np.int64] = whole[whole > 0]
    return found


def event_tolerance(recordings: Sequence[Recording]) -> float:
    """Rows that an event may be off: a fifth of the median gap between events, at least one row."""
    return _tolerance([event.row for event in each.events] for each in by_annotator(recordings))


def _tolerance(rows: Iterable[Sequence[int]]) -> float:
    known = np.concatenate([*map(np.diff, rows), np.zeros(0)])
    return max(1.0, TOLERANCE_SHARE * float(np.median(known))) if len(known) else 1.0
