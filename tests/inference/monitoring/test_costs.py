"""Regressions of a request's cost are caught by counting what it does, never by a clock."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from inference.serving import predictor
from inference.web import app
from shared.segmentation.segmenter import Segmenter
from tests.inference.conftest import VALUES, Publish, Serve, batch

TASKS = 12


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each of the steps of a prediction is taken."""
    counted: Counter[str] = Counter()

    def watch(owner: Any, name: str) -> None:
        work: Callable[..., Any] = getattr(owner, name)

        def observed(*args: Any, **kwargs: Any) -> Any:
            counted[name] += 1
            return work(*args, **kwargs)

        monkeypatch.setattr(owner, name, observed)

    for name in ("decode_predict", "encode_results"):
        watch(app, name)
    for name in ("parse_label_config", "decode_task", "read_series", "to_regions"):
        watch(predictor, name)
    for name in ("load", "segment"):
        watch(Segmenter, name)
    predictor._remembered.cache_clear()
    return counted


def test_a_batch_is_decoded_and_encoded_once_and_each_recording_read_once(
    serve: Serve, publish: Publish, count: Counter[str]
) -> None:
    publish()
    with serve() as client:
        assert len(client.post("/predict", content=batch(*[{"value": VALUES}] * TASKS)).json()["results"]) == TASKS
    assert count["decode_predict"] == count["encode_results"] == 1
    assert count["decode_task"] == count["read_series"] == count["segment"] == count["to_regions"] == TASKS


def test_a_model_is_loaded_and_a_configuration_parsed_once_for_many_requests(
    serve: Serve, publish: Publish, count: Counter[str]
) -> None:
    publish()
    with serve() as client:
        for _ in range(5):
            client.post("/predict", content=batch({"value": VALUES}))
    assert count["load"] == count["parse_label_config"] == 1
    assert count["read_series"] == 5
