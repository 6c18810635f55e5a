"""Predictions for a batch of tasks as Label Studio imports them, through the code that answers /predict."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import msgspec

from inference.preannotation.records import Counts, DoubtCount
from inference.serving.model_cache import ModelCache
from inference.serving.predictor import Outcome, Predictor
from inference.serving.protocol import PredictCall, Prediction
from shared.label_studio.fetcher import Fetcher
from shared.label_studio.messages import OpenTask, Project
from shared.settings import Settings

BATCH = 50  # tasks predicted at a time
NO_LIMIT = 86400.0  # seconds for a batch


class BatchPredictor:
    """Predicts batches, one after another."""

    def __init__(self, settings: Settings, fetcher: Fetcher, models: ModelCache) -> None:
        self._reasons: Counter[str] = Counter()
        self._doubts: dict[str, DoubtCount] = {}
        self._predictor = Predictor(
            models,
            fetcher,
            replace(settings, predict_budget_seconds=NO_LIMIT),
            observe=self._observe,
            stage=lambda *_: None,
        )

    def close(self) -> None:
        """End the threads."""
        self._predictor.close()

    def predict(self, project: Project, batch: Sequence[OpenTask]) -> tuple[list[dict[str, Any]], Counts]:
        """Predictions, and the counts of tasks without one, with all reasons and doubts of the batch."""
        call = PredictCall(
            tasks=[msgspec.Raw(msgspec.json.encode({"id": task.id, "data": task.data})) for task in batch],
            project=f"{project.id}.{project.created}",
            label_config=project.label_config,
        )
        answers = asyncio.run(self._predictor.predict(call))
        found: list[dict[str, Any]] = [
            {"task": task.id, "result": answer.result, "score": answer.score, "model_version": answer.model_version}
            for task, answer in zip(batch, answers, strict=True)
            if isinstance(answer, Prediction)
        ]
        counts = Counts(failed=len(batch) - len(found), reasons=dict(self._reasons), doubts=self._doubts)
        self._reasons, self._doubts = Counter(), {}
        return found, counts

    def _observe(self, outcome: Outcome) -> None:
        if outcome.reason:
            self._reasons[outcome.reason[:300]] += 1
        for kind, sentence in {doubt.kind: doubt.sentence for doubt in reversed(outcome.doubts)}.items():
            before = self._doubts.get(kind) or DoubtCount(example=f"task {outcome.task}: {sentence[:500]}")
            self._doubts[kind] = DoubtCount(tasks=before.tasks + 1, example=before.example)


def batches_of(tasks: Sequence[OpenTask]) -> Iterator[Sequence[OpenTask]]:
    """Tasks in batches of at most BATCH."""
    rest = iter(tasks)
    while batch := list(islice(rest, BATCH)):
        yield batch
