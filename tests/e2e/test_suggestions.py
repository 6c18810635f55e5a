"""Suggestions in an open task, in a real browser: what a person changes stays, and what was deleted stays away."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import pytest
from playwright.sync_api import Page

from examples.demo import label_studio as installed
from examples.demo.client import Client
from tests.e2e.conftest import Serve
from tests.e2e.page import browser_page, open_task
from tests.support.store import publish_model

CONFIG = (
    '<View><TimeSeriesLabels name="label" toName="ts" smart="true"><Label value="Run"/><Label value="Walk"/>'
    '</TimeSeriesLabels><TimeSeries name="ts" valueType="json" value="$csv_url" overviewWidth="100%">'
    '<Channel column="value"/></TimeSeries></View>'
)
# Run in rows 10 to 29, 50 to 69 and 90 to 109, Walk in all others
VALUES = ([0.0] * 10 + [1.0] * 20 + [0.0] * 10) * 3
TASKS = 8
SETTLE_MS = 700  # for the page to draw what it has taken; it has no sign of that
AUTOSAVE_MS = 7000  # a draft is saved 5 s after the last change
REGIONS = """() => Htx.annotationStore.selected.serializeAnnotation().map(
    r => [r.value.start, r.value.end, r.value.timeserieslabels[0], r.origin])"""
BOXES = """() => [...document.querySelectorAll("g.brush rect.selection[width]")].map(each => {
    const box = each.getBoundingClientRect(); return [box.x, box.y, box.width, box.height] })"""

Row = tuple[float, float, str, str]  # first and last row, label, origin


@dataclass
class OpenTask:
    """A task in the browser with Auto-Annotation on."""

    page: Page

    def rows(self) -> list[Row]:
        """What lies in it, in order."""
        return sorted(tuple(each) for each in self.page.evaluate(REGIONS))

    def ranges(self) -> list[tuple[float, float, str]]:
        """Its ranges, without their origin."""
        return [(first, last, label) for first, last, label, _ in self.rows() if first != last]

    def x(self, row: float) -> float:
        """Where a row is on the screen."""
        boxes = self._boxes()
        left, right = boxes[0][0], boxes[-1][0] + boxes[-1][2]
        return left + (right - left) * row / (len(VALUES) - 1)

    def drag(self, start: float, end: float) -> None:
        """Drag with the mouse from one place of the plot to another."""
        y = self._boxes()[0]
        height = y[1] + y[3] / 2
        mouse = self.page.mouse
        mouse.move(start, height)
        self.page.wait_for_timeout(200)
        mouse.down()
        mouse.move((start + end) / 2, height, steps=4)
        mouse.move(end, height, steps=4)
        mouse.up()

    def box(self, place: int) -> tuple[float, float]:
        """Left and right edge on the screen of a region, by its place from the left."""
        left, _, width, _ = self._boxes()[place]
        return left, left + width

    def select(self, place: int) -> None:
        """Click a region."""
        left, top, width, height = self._boxes()[place]
        self.page.mouse.click(left + width / 2, top + height / 2)

    def suggested(self, act: Callable[[], None]) -> None:
        """Do something, and wait until the page has taken what was suggested then."""
        with self.page.expect_response(lambda answer: "interactive-annotating" in answer.url):
            act()
        self.page.wait_for_function("() => !Htx.awaitingSuggestions")
        self.page.wait_for_timeout(SETTLE_MS)

    def press(self, keys: str) -> None:
        """Press a key."""
        self.page.keyboard.press(keys)

    def _boxes(self) -> list[list[float]]:
        return sorted(self.page.evaluate(BOXES))


@pytest.fixture(scope="module")
def project(user: Client, serve: Serve) -> Iterator[tuple[int, Iterator[int]]]:
    """A project with tasks that nobody opened, and a model that finds high and low values."""
    with serve("suggestions") as server:
        number = user.create_project("suggestions", CONFIG)
        tasks = user.import_tasks(number, [{"data": {"csv_url": {"value": VALUES}}}] * TASKS)
        publish_model(server.models, number)
        user.connect(number, server.url, interactive=True)
        user.retrieve_predictions(number)
        yield number, iter(tasks)


@pytest.fixture(scope="module")
def browser(user: Client) -> Iterator[Page]:
    with browser_page(user.url, installed.USER, installed.PASSWORD) as page:
        page.evaluate("localStorage.setItem('autoAnnotation', 'true')")
        yield page


@pytest.fixture
def task(browser: Page, project: tuple[int, Iterator[int]]) -> Iterator[OpenTask]:
    """The next task, open, with its seven predicted regions."""
    number, tasks = project
    open_task(browser, number, next(tasks), 1)
    opened = OpenTask(browser)
    assert [each[:3] for each in opened.rows()] == [
        (0, 9, "Walk"), (10, 29, "Run"), (30, 49, "Walk"), (50, 69, "Run"), (70, 89, "Walk"), (90, 109, "Run"),
        (110, 119, "Walk"),
    ]  # fmt: skip
    yield opened
    ranges = opened.ranges()
    assert not [(one, other) for one, other in pairwise(ranges) if other[0] <= one[1]]


def test_a_region_made_longer_keeps_its_border_and_the_next_one_gives_way(task: OpenTask) -> None:
    right = task.box(1)[1]
    task.suggested(lambda: task.drag(right - 1, task.x(35)))
    (_, last, _, origin) = task.rows()[1]
    assert 33 <= last <= 37
    assert origin == "prediction-changed"
    assert task.ranges()[2] == (last + 1, 49, "Walk")


def test_a_region_made_shorter_keeps_its_border(task: OpenTask) -> None:
    right = task.box(1)[1]
    task.suggested(lambda: task.drag(right - 1, task.x(24)))
    assert 22 <= task.rows()[1][1] <= 26
    assert [each for each in task.ranges() if each[2] == "Run"][1:] == [(50, 69, "Run"), (90, 109, "Run")]


def test_a_relabelled_region_keeps_its_label(task: OpenTask) -> None:
    task.select(3)
    task.suggested(lambda: task.press("2"))
    assert (50, 69, "Walk") in task.ranges()


def test_a_deleted_region_stays_deleted_through_other_corrections_and_a_saved_draft(task: OpenTask) -> None:
    task.select(3)
    task.press("Backspace")
    task.page.wait_for_timeout(SETTLE_MS)
    right = task.box(1)[1]
    task.suggested(lambda: task.drag(right - 1, task.x(24)))
    assert [each[:2] for each in task.ranges() if each[2] == "Run"][1:] == [(90, 109)]
    task.page.wait_for_timeout(AUTOSAVE_MS)
    left = task.box(len(task.ranges()) - 1)[0]
    task.suggested(lambda: task.drag(left + 1, task.x(113)))
    assert [each[:2] for each in task.ranges() if each[2] == "Run"][1:] == [(90, 109)]


def test_the_last_region_of_a_label_stays_deleted(task: OpenTask) -> None:
    for left in (3, 2, 1):  # regions of Run
        place = next(place for place, each in enumerate(task.ranges()) if each[2] == "Run")
        task.select(place)
        task.press("Backspace")
        task.page.wait_for_timeout(SETTLE_MS)
        assert len([each for each in task.ranges() if each[2] == "Run"]) == left - 1
    right = task.box(0)[1]
    task.suggested(lambda: task.drag(right - 1, task.x(7)))
    assert not [each for each in task.ranges() if each[2] == "Run"]


def test_a_second_correction_before_the_first_draft_is_saved_keeps_the_first(task: OpenTask) -> None:
    right = task.box(1)[1]
    task.suggested(lambda: task.drag(right - 1, task.x(35)))
    first = task.ranges()[1]
    left = task.box(4)[0]
    task.suggested(lambda: task.drag(left + 1, task.x(74)))
    assert task.ranges()[1] == first
    assert 72 <= next(each for each in task.ranges() if each[2] == "Walk" and each[1] == 89)[0] <= 76


def test_a_drawn_region_and_a_double_clicked_instant_stay(task: OpenTask) -> None:
    task.select(3)
    task.press("Backspace")
    task.page.wait_for_timeout(SETTLE_MS)
    task.press("2")
    task.drag(task.x(54), task.x(62))
    task.page.wait_for_timeout(SETTLE_MS)
    (drawn,) = [each for each in task.rows() if 52 <= each[0] <= 56]
    assert (drawn[2], drawn[3]) == ("Walk", "manual")
    task.press("Escape")
    task.press("1")
    box = task.page.evaluate(BOXES)[0]
    task.page.mouse.dblclick(task.x(66), box[1] + box[3] / 2)
    task.page.wait_for_timeout(SETTLE_MS)
    instants = [each for each in task.rows() if each[0] == each[1]]
    right = task.box(0)[1]
    task.suggested(lambda: task.drag(right - 1, task.x(7)))
    assert drawn in task.rows()
    assert [each for each in task.rows() if each[0] == each[1]] == instants
