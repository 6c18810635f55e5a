import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from numpy.typing import NDArray

from shared.labelling.segments import Segment
from shared.model_file.card import Calibration, InstantHead
from shared.segmentation.instant_decoder import InstantDecoder
from shared.segmentation.scores import calibrate, log_probabilities

Floats = NDArray[np.float32]


def make_head(half_width: int = 2, spacing: int = 6, threshold: float = 0.4) -> InstantHead:
    return InstantHead(
        labels=("beat", "extra"),
        spacing=(spacing, spacing),
        threshold=(threshold, threshold),
        half_width=half_width,
        calibration=Calibration(temperature=1.5, bias=(0.0, 0.1, 0.2)),
    )


def random_probabilities(rows: int, seed: int) -> Floats:
    """Three classes that wander; every third one in coarse steps, so that there are flat tops."""
    rng = np.random.default_rng(seed)
    logits = np.cumsum(rng.normal(size=(rows, 3)), axis=0) * rng.uniform(0.1, 1)
    logits = logits if seed % 3 else np.round(logits)
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)


def naive(head: InstantHead, probabilities: Floats) -> list[Segment]:
    """All rows at once: each row that is the first of a flat or pointed top is looked at on its own."""
    rows, reach = len(probabilities), head.half_width
    padded = np.concatenate([np.zeros(reach), 1.0 - probabilities[:, 0].astype(np.float64), np.zeros(4 * reach + 4)])
    smooth = [
        round(float(padded[row : row + 2 * reach + 1].sum()) / (reach + 1), 9) for row in range(rows + 2 * reach + 4)
    ]
    peaks = []
    for row in range(rows):
        if (row and smooth[row - 1] >= smooth[row]) or not smooth[row]:
            continue
        end = row + 1
        while end < row + 2 * reach + 3 and smooth[end] == smooth[row]:
            end += 1
        if end < row + 2 * reach + 3 and smooth[end] > smooth[row]:
            continue
        middle = min(row + (end - row - 1) // 2, rows - 1)
        around = probabilities[max(middle - reach // 2, 0) : middle + reach // 2 + 1]
        class_index = 1 + int(around[:, 1:].sum(axis=0, dtype=np.float64).argmax())
        if smooth[row] >= head.threshold[class_index - 1]:
            peaks.append((-smooth[row], middle, class_index))
    kept: list[tuple[int, int]] = []
    for _, row, class_index in sorted(peaks):
        if all(abs(row - other) >= head.spacing[class_index - 1] for other, _ in kept):
            kept.append((row, class_index))
    segments = []
    for row, class_index in sorted(kept):
        score = float(calibrate(log_probabilities(probabilities[row : row + 1]), head.calibration)[0, class_index])
        segments.append(Segment(row, row, head.labels[class_index - 1], score, instant=True))
    return segments


def streamed(head: InstantHead, probabilities: Floats, block: int, open_peaks: int = 10**5) -> list[Segment]:
    decoder = InstantDecoder(head, open_peaks)
    for first in range(0, len(probabilities), block):
        decoder.add(probabilities[first : first + block])
    return decoder.finish()


def bumps(rows: int, at: list[int], half_width: int, label: int = 1) -> Floats:
    """Rows around each event that speak for it as the target of training does: a triangle."""
    probabilities = np.zeros((rows, 3), np.float32)
    for row in at:
        away = np.abs(np.arange(rows) - row)
        probabilities[:, label] += np.maximum(1 - away / (half_width + 1), 0).astype(np.float32)
    probabilities[:, 0] = 1 - probabilities[:, 1:].sum(axis=1)
    return probabilities


@given(
    rows=st.integers(1, 300),
    seed=st.integers(0, 10**6),
    block=st.integers(1, 80),
    half_width=st.integers(0, 6),
    spacing=st.integers(1, 30),
)
@settings(max_examples=300)
def test_the_streamed_decoder_equals_the_naive_one(
    rows: int, seed: int, block: int, half_width: int, spacing: int
) -> None:
    head = make_head(half_width, spacing, threshold=0.3)
    probabilities = random_probabilities(rows, seed)
    found, expected = streamed(head, probabilities, block), naive(head, probabilities)
    assert [(each.first, each.label) for each in found] == [(each.first, each.label) for each in expected]
    np.testing.assert_allclose([each.score for each in found], [each.score for each in expected], rtol=1e-3, atol=1e-5)
    assert all(each.instant and each.first == each.last for each in found)


@pytest.mark.parametrize("half_width", [0, 1, 2, 5, 12])
def test_an_event_is_found_at_its_row(half_width: int) -> None:
    at = [40, 80, 200]
    found = streamed(make_head(half_width, spacing=8), bumps(300, at, half_width), 64)
    assert [each.first for each in found] == at


def test_events_at_both_ends_of_a_recording_are_found() -> None:
    first, last = streamed(make_head(half_width=3), bumps(100, [0, 99], 3), 16)
    assert first.first <= 2
    assert last.first >= 97


def test_of_two_peaks_closer_than_the_spacing_the_taller_stays() -> None:
    probabilities = bumps(60, [30], 2)
    probabilities[36:39] = [0.4, 0.6, 0.0]
    assert len(streamed(make_head(2, spacing=3, threshold=0.2), probabilities, 7)) == 2
    assert [each.first for each in streamed(make_head(2, spacing=10, threshold=0.2), probabilities, 7)] == [30]


def test_the_label_is_the_one_with_the_most_probability_in_the_inner_half() -> None:
    probabilities = bumps(60, [30], 4, label=2)
    probabilities[30] = [0.0, 0.9, 0.1]
    probabilities[[26, 27, 33, 34]] = [0.1, 0.9, 0.0]
    (found,) = streamed(make_head(4), probabilities, 60)
    assert (found.first, found.label) == (30, "extra")


def test_the_score_is_the_calibrated_probability_at_the_events_row() -> None:
    probabilities = bumps(60, [30], 2) * np.float32(0.8)
    probabilities[:, 0] = 1 - probabilities[:, 1:].sum(axis=1)
    (found,) = streamed(make_head(2), probabilities, 60)
    raised = np.array([0.2, 0.8 * np.exp(0.1), 1e-7 * np.exp(0.2)]) ** (1 / 1.5)
    assert found.score == pytest.approx(raised[1] / raised.sum(), rel=1e-4)


def test_evidence_below_the_threshold_is_no_event() -> None:
    probabilities = bumps(60, [], 2)
    probabilities[30] = [0.1, 0.9, 0.0]  # .9 of the 3 of a perfect event
    assert streamed(make_head(2, threshold=0.31), probabilities, 60) == []
    assert len(streamed(make_head(2, threshold=0.29), probabilities, 60)) == 1


def test_each_label_has_its_own_threshold() -> None:
    head = InstantHead(labels=("beat", "extra"), spacing=(6, 6), threshold=(0.2, 0.6), half_width=2)
    weak = bumps(60, [30], 2, label=2) * np.float32(0.5)
    weak[:, 0] = 1 - weak[:, 1:].sum(axis=1)
    assert streamed(head, weak, 60) == []
    assert len(streamed(head, weak[:, [0, 2, 1]], 60)) == 1


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_an_event_in_a_recording_shorter_than_its_target_lies_inside(rows: int) -> None:
    (found,) = streamed(make_head(half_width=5, threshold=0.1), np.tile(np.array([0, 1, 0], np.float32), (rows, 1)), 8)
    assert 0 <= found.first < rows


def test_a_recording_without_rows_has_no_events() -> None:
    assert InstantDecoder(make_head()).finish() == []


def test_open_peaks_stay_bounded_where_peaks_never_end() -> None:
    decoder = InstantDecoder(make_head(half_width=0, spacing=50, threshold=0.2), open_peaks=100)
    rows = np.tile(np.array([[0.1, 0.9, 0.0], [0.9, 0.1, 0.0]], np.float32), (200, 1))
    for _ in range(30):
        decoder.add(rows)
        assert len(decoder._open.rows) <= 300
    found = [each.first for each in decoder.finish()]
    assert found == sorted(found)
    assert len(found) == pytest.approx(30 * 400 / 50, rel=0.1)


def test_context_stays_bounded_whatever_the_length() -> None:
    decoder = InstantDecoder(make_head(half_width=4))
    for _ in range(50):
        decoder.add(bumps(100, [50], 4))
        assert len(decoder._rows) <= 5 + 3 * 4 + 2


def test_a_card_from_before_there_were_blocks_labels_a_recording_as_a_whole() -> None:
    """300 events of one label whose level wanders: at once they split in two, in blocks they do not."""
    rows = 20 * np.arange(300) + 10
    extra = 1 / (1 + np.exp(2.0 - 4.0 * np.sin(np.arange(300) / 40)))
    probabilities = np.tile(np.array([0.98, 0.01, 0.01], np.float32), (6000, 1))
    probabilities[rows] = np.stack([np.full(300, 0.05), 0.95 * (1 - extra), 0.95 * extra], axis=1)
    new = replace(make_head(half_width=0), event_label_prior=(15.0, 1.7), event_labelling="blocks")
    stored = msgspec.to_builtins(new)
    del stored["event_labelling"]
    old = msgspec.convert(stored, InstantHead)
    found = {}
    for head in (new, old):
        decoder = InstantDecoder(head)
        decoder.add(probabilities)
        found[head.event_labelling] = sum(segment.label == "extra" for segment in decoder.finish())
    assert found["blocks"] == 0 < 100 < found["whole"]


def test_events_are_clear_where_their_evidence_speaks_for_one_label() -> None:
    def clearness(*labels: float) -> float | None:
        rows = np.tile(np.array([1.0, 0.0, 0.0], np.float32), (40, 1))
        for row, share in enumerate((1 / 3, 2 / 3, 1, 2 / 3, 1 / 3), 18):
            rows[row, 1:] = share * np.array(labels)
            rows[row, 0] = 1 - rows[row, 1:].sum()
        decoder = InstantDecoder(make_head())
        decoder.add(rows)
        decoder.finish()
        return decoder.clearness

    assert clearness(1.0, 0.0) == pytest.approx(1.0, abs=1e-3)
    assert clearness(0.7, 0.3) == pytest.approx(0.7, abs=1e-3)
    assert clearness(0.5, 0.0) == pytest.approx(0.5, abs=1e-3)
    assert clearness(0.0, 0.0) is None
