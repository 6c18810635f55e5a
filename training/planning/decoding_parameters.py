"""What decoding learns from annotations: least durations, spacing, width of instants; and the shape of a window."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared.model_file.card import Head, InstantHead, RangeHead
from shared.segmentation.windows import window_starts
from training.data.annotations import LabelKinds, Recording, event_gaps, segment_durations
from training.planning.event_label_prior import learn_event_gaps, learn_event_label_prior
from training.planning.label_sequence_prior import learn_label_sequence_prior, learn_usual_counts

ENOUGH_SEGMENTS = 5  # of a class, for a percentile
ENOUGH_GAPS = 3  # between events, for a width and a spacing
SHORTEST_PERCENTILE = 5
DURATION_SHARE = 0.5  # of that percentile: a shorter run is noise (segment F1@50 .77 ► .91)
FEW_SHARE = 0.25  # of the shortest segment, where there are too few for a percentile
WIDTH_SHARE = 0.1  # of the median gap between events, to each side of an event
WIDEST = 12  # rows
SPACING_SHARE = 0.5  # of the shortest percentile of gaps
FEW_SPACING = 3  # rows
WIDEST_SPACING = 100  # rows: bounds what decoding keeps, and a large gap seen twice is no law
THRESHOLD = 0.3  # least share of a perfect event's triangle; .2 to .7 are level, and rare events need the lower half

DOWNSAMPLINGS = (4, 2, 1)
STEPS_OF_SHORTEST = 4  # LSTM steps that the shortest segments of every class must span
STRIDE_SHARE = 0.75  # of a window: a quarter of overlap is enough context at its edges
RANGE_MULTIPLE = 2  # sequences in a window that serves ranges: more context than in the fit, at no cost (F1@50 +.01)
GAPS_OF_INSTANTS = 2.5  # gaps between events that a window must hold


@dataclass(frozen=True, slots=True)
class Shape:
    """downsampling: rows an LSTM step. window, stride: rows, multiples of it. fit_window: rows while fitting."""

    downsampling: int
    window: int
    stride: int
    fit_window: int

    def windows(self, rows: int) -> int:
        """Windows of one pass over a recording while fitting: neighbours overlap by half."""
        return len(window_starts(rows, self.fit_window, max(1, self.fit_window // 2)))


def learn_heads(recordings: Sequence[Recording], kinds: LabelKinds) -> tuple[Head, ...]:
    """Heads of a project's labels with decoding parameters from these recordings."""
    heads: list[Head] = []
    for number, labels in enumerate(kinds.heads):
        durations = segment_durations(recordings, number, 1 + len(labels))
        heads.append(
            RangeHead(
                labels=labels,
                min_rows=tuple(_least_duration(each) for each in durations),
                sure_rows=tuple(_sure_duration(each) for each in durations),
                label_sequence_prior=learn_label_sequence_prior(recordings, number, 1 + len(labels)),
                usual_counts=learn_usual_counts(recordings, number, 1 + len(labels)),
            )
        )
    if kinds.instants:
        gaps = event_gaps(recordings)
        enough = len(gaps) >= ENOUGH_GAPS
        width = int(np.clip(round(WIDTH_SHARE * float(np.median(gaps))), 1, WIDEST)) if enough else 1
        spacing = FEW_SPACING
        if enough:
            shortest = SPACING_SHARE * float(np.percentile(gaps, SHORTEST_PERCENTILE))
            spacing = int(np.clip(shortest, FEW_SPACING, WIDEST_SPACING))
        count = len(kinds.instants)
        heads.append(
            InstantHead(
                labels=kinds.instants,
                spacing=(spacing,) * count,
                threshold=(THRESHOLD,) * count,
                half_width=width,
                event_label_prior=learn_event_label_prior(recordings, kinds.instants),
                event_labelling="blocks",
                event_gaps=learn_event_gaps(recordings, kinds.instants),
            )
        )
    return tuple(heads)


def choose_shape(sequence_size: int, most_fit_rows: int, recordings: Sequence[Recording], kinds: LabelKinds) -> Shape:
    """Rows of an LSTM step, a window and a stride.

    Downsampling only where there are no instants and segments are long enough; a window of `sequence_size` steps while
    fitting, twice that while serving ranges, or as many times that as the gaps between instants ask for; never longer
    than the longest recording.
    """
    downsampling, window = 1, sequence_size
    fit_window = most_fit_rows
    if kinds.instants:
        gaps = event_gaps(recordings)
        wanted = GAPS_OF_INSTANTS * float(np.median(gaps)) if len(gaps) else 0.0
        window = sequence_size * int(np.clip(np.ceil(wanted / sequence_size), 1, 8))
    else:
        durations = [
            each
            for number, labels in enumerate(kinds.heads)
            for each in segment_durations(recordings, number, 1 + len(labels))
        ]
        shortest = min((_shortest(each) for each in durations if each), default=np.inf)
        downsampling = next(each for each in DOWNSAMPLINGS if each == 1 or shortest >= STEPS_OF_SHORTEST * each)
        fit_window = min(fit_window, downsampling * sequence_size)
        window = RANGE_MULTIPLE * downsampling * sequence_size
    longest = max(recording.rows for recording in recordings)
    window = min(window, downsampling * -(-longest // downsampling))
    stride = max(downsampling, downsampling * round(STRIDE_SHARE * window / downsampling))
    return Shape(
        downsampling, window, stride, min(window, max(downsampling, fit_window // downsampling * downsampling))
    )


def _shortest(durations: list[int]) -> float:
    """How short the shortest segments of a class are [rows]: a percentile, half the shortest where there are few."""
    if len(durations) < ENOUGH_SEGMENTS:
        return 0.5 * min(durations)
    return float(np.percentile(durations, SHORTEST_PERCENTILE))


def _least_duration(durations: list[int]) -> int:
    if not durations:
        return 1
    if len(durations) < ENOUGH_SEGMENTS:
        return max(1, int(FEW_SHARE * min(durations)))
    return max(1, int(DURATION_SHARE * float(np.percentile(durations, SHORTEST_PERCENTILE))))


def _sure_duration(durations: list[int]) -> int:
    """Rows from which a run stays where its rows are sure of it, however few segments are as short."""
    return max(1, int(FEW_SHARE * min(durations))) if durations else 1
