"""Annotate, and the next tasks arrive pre-annotated: the whole loop, for each kind of axis."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from playwright.sync_api import Page

from examples.demo import label_studio as installed
from examples.demo.client import Client
from tests.e2e.conftest import Serve, Server
from tests.e2e.page import browser_page, drawn_rectangles, drawn_regions, open_task
from tests.e2e.project import Project
from tests.e2e.scores import score
from tests.e2e.series import AXES, Axis, Segment, read_regions

SEED = int(os.environ.get("E2E_SEED", "0"))  # another one, other series: nothing is tuned to these
LABELS = {"index": 2, "numeric": 4, "datetime": 3}
ANNOTATED = range(8)
UNSEEN = range(8, 14)


@dataclass(frozen=True)
class Loop:
    """A project whose first eight recordings are annotated and trained on."""

    project: Project
    server: Server
    backend: int
    annotations: dict[int, int]  # recording ► annotation


@pytest.fixture(scope="module", params=AXES)
def loop(request: pytest.FixtureRequest, user: Client, serve: Serve, figures: dict[str, str]) -> Iterator[Loop]:
    """One for each axis, with as many labels as LABELS says."""
    axis: Axis = request.param
    with serve(f"loop-{axis}") as server:
        project = Project(user, seed=SEED + AXES.index(axis), count=14, labels=LABELS[axis], axis=axis)
        backend = project.connect(server.url)
        annotations = {number: project.annotate(number) for number in ANNOTATED}
        since = time.monotonic()
        project.wait_until_trained(server.models)
        figures[f"{axis}: seconds from the last of 8 annotations to a served version trained on it"] = (
            f"{time.monotonic() - since:.1f}"
        )
        yield Loop(project, server, backend, annotations)


@pytest.fixture(scope="module")
def page(user: Client) -> Iterator[Page]:
    """A browser in which the user is logged in."""
    with browser_page(user.url, installed.USER, installed.PASSWORD) as opened:
        yield opened


def test_tasks_that_the_model_has_not_seen_are_segmented_well(loop: Loop, figures: dict[str, str]) -> None:
    """Easy series of 600 rows: nearly every row and nearly every segment."""
    project = loop.project
    project.user.retrieve_predictions(project.id)
    scores = score(*project.predicted(project.user.version(project.id), UNSEEN))
    figures[f"{project.axis}: {len(UNSEEN)} unseen recordings, {len(project.labels)} labels"] = str(scores)
    assert scores.frame_accuracy >= 0.95
    assert scores.segment_f1_50 >= 0.9


def test_four_annotated_recordings_already_help(user: Client, serve: Serve, figures: dict[str, str]) -> None:
    """Half as many as above, and segments of three labels are found on the next ones."""
    with serve("four") as server:
        project = Project(user, seed=SEED + 10, count=10, labels=3, axis="numeric")
        project.connect(server.url)
        for number in range(4):
            project.annotate(number)
        version = project.wait_until_trained(server.models)
        user.retrieve_predictions(project.id)
        scores = score(*project.predicted(version, range(4, 10)))
    figures["numeric: 6 unseen recordings after 4 annotated ones, 3 labels"] = str(scores)
    assert scores.frame_accuracy >= 0.8
    assert scores.segment_f1_50 >= 0.6


def test_the_page_draws_what_was_predicted(loop: Loop, page: Page) -> None:
    """Chromium shows each region with its label's colour, from its first row to its last, on both channels."""
    project, number = loop.project, UNSEEN[0]
    task, recording = project.tasks[number], project.recordings[number]
    project.user.retrieve_predictions(project.id)
    stored = project.user.predictions(project.id)[task]
    segments = read_regions(recording, stored["result"])
    assert segments

    open_task(page, project.id, task, channels=2)
    assert read_regions(recording, drawn_regions(page, stored["id"])) == segments

    rectangles = drawn_rectangles(page)
    expected = [(each.first / (recording.rows - 1), each.last / (recording.rows - 1)) for each in segments]
    assert [each.left for each in rectangles] == pytest.approx([left for left, _ in expected] * 2, abs=0.002)
    assert [each.right for each in rectangles] == pytest.approx([right for _, right in expected] * 2, abs=0.002)
    colors = {(segment.label, each.color) for segment, each in zip(segments * 2, rectangles, strict=True)}
    assert len(colors) == len({label for label, _ in colors}) == len({color for _, color in colors})


def test_the_train_button_makes_another_version(loop: Loop) -> None:
    """Nothing new to learn, but a person asked for it."""
    project = loop.project
    before = project.user.version(project.id)
    project.user.train(loop.backend)
    project.wait_until_trained(loop.server.models, after=before)


def test_corrected_annotations_make_another_version_and_predictions_follow(loop: Loop, figures: dict[str, str]) -> None:
    """All annotations change: two labels trade places. The stored predictions of unseen tasks trade them too."""
    project = loop.project
    before = project.user.version(project.id)
    for number, annotation in loop.annotations.items():
        project.correct(annotation, number, _swapped(project, number))
    since = time.monotonic()
    version = project.wait_until_trained(loop.server.models, after=before)
    figures[f"{project.axis}: seconds from the last of 8 corrections to a served version trained on it"] = (
        f"{time.monotonic() - since:.1f}"
    )

    project.user.retrieve_predictions(project.id)
    recordings, predicted = project.predicted(version, UNSEEN)
    reference = [
        replace(recording, segments=tuple(_swapped(project, number)))
        for number, recording in zip(UNSEEN, recordings, strict=True)
    ]
    scores = score(reference, predicted)
    figures[f"{project.axis}: the same after the correction"] = str(scores)
    assert scores.segment_f1_50 >= 0.9


def test_nothing_went_wrong_meanwhile(loop: Loop) -> None:
    """A trainer that fails after it has published would go unseen: its model is there."""
    assert loop.server.complaints() == []


def _swapped(project: Project, number: int) -> list[Segment]:
    one, other = project.labels[:2]
    trade = {one: other, other: one}
    return [replace(each, label=trade.get(each.label, each.label)) for each in project.recordings[number].segments]
