"""Trainings as Kubernetes Jobs, created from the template of a suspended CronJob, which defines everything else.

A Job's name holds project and number of the run. The number stays the same while events arrive and increases with every
end, so that any number of servers may launch the same run: the API server accepts one and answers 409 to the others.
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
from shared.supervision import supervised

PROJECT_LABEL = "time-series-segmenter/project"
NUMBER_LABEL = "time-series-segmenter/number"
CRONJOB_LABEL = "time-series-segmenter/cronjob"
REASON_ANNOTATION = "time-series-segmenter/reason"
PROJECT_VARIABLE = "TRAIN_PROJECT"
NUMBER_VARIABLE = "TRAIN_NUMBER"
FIRST_WAIT, LONGEST_WAIT = 2.0, 60.0  # seconds until a refused launch is repeated
REST_SECONDS = 0.1  # between two watches, in case they end immediately
HEARD_SECONDS = 5.0  # for the first list of Jobs
MANY_JOBS = 200  # finished ones, beyond which later ones are deleted sooner
LEAST_JOB_SECONDS = 600  # that a finished Job stays, for `kubectl describe`
CAUSES = {  # usual causes of the API server's reasons
    "DeadlineExceeded": "it took longer than activeDeadlineSeconds, or its image could not be pulled",
    "BackoffLimitExceeded": "its pods were killed, as by running out of memory, or crashed before they could say why",
    "PodFailurePolicy": "a setting or the Secret is wrong",
}

log = logging.getLogger(__name__)


class KubernetesLauncher:
    """Creates Jobs, and watches all Jobs of this CronJob.

    After a refusal by the API server, nothing is launched for up to a minute; updates wait.
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
        self._jobs: dict[str, Job] = {}  # by name, last known state
        self._heard = threading.Event()  # set once it is known what runs, or why that is not known
        self._trouble = ""
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._refused = ""
        self._delay = 0.0
        self._try_at = float("-inf")

    def launch(self, launch: Launch) -> None:
        """Create the Job of a run, unless it exists. Raises ClusterError."""
        if launch.project in self._unfinished():
            return
        if self._clock() < self._try_at:
            raise ClusterError(self._refused)
        name = f"{self._cronjob}-{launch.project}-{launch.number}"
        try:
            job = self._api.create_job(
                make_job(self._api.cronjob(self._cronjob), name, self._cronjob, launch, finished=self._finished())
            )
            if job is None:
                self._look_at(name, launch)
            else:
                self._note(job)
                log.info("Created Job %s: %s.", name, launch.reason, extra={"project": launch.project})
        except ClusterError as error:
            self._delay = min(LONGEST_WAIT, max(FIRST_WAIT, 2 * self._delay, error.retry_after))
            self._try_at = self._clock() + self._delay
            self._refused = str(error)
            raise
        self._delay = 0.0

    def running(self) -> set[int]:
        """Projects with an unfinished Job, including suspended ones (Kueue). Raises ClusterError."""
        with self._lock:
            if self._thread is None and not self._closing.is_set():
                self._thread = supervised("jobs", self._follow, self._closing)
                self._thread.start()
        if not self._heard.wait(HEARD_SECONDS):
            raise ClusterError(
                "The Kubernetes API server has not listed the running Jobs yet; trainings start when it has."
            )
        if self._trouble:
            raise ClusterError(self._trouble)
        return self._unfinished()

    def close(self) -> None:
        """Stop watching. Jobs continue: they need no server."""
        self._closing.set()
        self._api.close()
        if self._thread is not None:
            self._thread.join(HEARD_SECONDS)

    def _look_at(self, name: str, launch: Launch) -> None:
        """A Job of that name exists. If it ended without recording it, record the run as failed."""
        job = self._api.job(name)
        if job is None:  # just deleted; the next pass creates it
            return
        end = job.end
        if end is None:
            self._note(job)
            return
        if self._runs.next_number(launch.project) != launch.number:  # it has recorded its end in the meantime
            return
        verb = "completed" if end.type == "Complete" else "failed"
        why = CAUSES.get(end.reason, "it could not record its end")
        status = ": ".join(part for part in (end.reason, end.message) if part) or "without a reason"
        reason = (
            f"Job {name} {verb} ({status.rstrip('.')}): {why}; "
            f"see `kubectl -n {self._api.namespace} describe job {name}`."
        )
        if self._runs.record_failed(launch.project, launch.number, reason):
            log.warning("%s", reason, extra={"project": launch.project})

    def _unfinished(self) -> set[int]:
        with self._lock:
            jobs = [job for job in self._jobs.values() if job.end is None]
        numbers = (job.metadata.labels.get(PROJECT_LABEL, "") for job in jobs)
        return {project for project in map(read_digits, numbers) if project is not None}

    def _finished(self) -> int:
        with self._lock:
            return sum(job.end is not None for job in self._jobs.values())

    def _note(self, job: Job) -> None:
        with self._lock:
            self._jobs[job.metadata.name] = job

    def _follow(self) -> None:
        """List Jobs, then watch for changes; list again if the watch is lost."""
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
                log.exception("Unexpected error while watching Jobs; trying again.")
                delay = LONGEST_WAIT

    def _watch_from(self, version: str) -> None:
        """Apply watch events; returns when Jobs must be listed again."""
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
                return  # listing again shows whether it persists


def make_job(
    cronjob: Mapping[str, Any], name: str, cronjob_name: str, launch: Launch, *, finished: int = 0
) -> dict[str, Any]:
    """The Job of a run: the template's labels, annotations and spec, plus project and run number.

    The more `finished` Jobs there are, the sooner this one is deleted once it has ended: each takes 6.7 kB of etcd and
    about 1 kB in each server that lists it. Logs and outcome are in the store.

    It has no owner: the CronJob's controller would delete owned Jobs according to its history limits.
    """
    template = cronjob["spec"]["jobTemplate"]
    metadata = template.get("metadata", {})
    labels = {
        CRONJOB_LABEL: cronjob_name,
        PROJECT_LABEL: str(launch.project),
        NUMBER_LABEL: str(launch.number),
    }
    spec = copy.deepcopy(template["spec"])
    seconds = spec.get("ttlSecondsAfterFinished")
    if seconds is not None and finished > MANY_JOBS:
        spec["ttlSecondsAfterFinished"] = max(min(seconds, LEAST_JOB_SECONDS), seconds * MANY_JOBS // finished)
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
