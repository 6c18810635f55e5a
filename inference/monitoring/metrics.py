"""Metrics for Prometheus. Names, units and labels are stable; labels have few values, at most PROJECTS projects.

A scrape reads nothing from the store: it shows what the last look found.
"""

import platform
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

from inference.monitoring.project_status import StatusCollector
from inference.monitoring.status_metrics import StatusMetrics
from inference.serving.model_cache import ModelCache
from inference.serving.predictor import Outcome
from inference.serving.webhooks import ANNOTATED, DELETED, START_TRAINING
from shared.retraining.runs import RunRecord

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
ACTIONS = frozenset({*ANNOTATED, *DELETED, START_TRAINING, "TASKS_CREATED", "PROJECT_UPDATED"})
REFUSALS = (
    "busy",  # MAX_REQUESTS of its kind are in progress: 503
    "memory",  # request bodies in memory reached their limit: 503
    "body",  # beyond MAX_BODY_MB: 413
    "head",  # headers too long, or too many requests before the first is answered: 431, 400
    "slow",  # slower than CLIENT_TIMEOUT_SECONDS: 408, or closed while receiving the answer
    "connections",  # beyond MAX_CONNECTIONS: closed
)
FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 100.0)
RUN_SECONDS = (10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200)


class ServerMetrics:
    """Metrics of one process. Thread-safe."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        self._requests = self._counter("tss_requests", "Requests answered.", "route", "result")
        self._request_seconds = self._histogram("tss_request_seconds", "Seconds to answer a request.", "route")
        self._in_flight = self._gauge("tss_requests_in_flight", "Requests being answered.")
        self._refused = self._counter(
            "tss_requests_refused", "Requests refused or cut off, by the limit that they met.", "reason"
        )
        for reason in REFUSALS:
            self._refused.labels(reason)
        self._connections = self._gauge("tss_connections", "Open connections.")
        self._stage_seconds = self._histogram(
            "tss_stage_seconds", "Seconds of a task's stages: fetch, parse, segment.", "stage"
        )
        self._tasks = self._counter(
            "tss_tasks", "Tasks answered, and why there was nothing to see (kind of error).", "outcome", "reason"
        )
        self._doubts = self._counter(
            "tss_doubts", "What was not understood for certain in answered tasks, by kind.", "kind"
        )
        self._rows = self._counter("tss_rows", "Rows of recordings that were segmented.")
        self._events = self._counter("tss_webhook_events", "Events received from Label Studio.", "action")
        self._runs = self._counter("tss_runs", "Trainings that ended.", "outcome")
        self._run_seconds = Histogram(
            "tss_run_seconds", "Seconds of trainings that ended.", buckets=RUN_SECONDS, registry=self.registry
        )
        self._store_errors = self._counter("tss_store_errors", "Calls of the store that failed.")
        self._label_studio_errors = self._counter("tss_label_studio_errors", "Calls of Label Studio that failed.")
        self._label_studio_up = self._gauge(
            "tss_label_studio_up", "1 if Label Studio answered when asked last, else 0."
        )
        Info("tss_build", "The program.", registry=self.registry).info(
            {"version": version, "python": platform.python_version()}
        )

    def watch(
        self, models: ModelCache, collector: StatusCollector, launch_error: Callable[[], Exception | None]
    ) -> None:
        """Add metrics of projects, models and launches, as of the last look at the store."""
        self.registry.register(StatusMetrics(models, collector, launch_error))

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry)

    def begin(self) -> None:
        """Count a request that begins."""
        self._in_flight.inc()

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count an answered request; `route` is one of the route table, or other."""
        self._in_flight.dec()
        self._requests.labels(route, f"{status // 100}xx").inc()
        self._request_seconds.labels(route).observe(seconds)

    def refused(self, reason: str) -> None:
        """Count a request refused by a limit; `reason` is one of REFUSALS."""
        self._refused.labels(reason).inc()

    def connected(self, count: int) -> None:
        """Set the number of open connections."""
        self._connections.set(count)

    def stage(self, name: str, seconds: float) -> None:
        """Record the duration of a task's stage."""
        self._stage_seconds.labels(name).observe(seconds)

    def task(self, outcome: Outcome) -> None:
        """Count an answered task."""
        result = "nothing" if outcome.reason else "segments" if outcome.segments else "empty"
        result = "suggestion" if outcome.suggests and not outcome.reason else result
        self._tasks.labels(result, outcome.kind).inc()
        self._rows.inc(outcome.rows)
        for doubt in outcome.doubts:
            self._doubts.labels(doubt.kind).inc()
        if outcome.kind in ("FetchError", "LabelStudioError"):
            self._label_studio_errors.inc()

    def event(self, action: str) -> None:
        """Count an event."""
        self._events.labels(action if action in ACTIONS else "other").inc()

    def run_ended(self, record: RunRecord) -> None:
        """Count a training that ended."""
        self._runs.labels(record.outcome or "failed").inc()
        if record.ended_at is not None and record.started_at:
            self._run_seconds.observe(max(0.0, record.ended_at - record.started_at))

    def store_failed(self) -> None:
        """Count a failed call to the store."""
        self._store_errors.inc()

    def label_studio(self, up: bool) -> None:
        """Record whether Label Studio answered."""
        self._label_studio_up.set(float(up))
        if not up:
            self._label_studio_errors.inc()

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(name, about, labels, registry=self.registry)

    def _gauge(self, name: str, about: str) -> Gauge:
        return Gauge(name, about, registry=self.registry)

    def _histogram(self, name: str, about: str, label: str) -> Histogram:
        return Histogram(name, about, [label], buckets=FAST, registry=self.registry)
