"""Trainings as Kubernetes Jobs: each made from the template of a suspended CronJob, whose owner decides all else.

A Job's name says project and number of the run. The number stays while events arrive and moves on with every end, so
that any number of servers may launch the same run: the API server lets one of them, and tells the others (409).
"""

import copy
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from inference.launchers.kubernetes_api import ClusterApi, GoneError, Job
from shared.digits import read_digits
from shared.errors import ClusterError
from shared.retraining.runs import Runs
from shared.retraining.scheduler import Launch
from shared.settings import Settings

PROJECT_LABEL = "time-series-segmenter/project"
NUMBER_LABEL = "time-series-segmenter/number"
CRONJOB_LABEL = "time-series-segmenter/cronjob"
REASON_ANNOTATION = "time-series-segmenter/reason"
PROJECT_VARIABLE = "TRAIN_PROJECT"
NUMBER_VARIABLE = "TRAIN_NUMBER"
FIRST_WAIT, LONGEST_WAIT = 2.0, 60.0  # seconds until a refused launch is tried again
REST_SECONDS = 0.1  # between two watches, in case they end at once
HEARD_SECONDS = 5.0  # for the first list of Jobs
CAUSES = {  # what the API server's words mean most of the time
    "DeadlineExceeded": "it took longer than activeDeadlineSeconds, or its image could not be pulled",
    "BackoffLimitExceeded": "its pods were killed, as by running out of memory, or crashed before they could say why",
    "PodFailurePolicy": "a setting or the Secret is wrong",
}

log = logging.getLogger(__name__)


class KubernetesLauncher:
    """Makes Jobs, and follows those that this CronJob's servers have made.

    What the API server refuses is not tried again for a while, up to a minute; updates wait meanwhile.
    """

    name = "kubernetes"

    def __init__(
        self, settings: Settings, api: ClusterApi, *, runs: Runs, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cronjob = settings.train_cronjob
        self._api = api
        self._runs = runs
        self._clock = clock
        self._selector = f"{CRONJOB_LABEL}={self._cronjob}"
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}  # by name, as last heard of
        self._heard = threading.Event()  # what runs, or why that is not known
        self._trouble = ""
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._refused = ""
        self._delay = 0.0
        self._try_at = float("-inf")

    def launch(self, launch: Launch) -> None:
        """Make the Job of a run, unless it is there. Raises ClusterError."""
        if launch.project in self._unfinished():
            return
        if self._clock() < self._try_at:
            raise ClusterError(self._refused)
        name = f"{self._cronjob}-{launch.project}-{launch.number}"
        try:
            job = self._api.create_job(make_job(self._api.cronjob(self._cronjob), name, self._cronjob, launch))
            if job is None:
                self._look_at(name, launch)
            else:
                self._note(job)
                log.info("Job %s was made: %s.", name, launch.reason, extra={"project": launch.project})
        except ClusterError as error:
            self._delay = min(LONGEST_WAIT, max(FIRST_WAIT, 2 * self._delay, error.retry_after))
            self._try_at = self._clock() + self._delay
            self._refused = str(error)
            raise
        self._delay = 0.0

    def running(self) -> set[int]:
        """Projects with a Job that has not ended; one that waits (Kueue suspends it) counts. Raises ClusterError."""
        with self._lock:
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._follow, name="jobs", daemon=True)
                self._thread.start()
        if not self._heard.wait(HEARD_SECONDS):
            raise ClusterError(
                "The Kubernetes API server has not said yet which Jobs run; trainings start when it has."
            )
        if self._trouble:
            raise ClusterError(self._trouble)
        return self._unfinished()

    def close(self) -> None:
        """Stop following. Jobs go on: they need no server."""
        self._closing.set()
        self._api.close()
        if self._thread is not None:
            self._thread.join(HEARD_SECONDS)

    def _look_at(self, name: str, launch: Launch) -> None:
        """A Job of that name exists: it goes on, or it ended without a word, which its run's record then says."""
        job = self._api.job(name)
        if job is None:  # deleted in this moment; the next look at the updates makes it
            return
        end = job.end
        if end is None:
            self._note(job)
            return
        if self._runs.next_number(launch.project) != launch.number:  # it has recorded its end meanwhile
            return
        verb = "completed" if end.type == "Complete" else "failed"
        why = CAUSES.get(end.reason, "it could not record its end")
        said = ": ".join(part for part in (end.reason, end.message) if part) or "without a reason"
        reason = (
            f"Job {name} {verb} ({said.rstrip('.')}): {why}; "
            f"see `kubectl -n {self._api.namespace} describe job {name}`."
        )
        if self._runs.record_failed(launch.project, launch.number, reason):
            log.warning("%s", reason, extra={"project": launch.project})

    def _unfinished(self) -> set[int]:
        with self._lock:
            jobs = [job for job in self._jobs.values() if job.end is None]
        numbers = (job.metadata.labels.get(PROJECT_LABEL, "") for job in jobs)
        return {project for project in map(read_digits, numbers) if project is not None}

    def _note(self, job: Job) -> None:
        with self._lock:
            self._jobs[job.metadata.name] = job

    def _follow(self) -> None:
        """List, then watch from there; list again when the thread is lost."""
        delay = 0.0
        while not self._closing.wait(delay):
            try:
                jobs, version = self._api.jobs(self._selector)
                with self._lock:
                    self._jobs = {job.metadata.name: job for job in jobs}
                self._trouble, delay = "", FIRST_WAIT / 4
                self._heard.set()
                self._watch_from(version)
            except GoneError:
                delay = FIRST_WAIT / 4
            except ClusterError as error:
                delay = min(LONGEST_WAIT, max(FIRST_WAIT, 2 * delay, error.retry_after))
                self._trouble = str(error)
                self._heard.set()
            except Exception:
                log.exception("Following Jobs failed in a way nobody foresaw; it is tried again.")
                delay = LONGEST_WAIT

    def _watch_from(self, version: str) -> None:
        """Follow what happens; returns when it is to be listed again."""
        while not self._closing.wait(REST_SECONDS):
            try:
                for kind, job in self._api.watch_jobs(self._selector, version):
                    version = job.metadata.resource_version
                    with self._lock:
                        if kind == "DELETED":
                            self._jobs.pop(job.metadata.name, None)
                        elif kind != "BOOKMARK":
                            self._jobs[job.metadata.name] = job
            except ClusterError:
                return  # the list says whether that lasts


def make_job(cronjob: Mapping[str, Any], name: str, cronjob_name: str, launch: Launch) -> dict[str, Any]:
    """The Job of a run: the template's labels, annotations and spec, and which project and run it is.

    It has no owner: the CronJob's controller would delete Jobs that it owns by its history limits.
    """
    template = cronjob["spec"]["jobTemplate"]
    metadata = template.get("metadata", {})
    labels = {
        CRONJOB_LABEL: cronjob_name,
        PROJECT_LABEL: str(launch.project),
        NUMBER_LABEL: str(launch.number),
    }
    spec = copy.deepcopy(template["spec"])
    pod = spec["template"]
    pod["metadata"] = {**pod.get("metadata", {}), "labels": {**pod.get("metadata", {}).get("labels", {}), **labels}}
    variables = {PROJECT_VARIABLE: str(launch.project), NUMBER_VARIABLE: str(launch.number)}
    for container in pod["spec"]["containers"]:
        others = [each for each in container.get("env", []) if each["name"] not in variables]
        container["env"] = [{"name": key, "value": value} for key, value in variables.items()] + others
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "labels": {**metadata.get("labels", {}), **labels},
            "annotations": {**metadata.get("annotations", {}), REASON_ANNOTATION: launch.reason},
        },
        "spec": spec,
    }
