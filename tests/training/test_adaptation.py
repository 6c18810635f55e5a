import numpy as np
from numpy.typing import NDArray

from training.adaptation import FURTHER, WIDER, Known, learn_adaptation


def recording(random: np.random.Generator, shift: float, counts: tuple[int, int] = (20, 4)) -> Known:
    """Events whose second label leads by 5 + shift or −5 + shift, with a standard deviation of 1."""
    labels: NDArray[np.int64] = np.repeat([0, 1], counts)
    leads = np.where(labels == 1, 5.0, -5.0) + shift + random.normal(0, 1, len(labels))
    second = 1 / (1 + np.exp(-leads))
    return Known(np.log(np.stack([1 - second, second], axis=1)), labels)


def test_centres_and_variances_are_those_of_the_recordings() -> None:
    random = np.random.default_rng(0)
    known = learn_adaptation([recording(random, random.normal(0, 2)) for _ in range(200)], 2)
    assert known is not None
    # A lead of l is a point (−l/2, l/2), at l/√2 along the only direction there is.
    np.testing.assert_allclose(known.centers, ((2.5, -2.5), (-2.5, 2.5)), atol=0.3)
    assert abs(known.within - WIDER * 0.5) < 0.1 * WIDER
    assert abs(known.between - FURTHER * 2.0) < 0.6 * FURTHER


def test_shares_that_vary_are_a_weak_law() -> None:
    random = np.random.default_rng(0)
    alike = learn_adaptation([recording(random, 0.0, (20, 4))] * 10, 2)
    varied = learn_adaptation([recording(random, 0.0, (24 - n, n)) for n in (0, 2, 22, 12, 24, 1)], 2)
    assert alike is not None
    assert varied is not None
    assert alike.amounts[0] > alike.amounts[1] > 0
    assert sum(alike.amounts) > 5 * sum(varied.amounts)


def test_one_label_and_one_recording_teach_nothing() -> None:
    random = np.random.default_rng(0)
    some = recording(random, 0.0)
    assert learn_adaptation([some], 2) is None
    assert learn_adaptation([some, Known(some.shares[:0], some.labels[:0])], 2) is None
    assert learn_adaptation([Known(np.zeros((3, 1)), np.zeros(3, np.int64))] * 3, 1) is None


def test_a_label_that_no_event_has_gets_a_place_of_its_own() -> None:
    random = np.random.default_rng(0)
    known = learn_adaptation([recording(random, 0.0, (10, 0))] * 3, 2)
    assert known is not None
    assert known.centers[1][1] > known.centers[1][0]
    assert known.amounts[1] > 0
