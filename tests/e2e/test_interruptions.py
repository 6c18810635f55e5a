"""Servers stop, crash and start again while people annotate; the last model is still trained on all annotations."""

import os
import random
import threading
import time

from examples.demo.client import Client
from shared.retraining.runs import Runs
from shared.store.opening import open_storage
from tests.e2e.conftest import Serve
from tests.e2e.project import TRAINING_SECONDS, Project, Reference, read_card
from tests.support.waiting import wait_until

KILLS = int(os.environ.get("E2E_KILLS", "5"))
FAST = {"TRAIN_EPOCHS": "20", "RECONCILE_SECONDS": "5"}  # what is learned does not matter here, that it is does


def test_annotations_made_while_the_server_was_down_are_learned(user: Client, serve: Serve) -> None:
    """No event ever arrives for them: Label Studio sends each once."""
    with serve("down", **FAST) as server:
        project = Project(user, seed=11, count=4, labels=2, axis="index")
        project.connect(server.url)
        project.annotate(0)
        before = project.wait_until_trained(server.models)
        server.program.stop()
        project.annotate(1)
        project.annotate(2)
        server.start()
        project.wait_until_trained(server.models, after=before)


def test_connecting_a_project_that_is_already_annotated_trains_it(user: Client, serve: Serve) -> None:
    """No event and no button, and long before annotations are compared again."""
    with serve("connected-late", TRAIN_EPOCHS="20", RECONCILE_SECONDS="3600") as server:
        project = Project(user, seed=12, count=3, labels=2, axis="datetime")
        for number in range(3):
            project.annotate(number)
        project.connect(server.url)
        project.wait_until_trained(server.models)


def test_a_server_restarted_while_it_trains_trains_again(user: Client, serve: Serve) -> None:
    """The trainer goes with the server; what it was to learn is still waiting when the server comes back."""
    with serve("restarted", RECONCILE_SECONDS="300") as server:
        project = Project(user, seed=13, count=4, labels=3, axis="numeric")
        project.connect(server.url)
        for number in range(4):
            project.annotate(number)
        runs = Runs(open_storage(str(server.models)))
        wait_until(lambda: runs.state(project.id).active is not None)
        server.program.stop()
        assert read_card(server.models, project.id) is None, "it was to be stopped before the first model was there"
        server.start()
        project.wait_until_trained(server.models)


def test_deleted_and_skipped_tasks_leave_the_model_and_never_enter_it(user: Client, serve: Serve) -> None:
    """A deletion is a correction; a skip is no annotation."""
    with serve("deleted", **FAST) as server:
        project = Project(user, seed=14, count=8, labels=2, axis="numeric")
        project.connect(server.url)
        annotations = [project.annotate(number) for number in range(7)]
        before = project.wait_until_trained(server.models)
        user.skip(project.tasks[7], project.id)
        user.delete_annotation(annotations[0])
        user.delete_tasks(project.id, [project.tasks[1]])
        assert project.reference().tasks == 5  # enough that the gate cannot mind the loss
        project.wait_until_trained(server.models, after=before)


def test_a_server_killed_at_random_moments_forgets_nothing(user: Client, serve: Serve, figures: dict[str, str]) -> None:
    """`kill -9`, KILLS times, during a burst of submissions, corrections and deletions; started again each time."""
    rng = random.Random(0)
    with serve("killed", **FAST) as server:
        project = Project(user, seed=15, count=12, labels=2, axis="index")
        project.connect(server.url)
        stop = threading.Event()
        burst = threading.Thread(target=_annotate_until, args=(project, stop))
        burst.start()
        for _ in range(KILLS):
            time.sleep(rng.uniform(0, 3))
            server.program.kill()
            time.sleep(rng.uniform(0, 0.5))
            server.start()
        stop.set()
        burst.join()
        runs, reference = Runs(open_storage(str(server.models))), project.reference()

        def trained_on() -> Reference | None:
            last = runs.last_ended(project.id)
            found = last.trained if last else None
            return Reference(found.tasks, found.annotations, found.newest, found.digest) if found else None

        wait_until(lambda: trained_on() == reference, TRAINING_SECONDS)
        outcomes = [each.outcome for each in runs.history(project.id) if each.outcome in ("published", "rejected")]
        if outcomes[0] == "published":  # the gate may reject what so few epochs learn from labels with gaps
            project.wait_until_trained(server.models)
        figures[f"killed {KILLS} times: trained on, and in Label Studio"] = f"{trained_on()}, {reference}"


def _annotate_until(project: Project, stop: threading.Event) -> None:
    rng = random.Random(1)
    annotations: dict[int, int] = {}
    while not stop.is_set():
        number = rng.randrange(len(project.tasks))
        if number not in annotations:
            annotations[number] = project.annotate(number)
        elif rng.random() < 0.3 and len(annotations) > 3:
            project.user.delete_annotation(annotations.pop(number))
        else:
            segments = project.recordings[number].segments
            project.correct(annotations[number], number, rng.sample(segments, len(segments) - 1))
