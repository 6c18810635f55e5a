"""What the routes stand on: store, models, predictor and control loop, made from the settings."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, ParamSpec, TypeVar

from inference.launchers.choose import choose_launcher
from inference.monitoring.activity_log import ActivityLog
from inference.monitoring.counting_storage import CountingStorage
from inference.monitoring.diagnosis import Diagnoser
from inference.monitoring.label_studio_monitor import LabelStudioMonitor
from inference.monitoring.metrics import ServerMetrics
from inference.monitoring.project_status import StatusCollector
from inference.serving.model_cache import ModelCache
from inference.serving.predictor import Outcome, Predictor
from inference.serving.protocol import UNTRAINED, Prediction, ProjectRef, SetupCall
from inference.serving.webhooks import START_TRAINING, WebhookEvent
from inference.version import program_version
from shared.digits import read_digits
from shared.errors import LabelConfigError, StoreError, UntrainedError
from shared.label_studio.client import LabelStudio
from shared.label_studio.credentials import Credentials
from shared.label_studio.fetcher import Fetcher
from shared.label_studio.request import display_url
from shared.labelling.label_config import parse_label_config
from shared.net.connections import Connections
from shared.recordings.series import cell_limit
from shared.retraining.controller import Controller, make_reconciler
from shared.retraining.runs import RunRecord, Runs
from shared.retraining.updates import Updates
from shared.settings import Settings
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.projects import KnownProject, KnownProjects

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)

QUICK_THREADS = (
    4  # store writes of a few milliseconds; apart from predictions, so that an event never queues behind one
)
PAGE_THREADS = 2  # pages and metrics look through the whole store: they wait for it on their own
SWAP_SECONDS = 0.5  # how often models in use are compared with the store


class Services:
    """Made once a process; `start` and `close` frame its life."""

    def __init__(self, settings: Settings, *, hide: Callable[[str], object] = str) -> None:
        """`hide` is told each secret that turns up later, to keep it out of the log."""
        self._settings = settings
        self._hide = hide
        self.metrics = ServerMetrics(program_version())
        self.activity_log = ActivityLog()
        storage = CountingStorage(open_storage(settings.model_dir), self.metrics.store_failed)
        self.storage = storage
        self.store = ModelStore(storage, keep_versions=settings.keep_versions)
        self.updates = Updates(storage)
        self.projects = KnownProjects(storage)
        self.runs = Runs(storage)
        connections = Connections()
        self.credentials = Credentials(settings, connections)
        self.models = ModelCache(self.store, cache_size=settings.model_cache_size)
        fetcher = Fetcher(settings, self.credentials, connections)
        self.predictor = Predictor(self.models, fetcher, settings, observe=self._observe, stage=self.metrics.stage)
        self.status_collector = StatusCollector(
            self.store, self.runs, self.updates, self.projects, ended=self._run_ended
        )
        self.metrics.watch(self.models, self.status_collector)
        self.launcher = choose_launcher(settings, self.runs, self.credentials)
        reconciler = make_reconciler(storage, self.credentials, connections)
        self.control = Controller(settings, storage, self.launcher, reconciler)
        label_studio = LabelStudio(self.credentials, connections)
        self.studio = LabelStudioMonitor(
            label_studio,
            self.credentials,
            self.projects,
            display_url(self.credentials.base_url),
            told=self.metrics.studio,
        )
        self.examiner = Diagnoser(self.models, fetcher, label_studio, self.projects, cell_limit(settings.max_series_mb))
        self._quick = ThreadPoolExecutor(QUICK_THREADS, "quick")
        self._pages = ThreadPoolExecutor(PAGE_THREADS, "pages")
        self._closing = threading.Event()
        self._ready = threading.Event()
        self._threads = [
            threading.Thread(target=self._warm_up, name="warm-up", daemon=True),
            threading.Thread(target=self._swap, name="swap", daemon=True),
            threading.Thread(target=self.studio.run, args=(self._closing,), name="studio", daemon=True),
        ]

    def start(self) -> None:
        """Start the loops."""
        for thread in self._threads:
            thread.start()
        self.control.start()

    def close(self) -> None:
        """Finish what runs, stop the loops, end the trainings of this process."""
        self._closing.set()
        self.control.stop()
        self.launcher.close()
        self.predictor.close()
        self.examiner.close()
        self._quick.shutdown()
        self._pages.shutdown()

    def not_ready(self) -> str:
        """Why no requests should come, "" if they may."""
        if self._closing.is_set():
            return "draining: this server is about to end"
        return "" if self._ready.is_set() else "starting: libraries are being loaded"

    async def run_in_io_pool(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do something short that may block, outside the event loop."""
        return await _aside(self._quick, work, *args, **kwargs)

    async def run_in_page_pool(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do something that looks through the store; nothing that Label Studio waits for queues behind it."""
        return await _aside(self._pages, work, *args, **kwargs)

    # What routes ask for; called in threads

    def connect(self, project: ProjectRef, call: SetupCall) -> str:
        """A project connects: remember it, use its token where that is allowed, say which version would answer."""
        token = call.access_token or ""
        had_token = self.credentials.kind != "none"
        if call.hostname and token:
            self._hide(token)
            if self.credentials.adopt(call.hostname, token) and not had_token:
                self.control.reconcile_soon(*self.projects.ids())  # what happened before there was a token
        try:
            if project.id:  # 0 is nobody's: Label Studio counts from 1
                self._remember(project, call.schema, hostname=call.hostname)
        except StoreError as error:
            log.warning("A project could not be remembered: %s", error, extra={"project": project.id})
        try:
            return self.models.version(project)
        except UntrainedError:  # connecting a project that has annotations already trains it
            self.control.reconcile_soon(project.id)
            return UNTRAINED

    def record_event(self, event: WebhookEvent) -> str:
        """Write an event down if it matters; returns its job, "" if it does not matter."""
        log.info("Event %s.", event.action, extra={"project": event.project.id if event.project else None})
        self.metrics.event(event.action)
        if event.project is None:
            if event.matters:
                self.control.reconcile_soon(*self.projects.ids())
                self.activity_log.note(None, event.action, "It names no project: all are compared with Label Studio.")
            return ""
        matters = event.matters or (event.fingerprint != "" and self._is_news(event.project, event.fingerprint))
        if not matters:
            self.activity_log.note(event.project.id, event.action, "Nothing to learn from it.")
            return ""
        update = self.updates.add(event.project.id, event.action, time.time(), weight=event.weight)
        self.control.wake()
        self.status_collector.touch(event.project.id)
        self.activity_log.note(event.project.id, event.action, f"Written down as {event.weight} waiting update(s).")
        return update.job

    def train(self, project: ProjectRef) -> str:
        """Have a project trained now; returns the job."""
        update = self.updates.add(project.id, START_TRAINING, time.time())
        self.control.wake()
        self.status_collector.touch(project.id)
        self.activity_log.note(project.id, START_TRAINING, "A training starts as soon as there is room for it.")
        return update.job

    def versions(self, project: ProjectRef | None) -> list[str]:
        """Names of kept versions, newest first."""
        ids = self.store.projects() if project is None else [project.id]
        return sorted((version.name for each in ids for version in self.store.versions(each)), reverse=True)

    def job(self, job: str) -> dict[str, Any]:
        """What became of a START_TRAINING."""
        project = read_digits(job.partition("-")[0])
        if project is not None:
            for run in self.runs.history(project):
                if job in run.buttons:
                    state = "running" if run.outcome is None else run.outcome
                    return {"job": job, "job_status": state, "reason": run.reason, "version": run.version}
            if any(update.job == job for update in self.updates.of(project)):
                return {"job": job, "job_status": "queued", "reason": "", "version": ""}
        return {"job": job, "job_status": "unknown", "reason": "No such job is remembered.", "version": ""}

    def is_training(self, project: ProjectRef) -> bool:
        """Whether a run of this project goes on."""
        return self.runs.state(project.id).active is not None

    def _remember(self, project: ProjectRef, schema: str, *, hostname: str | None) -> None:
        known = self.projects.get(project.id)
        self.projects.remember(
            KnownProject(
                id=project.id,
                created=project.created,
                title=known.title if known else "",
                label_config=schema,
                fingerprint=_fingerprint(schema),
                hostname=hostname or "",
            )
        )

    def _is_news(self, project: ProjectRef, fingerprint: str) -> bool:
        """Whether a labelling configuration is another one than that of the last finished run."""
        ended = self.runs.last_ended(project.id)
        return ended is not None and ended.trained is not None and ended.trained.fingerprint != fingerprint

    def _run_ended(self, record: RunRecord) -> None:
        self.metrics.run_ended(record)
        effect = f"Run {record.number} was {record.outcome}{f': {record.reason}' if record.reason else ''}"
        self.activity_log.note(record.project, "RUN_ENDED", effect)

    def _observe(self, outcome: Outcome) -> None:
        self.metrics.task(outcome)
        if isinstance(outcome.answer, Prediction) and not outcome.reason:
            answer = outcome.answer
            self.activity_log.score(outcome.project, outcome.task, answer.model_version, answer.score, outcome.segments)
        if outcome.reason:
            self.activity_log.skip(outcome.project, outcome.task, outcome.reason)
            log.warning("No segments: %s", outcome.reason, extra={"project": outcome.project, "task": outcome.task})

    def _warm_up(self) -> None:
        """Import what only reading recordings needs: after /health answers, before /readyz does."""
        import pandas  # noqa: F401

        self._ready.set()

    def _swap(self) -> None:
        while not self._closing.wait(SWAP_SECONDS):
            try:
                self.models.refresh()
            except Exception:
                log.exception("Looking for new models failed; it is tried again.")


async def _aside(pool: ThreadPoolExecutor, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    context = copy_context()  # carries the request's number into the log lines of the thread
    return await asyncio.get_running_loop().run_in_executor(pool, lambda: context.run(work, *args, **kwargs))


def _fingerprint(schema: str) -> str:
    try:
        return parse_label_config(schema).fingerprint
    except LabelConfigError:
        return ""
