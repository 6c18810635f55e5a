"""Metrics for Prometheus. Names, units and labels are stable; labels have few values, at most PROJECTS projects."""

import platform
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from inference.monitoring.project_status import ProjectStatus, StatusCollector
from inference.serving.model_cache import ModelCache
from inference.serving.predictor import Outcome
from inference.serving.webhooks import ANNOTATED, DELETED, START_TRAINING
from shared.errors import ClusterError, StoreError
from shared.retraining.runs import RunRecord

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PROJECTS = 500  # with series of their own
ACTIONS = frozenset({*ANNOTATED, *DELETED, START_TRAINING, "TASKS_CREATED", "PROJECT_UPDATED"})
REFUSALS = (
    "busy",  # MAX_REQUESTS of its kind are in progress: 503
    "memory",  # request bodies in memory reached their limit: 503
    "body",  # beyond MAX_BODY_MB: 413
    "head",  # headers too long, or too many requests before the first is answered: 431, 400
    "slow",  # slower than CLIENT_TIMEOUT_SECONDS: 408, or closed while receiving the answer
    "connections",  # beyond MAX_CONNECTIONS: closed
)
LAUNCH_TROUBLES = (
    "forbidden",  # by the API server: role, binding, quota, or an unknown token
    "missing",  # there is no CronJob, or no namespace
    "refused",  # the Job made from the CronJob's template
    "unreachable",  # the API server does not answer, or with an error of its own
    "store",
    "other",
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
        """Add metrics of projects, models and launches, read at each scrape."""
        self.registry.register(_StatusMetrics(models, collector, launch_error))

    def text(self) -> bytes:
        """All metrics in Prometheus's text format. May read the store."""
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


class _StatusMetrics(Collector):
    """Metrics that are read from the store at each scrape."""

    def __init__(
        self,
        models: ModelCache,
        collector: StatusCollector,
        launch_error: Callable[[], Exception | None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._launch_error = launch_error
        self._models = models
        self._collector = collector
        self._now = now

    def describe(self) -> Iterable[Metric]:
        """Names and descriptions, without reading the store."""
        return self._families([])

    def collect(self) -> Iterator[Metric]:
        """Current values."""
        return self._families(self._collector.statuses())

    def _families(self, statuses: list[ProjectStatus]) -> Iterator[Metric]:
        now = self._now()
        waiting = GaugeMetricFamily("tss_updates_waiting", "Updates not yet trained on.", labels=["project"])
        age = GaugeMetricFamily(
            "tss_oldest_update_age_seconds", "Age of the oldest waiting update.", labels=["project"]
        )
        training = GaugeMetricFamily("tss_run_active", "1 while a training goes on.", labels=["project"])
        starting = _gauge("tss_run_starting", "1 while a run that was launched has not reported yet.")
        success = GaugeMetricFamily(
            "tss_last_success_timestamp_seconds", "When a training was last finished.", labels=["project"]
        )
        failures = GaugeMetricFamily("tss_run_failures", "Trainings in a row that failed.", labels=["project"])
        served = GaugeMetricFamily("tss_model_info", "The version that serves.", labels=["project", "version"])
        refused = GaugeMetricFamily(
            "tss_model_refused", "1 if the model that should serve failed its checks.", labels=["project"]
        )
        outdated = _gauge(
            "tss_model_outdated", "1 if the model was trained by older rules for what annotations mean, else 0."
        )
        quality = GaugeMetricFamily(
            "tss_model_quality",
            "Figures of the version that serves, on held-out recordings.",
            labels=["project", "figure"],
        )
        for each in islice(statuses, PROJECTS):
            project = str(each.project)
            waiting.add_metric([project], each.waiting)
            age.add_metric([project], max(0.0, now - each.updates[0].at) if each.updates else 0.0)
            training.add_metric([project], float(each.runs.active is not None))
            starting.add_metric([project], float(each.launched is not None))
            failures.add_metric([project], float(each.runs.last.failures if each.runs.last else 0))
            refused.add_metric([project], float(bool(each.refused)))
            outdated.add_metric([project], float(each.outdated))
            if each.last_success is not None:
                success.add_metric([project], each.last_success)
            if each.version:
                served.add_metric([project, each.version], 1.0)
            summary = each.summaries.get(each.version)
            for name, estimate in (summary.estimates if summary else {}).items():
                quality.add_metric([project, name], estimate.value)
        yield from (waiting, age, training, starting, success, failures, served, refused, outdated, quality)
        failing = GaugeMetricFamily(
            "tss_launches_failing", "1 if trainings cannot be started, by reason, else 0.", labels=["reason"]
        )
        error = self._launch_error()
        for reason in LAUNCH_TROUBLES:
            failing.add_metric([reason], float(error is not None and _trouble(error) == reason))
        yield failing
        yield GaugeMetricFamily("tss_projects", "Known projects.", len(statuses))
        yield GaugeMetricFamily("tss_models_loaded", "Models in memory.", len(self._models.loaded()))
        yield CounterMetricFamily("tss_refusals", "Models that failed their checks.", self._models.refusals)
        yield CounterMetricFamily("tss_swaps", "Models replaced by a newer version.", self._models.swaps)


def _trouble(error: Exception) -> str:
    """One of LAUNCH_TROUBLES."""
    if isinstance(error, ClusterError):
        return error.kind
    return "store" if isinstance(error, StoreError) else "other"


def _gauge(name: str, about: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, labels=["project", *labels])
