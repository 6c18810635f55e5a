"""How good predictions are, computed from the regions that Label Studio holds and nothing of the project's own code."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.e2e.series import BACKGROUND, Recording, Segment


@dataclass(frozen=True)
class Scores:
    """Share of rows with the right label (background is one), and F1 of segments that overlap by half or more."""

    frame_accuracy: float
    segment_f1_50: float

    def __str__(self) -> str:
        return f"frame accuracy {self.frame_accuracy:.3f}, segment F1@50 {self.segment_f1_50:.3f}"


def score(reference: Sequence[Recording], predicted: Sequence[Sequence[Segment]]) -> Scores:
    """Scores over all rows and all segments of `reference`, pooled.

    Segment F1@50 as in temporal action segmentation (Lea et al. 2017): a predicted segment is right when it shares its
    label and at least half of its union with a true segment that no earlier one has taken.
    """
    right_rows = right_segments = 0
    for recording, segments in zip(reference, predicted, strict=True):
        pairs = zip(_rows(recording.segments, recording.rows), _rows(segments, recording.rows), strict=True)
        right_rows += sum(true == guess for true, guess in pairs)
        right_segments += _matches(recording.segments, segments)
    true_segments = sum(len(recording.segments) for recording in reference)
    predicted_segments = sum(len(segments) for segments in predicted)
    return Scores(
        right_rows / sum(recording.rows for recording in reference),
        2 * right_segments / (true_segments + predicted_segments),
    )


def _rows(segments: Sequence[Segment], count: int) -> list[str]:
    labels = [BACKGROUND] * count
    for segment in segments:
        for row in range(max(segment.first, 0), min(segment.last + 1, count)):
            labels[row] = segment.label
    return labels


def _matches(true: Sequence[Segment], predicted: Sequence[Segment]) -> int:
    free = list(true)
    matches = 0
    for guess in predicted:
        candidates = [segment for segment in free if segment.label == guess.label]
        best = max(candidates, key=lambda segment: _overlap(segment, guess), default=None)
        if best is not None and _overlap(best, guess) >= 0.5:
            free.remove(best)
            matches += 1
    return matches


def _overlap(one: Segment, other: Segment) -> float:
    shared = min(one.last, other.last) - max(one.first, other.first) + 1
    union = max(one.last, other.last) - min(one.first, other.first) + 1
    return max(shared, 0) / union
