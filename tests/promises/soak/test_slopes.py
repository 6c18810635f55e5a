import numpy as np
import pytest

from tests.promises.soak.slopes import LIMITS, after_warm_up, grows, slope

RSS, FILES = LIMITS[0], LIMITS[1]


def found_growing(values: list[float], limit: object = RSS) -> bool:
    return grows(slope(*after_warm_up(values)), limit)  # type: ignore[arg-type]


def test_a_leak_is_seen_through_noise() -> None:
    noise = np.random.default_rng(0).normal(0, 2, 30)
    assert found_growing([150 + 0.5 * minute + float(noise[minute]) for minute in range(30)])


def test_noise_without_growth_is_no_leak() -> None:
    for seed in range(50):
        assert not found_growing([150 + float(each) for each in np.random.default_rng(seed).normal(0, 2, 30)])


def test_growth_that_ends_with_the_warm_up_is_no_leak() -> None:
    assert not found_growing([100.0 + 10 * min(minute, 9) for minute in range(30)])


def test_one_descriptor_at_each_of_sixty_trainings_is_a_leak() -> None:
    assert found_growing([40.0 + 2 * minute for minute in range(30)], FILES)


def test_one_descriptor_in_ten_minutes_is_a_leak() -> None:
    assert found_growing([40.0 + minute // 10 for minute in range(60)], FILES)


def test_a_burst_at_the_end_is_not_taken_for_a_line() -> None:
    assert not found_growing([*[40.0] * 29, 41.0], FILES)


def test_the_slope_and_its_error_are_those_of_textbooks() -> None:
    found = slope([0, 1, 2, 3], [1, 3, 2, 5])
    assert found.value == pytest.approx(1.1)
    assert found.error == pytest.approx(np.sqrt(2.7 / 2 / 5))


def test_what_wanders_slowly_is_no_leak() -> None:
    minutes = np.arange(30)
    assert not found_growing(list(150 + 2 * np.sin(minutes / 6.0)))


def test_too_few_minutes_are_refused() -> None:
    with pytest.raises(ValueError, match="three points"):
        slope([0, 1], [1, 2])
