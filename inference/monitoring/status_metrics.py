"""Metrics of what the last look at the store found: totals, and series for the most active projects."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from heapq import nlargest

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from inference.monitoring.project_status import ProjectStatus, StatusCollector
from inference.serving.model_cache import ModelCache
from shared.errors import ClusterError, StoreError
from shared.supervision import hanging

PROJECTS = 500  # with series of their own: those in trouble, those that train, those that changed last
LAUNCH_TROUBLES = (
    "forbidden",  # by the API server: role, binding, quota, or an unknown token
    "missing",  # there is no CronJob, or no namespace
    "refused",  # the Job made from the CronJob's template
    "unreachable",  # the API server does not answer, or with an error of its own
    "store",
    "other",
)


class StatusMetrics(Collector):
    """Metrics of what the last look at the store found."""

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
        """Names and descriptions."""
        return self._families([])

    def collect(self) -> Iterator[Metric]:
        """Current values."""
        return self._families(self._collector.known())

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
        for each in most_active(statuses, PROJECTS):
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
            for name, value in (summary.people if summary else {}).items():
                quality.add_metric([project, name], value)
        yield from (waiting, age, training, starting, success, failures, served, refused, outdated, quality)
        failing = GaugeMetricFamily(
            "tss_launches_failing", "1 if trainings cannot be started, by reason, else 0.", labels=["reason"]
        )
        error = self._launch_error()
        for reason in LAUNCH_TROUBLES:
            failing.add_metric([reason], float(error is not None and _trouble(error) == reason))
        yield failing
        yield GaugeMetricFamily("tss_projects", "Known projects.", len(statuses))
        yield from _totals(statuses, now)
        yield GaugeMetricFamily(
            "tss_store_look_age_seconds",
            "Seconds since all of the store was looked at; +Inf before the first time.",
            self._collector.age(),
        )
        late = len(hanging(threading.enumerate()))
        yield GaugeMetricFamily("tss_threads_hanging", "Background threads that stand still.", late)
        yield GaugeMetricFamily("tss_models_loaded", "Models in memory.", len(self._models.loaded()))
        yield CounterMetricFamily("tss_refusals", "Models that failed their checks.", self._models.refusals)
        yield CounterMetricFamily("tss_swaps", "Models replaced by a newer version.", self._models.swaps)


def most_active(statuses: Iterable[ProjectStatus], most: int) -> list[ProjectStatus]:
    """Projects in trouble, then those that train, then those that changed last."""

    def rank(each: ProjectStatus) -> tuple[bool, bool, float, int]:
        last = each.runs.last
        trouble = bool(each.refused or each.error or (last and last.failures))
        trains = bool(each.runs.active or each.launched)
        changed = max(
            each.last_success or 0.0, (last and last.ended_at) or 0.0, each.updates[-1].at if each.updates else 0
        )
        return trouble, trains, changed, -each.project

    return nlargest(most, statuses, key=rank)


def _trouble(error: Exception) -> str:
    """One of LAUNCH_TROUBLES."""
    if isinstance(error, ClusterError):
        return error.kind
    return "store" if isinstance(error, StoreError) else "other"


def _gauge(name: str, about: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, labels=["project", *labels])


def _totals(statuses: list[ProjectStatus], now: float) -> Iterator[Metric]:
    """Of all projects, also those without series of their own."""
    oldest = min((each.updates[0].at for each in statuses if each.updates), default=now)
    waiting = sum(each.waiting for each in statuses)
    active = sum(each.runs.active is not None for each in statuses)
    starting = sum(each.launched is not None for each in statuses)
    failing = sum(bool(each.runs.last and each.runs.last.failures) for each in statuses)
    refused = sum(bool(each.refused) for each in statuses)
    without = sum(not each.version for each in statuses)
    for name, about, value in (
        ("tss_all_updates_waiting", "Updates not yet trained on, of all projects.", waiting),
        ("tss_all_oldest_update_age_seconds", "Age of the oldest update that waits.", max(0.0, now - oldest)),
        ("tss_all_runs_active", "Trainings that go on.", active),
        ("tss_all_runs_starting", "Runs that were launched and have not reported yet.", starting),
        ("tss_projects_failing", "Projects whose last training failed.", failing),
        ("tss_projects_refused", "Projects whose model failed its checks.", refused),
        ("tss_projects_without_model", "Known projects that no model serves.", without),
    ):
        yield GaugeMetricFamily(name, about, value)
