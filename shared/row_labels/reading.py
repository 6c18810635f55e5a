"""CSV with labels ► segments: a label in each row, or a row for each segment (start, end, label)."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from shared.errors import SeriesError
from shared.labelling.label_config import LabelConfig
from shared.labelling.segments import Segment
from shared.labelling.time_axis import TimeAxis
from shared.quoting import quoted
from shared.recordings.cells import MISSING_WORDS, parse_number, read_times
from shared.row_labels.columns import BETWEEN, INSTANT, NAME, UNKNOWN

NO_LABEL = frozenset({*(word.lower() for word in MISSING_WORDS), "background"})  # unless a label has this name
BOUNDS = ("start", "end")
RECORDINGS = ("recording", "file")  # column of a list of segments that says whose they are
MOST_NAMED = 10


class LabelTable(NamedTuple):
    """Segments of one recording; bounds are rows of the axis, which has those rows alone that the file names."""

    recording: str  # "": the file does not say
    segments: list[Segment]
    axis: TimeAxis
    unknown_rows: int = 0  # that the file has as unknown; Label Studio has no word for that


def read_labels(data: bytes, config: LabelConfig, *, renamed: Mapping[str, str], column: str = "") -> list[LabelTable]:
    """Segments of a file, recording by recording.

    With columns `start`, `end` and `label` each row is a segment, of the recording that its column `recording` names,
    with a `score` if there is such a column; equal bounds are an instant. Otherwise columns `label`, `label 1` … hold a
    label for each row, `instant` those of single rows, beside the configuration's time column, if it has one.
    column: name of the one column with labels, if it is another. renamed: names in the file ► labels, "" for none.
    Raises SeriesError, a sentence that names the row, for what cannot be read, and labels that the configuration lacks.
    """
    names, rows = _cells(data, config)
    labels = _LabelNames(config, renamed)
    wanted = column.strip().lower()
    if not wanted and {*BOUNDS, "label"} <= set(names):
        found = list(_read_segments(names, rows, config, labels))
    else:
        holding = [name for name in names if (name == wanted if wanted else NAME.fullmatch(name))]
        if not holding:
            raise SeriesError(
                f"The file has no column {quoted(wanted or 'label')}; it has {', '.join(map(quoted, names[:20]))}. "
                "Expected are start, end and label, or label in each row (--label-column names another one)."
            )
        found = [_read_rows(names, rows, config, labels, holding)]
    labels.check()
    return found


class _LabelNames:
    """Looks names up, and remembers those that are none."""

    def __init__(self, config: LabelConfig, renamed: Mapping[str, str]) -> None:
        self._config = config
        self._renamed = renamed
        self._missing: dict[str, int] = {}

    def find(self, cell: str, row: int) -> str:
        """The label that a cell names, "" for none."""
        name = self._renamed.get(cell, cell)
        name = self._config.synonyms.get(name, name)
        if name in self._config.label_set:
            return name
        if name and name.lower() not in NO_LABEL:
            self._missing.setdefault(cell, row)
        return ""

    def check(self) -> None:
        """Raise SeriesError where there was a name that the configuration does not have."""
        if self._missing:
            some = list(self._missing.items())[:MOST_NAMED]
            listed = ", ".join(f"{quoted(name)} (row {row})" for name, row in some)
            raise SeriesError(
                f"The configuration has no label {listed}; it has {', '.join(map(quoted, self._config.labels))}. Add "
                f"it there, or say what it means: --map {some[0][0]!r}=LABEL, or --map {some[0][0]!r}= for no label."
            )


def _cells(data: bytes, config: LabelConfig) -> tuple[list[str], list[list[str]]]:
    """Lower-cased names of the columns, and the cells of each row that is not blank."""
    text = data.decode("utf-8-sig", errors="replace")
    separator = config.separator if len(config.separator) == 1 else ","
    try:
        lines = [cells for cells in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if any(cells)]
    except csv.Error as error:
        raise SeriesError(f"The file cannot be read as CSV: {error}.") from None
    if len(lines) < 2:
        raise SeriesError("The file has no rows below a header.")
    names = [name.strip().lower() for name in lines[0]]
    for row, cells in enumerate(lines[1:]):
        if len(cells) > len(names):
            raise SeriesError(f"Row {row} (the first is 0) has {len(cells)} cells where the header has {len(names)}.")
    return names, [[cell.strip() for cell in cells] + [""] * (len(names) - len(cells)) for cells in lines[1:]]


def _read_rows(
    names: Sequence[str],
    rows: Sequence[Sequence[str]],
    config: LabelConfig,
    labels: _LabelNames,
    holding: Sequence[str],
) -> LabelTable:
    axis = TimeAxis.of_rows(len(rows))
    if config.time_column:
        if config.time_column not in names:
            raise SeriesError(
                f"The file has no column {quoted(config.time_column)} with times; it has "
                f"{', '.join(map(quoted, names[:20]))}."
            )
        place = names.index(config.time_column)
        axis = TimeAxis(_times([cells[place] for cells in rows], config), config.time_format)
    segments: list[Segment] = []
    unknown = np.zeros(len(rows), bool)
    for name in holding:
        place = names.index(name)
        cells = [line[place] for line in rows]
        unknown |= [cell == UNKNOWN and cell not in config.label_set for cell in cells]
        cells = ["" if lost else cell for cell, lost in zip(cells, unknown.tolist(), strict=True)]
        if name == INSTANT:
            segments += _instants(cells, config, labels)
        else:
            segments += _runs([labels.find(cell, row) for row, cell in enumerate(cells)])
    segments.sort(key=lambda each: (each.first, each.last, each.label))
    return LabelTable("", segments, axis, int(unknown.sum()))


def _runs(cells: Sequence[str]) -> Iterator[Segment]:
    first = 0
    for row in range(1, len(cells) + 1):
        if row == len(cells) or cells[row] != cells[first]:
            if cells[first]:
                yield Segment(first, row - 1, cells[first])
            first = row


def _instants(cells: Sequence[str], config: LabelConfig, labels: _LabelNames) -> Iterator[Segment]:
    for row, cell in enumerate(cells):
        for name in [cell] if cell in config.label_set else cell.split(BETWEEN):
            label = labels.find(name, row)
            if label:
                yield Segment(row, row, label, instant=True)


def _read_segments(
    names: Sequence[str], rows: Sequence[Sequence[str]], config: LabelConfig, labels: _LabelNames
) -> Iterator[LabelTable]:
    start, end, label = (names.index(name) for name in (*BOUNDS, "label"))
    whose = next((names.index(name) for name in RECORDINGS if name in names), None)
    score = names.index("score") if "score" in names else None
    bounds = np.stack([_times([cells[place] for cells in rows], config) for place in (start, end)], axis=1)
    reversed_rows = np.flatnonzero(bounds[:, 1] < bounds[:, 0])
    if len(reversed_rows):
        row = int(reversed_rows[0])
        raise SeriesError(
            f"Row {row} (the first is 0) ends at {rows[row][end]!r} before it starts, {rows[row][start]!r}."
        )
    by_recording: dict[str, list[int]] = {}
    for row, cells in enumerate(rows):
        by_recording.setdefault(cells[whose] if whose is not None else "", []).append(row)
    for recording, some in by_recording.items():
        times = np.unique(bounds[some])
        segments = []
        for row in some:
            first, last = np.searchsorted(times, bounds[row]).tolist()
            name = labels.find(rows[row][label], row)
            if name:
                given = _score(rows[row][score], row) if score is not None else 1.0
                segments.append(Segment(first, last, name, given, instant=first == last))
        segments.sort(key=lambda each: (each.first, each.last, each.label))
        yield LabelTable(recording, segments, TimeAxis(times, config.time_format))


def _score(cell: str, row: int) -> float:
    with suppress(ValueError):
        if 0 <= float(cell) <= 1:
            return float(cell)
    raise SeriesError(f"The score of row {row} (the first is 0) is {cell[:60]!r}, expected a number from 0 to 1.")


def _times(cells: Sequence[str], config: LabelConfig) -> Any:
    if config.time_format:
        return read_times(cells, config.time_format)
    times = np.array([parse_number(cell) for cell in cells])
    wrong = np.flatnonzero(~np.isfinite(times))
    if len(wrong):
        row = int(wrong[0])
        raise SeriesError(f"The time of row {row} (the first is 0) is {cells[row][:60]!r}, expected a number.")
    return times
