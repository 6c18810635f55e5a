import numpy as np

from shared.segmentation.recording_doubts import empty_channels, outliers, without_values

NAMES = ("eda", "acc")


def values(rows: int = 5000) -> np.ndarray:  # type: ignore[type-arg]
    return np.random.default_rng(0).normal([1, 0], [0.1, 1], (rows, 2))


def test_usual_values_are_not_doubted() -> None:
    usual = values()
    usual[7, 1] = 9  # a peak
    usual[8:20] = np.nan
    assert list(outliers(usual, NAMES)) == []


def test_rows_of_another_kind_are_reported_with_rows_channel_and_size() -> None:
    odd = values()
    odd[0, 0], odd[1, 0] = 1.5e9, 4
    (doubt,) = outliers(odd, NAMES)
    assert (doubt.kind, doubt.first_row) == ("outliers", 0)
    assert doubt.sentence.startswith("Row 0 of 'eda': far beyond all other values, 1.5e+09, 10^8 times as large,")
    odd[1, 0] = 64
    odd[np.arange(5, 5000, 20), 1] = -9999
    first, second = outliers(odd, NAMES)
    assert first.sentence.startswith("Rows 0 to 1 of 'eda'")
    assert second.sentence.startswith("250 rows (5, 25, 45 …) of 'acc'")
    assert second.share == 0.05


def test_infinite_values_are_reported_and_count_as_missing() -> None:
    odd = values()
    odd[7, 1], odd[8, 1] = np.inf, -1e39
    (doubt,) = outliers(odd, NAMES)
    assert (doubt.kind, doubt.first_row, doubt.share) == ("outliers", 7, 2 / 5000)
    assert doubt.sentence.startswith("Rows 7 to 8 of 'acc': infinite, or beyond 1e+38")


def test_a_channel_that_is_mostly_infinite_is_reported_without_a_warning() -> None:
    odd = values()
    odd[5:, 1] = np.inf
    assert [doubt.first_row for doubt in outliers(odd, NAMES)] == [5]


def test_channels_without_a_value_are_found_wherever_others_begin() -> None:
    some = values(40_000)
    some[:39_999] = np.nan
    assert empty_channels(some) == []
    some[:, 1] = np.inf
    assert empty_channels(some) == [1]
    (doubt,) = without_values(some, NAMES)
    assert doubt.kind == "empty-channel"
    assert "'acc' of 2 channels" in doubt.sentence
