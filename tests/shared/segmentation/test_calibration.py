import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.model_file.card import Calibration
from shared.segmentation.calibration import calibrate, log_probabilities


def test_without_temperature_and_bias_probabilities_stay_as_they_are() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(4), size=50).astype(np.float32)
    np.testing.assert_allclose(calibrate(log_probabilities(probabilities), Calibration()), probabilities, atol=1e-6)


def test_calibration_is_the_softmax_of_shifted_and_tempered_logarithms() -> None:
    probabilities = np.random.default_rng(1).dirichlet(np.ones(3), size=20).astype(np.float32)
    found = calibrate(log_probabilities(probabilities), Calibration(temperature=2.5, bias=(0.5, -1.0, 0.0)))
    raised = np.exp((np.log(probabilities.astype(np.float64)) + np.array([0.5, -1.0, 0.0])) / 2.5)
    np.testing.assert_allclose(found, raised / raised.sum(axis=1, keepdims=True), rtol=1e-4)


@given(rows=st.integers(1, 5), classes=st.integers(2, 5), temperature=st.floats(0.01, 100))
def test_any_rows_sum_to_one_and_inputs_are_left_alone(rows: int, classes: int, temperature: float) -> None:
    probabilities = np.eye(classes, dtype=np.float32)[np.arange(rows) % classes]
    logs = log_probabilities(probabilities)
    before = logs.copy()
    found = calibrate(logs, Calibration(temperature=temperature, bias=(1.0,) * classes))
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    assert (logs == before).all()
