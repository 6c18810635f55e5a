import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from shared.label_studio.request import send_request
from shared.net.connections import Connections
from shared.net.urls import read_url
from shared.retraining.active_run import begin_run
from shared.retraining.runs import Progress
from shared.retraining.updates import Updates
from shared.store.projects import KnownProject, KnownProjects
from shared.store.storage import Storage
from tests.inference.conftest import CONFIG, VALUES
from tests.pages.conftest import Look
from tests.support.label_studio import LabelStudioDouble, make_project, make_region
from tests.support.published import LABEL_ERRORS, PEOPLE, publish_with_report
from tests.support.server import run_server
from tests.support.tokens import TOKEN
from tests.support.waiting import NEVER_SECONDS, wait_until
from tests.support.web_server import serve as serve_web

pytestmark = pytest.mark.pages

FIRST, SECOND, THIRD = "20260101T000000Z-aaaaaa", "20260102T000000Z-bbbbbb", "20260103T000000Z-cccccc"
PATHS = ("/ui/", "/ui/projects/3", "/ui/projects/4", "/ui/projects/3/tasks", "/ui/projects/3/task?number=1")
PHONE = {"width": 360, "height": 740}


def connect(store: Storage, project: int = 3, title: str = "Falls at home") -> None:
    KnownProjects(store).remember(
        KnownProject(id=project, title=title, label_config=CONFIG, hostname="http://labels.example")
    )


def setup(url: str) -> str:
    """The version that /setup answers."""
    body = {"project": "3", "schema": CONFIG}
    reply = send_request(Connections(), read_url(url), "POST", "/setup", seconds=NEVER_SECONDS, body=body)
    return str(reply.decode(dict[str, Any])["model_version"])


@pytest.fixture
def full(store: Storage) -> None:
    """A project with two versions, and one without any."""
    connect(store)
    connect(store, 4, "Nothing yet")
    publish_with_report(store, FIRST, 0.8, recordings=3)
    publish_with_report(store, SECOND, 0.9, recordings=6, label_errors=LABEL_ERRORS, **PEOPLE)


@pytest.fixture
def recording(tmp_path: Path, store: Storage, full: None) -> Iterator[str]:
    """Address of a server whose Label Studio has one annotated task."""
    label_studio = LabelStudioDouble(projects={3: make_project(3)})
    label_studio.annotate(1, project=3, result=[make_region(60, 79)])
    label_studio.tasks[0]["data"] = {"csv_url": {"value": VALUES}}
    with (
        serve_web(label_studio) as web,
        run_server(tmp_path / "models", LABEL_STUDIO_HOST=web.url, LABEL_STUDIO_API_KEY=TOKEN) as server,
    ):
        yield server.url


def overflow(page: Page) -> int:
    """By how many pixels a page is wider than its window."""
    return int(page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def test_the_overview_leads_to_a_project(server: str, full: None, look: Look) -> None:
    with look(server) as page:
        page.goto("/")
        expect(page).to_have_url(f"{server}/ui/")
        expect(page.get_by_role("row")).to_have_count(3)
        page.get_by_role("link", name="Falls at home", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Falls at home")
        expect(page.locator("#serves")).to_contain_text("v2 serves")
        expect(page.locator("#versions tbody tr")).to_have_count(2)


def test_the_first_project_appears_without_a_reload(server: str, store: Storage, look: Look) -> None:
    with look(server) as page:
        page.goto("/")
        expect(page.get_by_role("heading", name="Connect a project of Label Studio")).to_be_visible()
        page.evaluate("() => { window.stayed = true; }")
        connect(store)
        expect(page.get_by_role("link", name="Falls at home", exact=True)).to_be_visible()
        expect(page.get_by_role("heading", name="Connect a project of Label Studio")).to_have_count(0)
        assert page.locator("main > [id]").evaluate_all("found => found.map(each => each.id)") == [
            "banners",
            "projects",
            "server",
        ]
        assert page.evaluate("() => window.stayed")


def test_train_now_shows_progress_and_the_new_version_without_a_reload(
    server: str, store: Storage, full: None, look: Look
) -> None:
    with look(server) as page:
        page.goto("/ui/projects/3")
        page.get_by_role("button", name="Train now").first.click()
        expect(page.get_by_role("status")).to_contain_text("training was asked for")
        expect(page.locator("#state")).to_contain_text("Waiting for a worker")
        page.evaluate("() => { window.stayed = true; }")
        with begin_run(store, 3, launcher="test", host="here") as run:
            run.start_from(Updates(store).of(3))
            for fraction in (0.25, 0.75):
                run.report(state="fitting", progress=Progress(fraction=fraction, losses=((1, 1.0), (2, fraction))))
                run.beat()
                expect(page.locator("#state")).to_contain_text("Fitting")
                expect(page.locator("#state progress")).to_have_attribute("value", str(fraction))
            run.end("published", exit_code=0)
        publish_with_report(store, THIRD, 0.95)
        expect(page.locator("#serves")).to_contain_text("v3 serves")
        assert page.evaluate("() => window.stayed")


def test_roll_back_lets_setup_answer_the_old_version(server: str, full: None, look: Look) -> None:
    assert setup(server) == SECOND
    with look(server) as page:
        page.goto("/ui/projects/3")
        page.once("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Roll back").first.click()
        expect(page.locator("#serves")).to_contain_text("v1 serves")
        wait_until(lambda: setup(server) == FIRST)  # the server trusts what it knows of the store for a second
        page.once("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Promote v2", exact=True).first.click()
        expect(page.locator("#serves")).to_contain_text("v2 serves")


def test_a_recording_shows_signal_reference_prediction_and_differences_and_zooms(recording: str, look: Look) -> None:
    with look(recording) as page:
        page.goto("/ui/projects/3")
        page.get_by_role("spinbutton", name="Task").fill("1")
        page.get_by_role("button", name="Look at it").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Task 1")
        expect(page.locator(".signal path")).to_have_count(1)
        expect(page.locator(".strip")).to_have_count(3)
        expect(page.locator(".strip .piece")).to_have_count(3)
        expect(page.locator(".strip text").first).to_have_text("Run")
        expect(page.locator(".diff rect")).to_have_count(2)
        page.get_by_role("link", name="zoom in").click()
        expect(page.locator("main")).to_contain_text("Rows 45 to 134 of 180")
        expect(page.locator(".ticks text").first).to_have_text("60")


def rows(page: Page) -> tuple[int, int]:
    """First and last row of the recording that are shown."""
    shown = page.locator("#recording")
    return int(shown.get_attribute("data-first") or -1), int(shown.get_attribute("data-last") or -1)


def test_dragging_and_keys_zoom_move_and_go_from_difference_to_difference(recording: str, look: Look) -> None:
    with look(recording) as page:
        page.goto("/ui/projects/3/task?number=1")
        page.evaluate("() => { window.stayed = true; }")
        box = page.locator(".signal").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 10)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 12, steps=4)
        page.mouse.up()
        expect(page.locator("#recording")).to_have_attribute("data-first", "45")
        assert abs(rows(page)[1] - 90) <= 1
        bar = page.locator(".overview .window").bounding_box()
        assert bar is not None
        page.mouse.move(bar["x"] + bar["width"] / 2, bar["y"] + 5)
        page.mouse.down()
        page.mouse.move(bar["x"] + 3 * bar["width"] / 2, bar["y"] + 5, steps=4)
        page.mouse.up()
        expect(page.locator("#recording")).to_have_attribute("data-first", re.compile("^(89|90|91)$"))
        page.keyboard.press("0")
        expect(page.locator("#recording")).to_have_attribute("data-last", "179")
        page.keyboard.press("n")
        expect(page.locator("#recording")).to_have_attribute("data-first", "40")
        first = rows(page)
        page.keyboard.press("n")
        expect(page.locator("#recording")).not_to_have_attribute("data-first", "40")
        page.keyboard.press("p")
        expect(page.locator("#recording")).to_have_attribute("data-first", str(first[0]))
        page.keyboard.press("+")
        expect(page.locator("#recording")).to_have_attribute("data-first", str(first[0] + 10))
        assert page.evaluate("() => window.stayed")
        assert f"first={first[0] + 10}" in page.url


def test_channels_are_hidden_ordered_and_drawn_in_one_plot_without_javascript_too(
    tmp_path: Path, store: Storage, look: Look
) -> None:
    config = CONFIG.replace('<Channel column="value"/>', "".join(f'<Channel column="c{each}"/>' for each in range(64)))
    KnownProjects(store).remember(KnownProject(id=3, title="Wide", label_config=config))
    label_studio = LabelStudioDouble(projects={3: make_project(3)})
    label_studio.annotate(1, project=3, result=[make_region(60, 79)])
    values = {f"c{each}": [float((row * (each + 1)) % 17) for row in range(3000)] for each in range(64)}
    label_studio.tasks[0]["data"] = {"csv_url": values}
    with (
        serve_web(label_studio) as web,
        run_server(tmp_path / "models", LABEL_STUDIO_HOST=web.url, LABEL_STUDIO_API_KEY=TOKEN) as server,
    ):
        for script in (True, False):
            with look(server.url, java_script_enabled=script) as page:
                page.goto("/ui/projects/3/task?number=1")
                expect(page.locator(".signal")).to_have_count(16)
                page.get_by_role("link", name="Hide c1", exact=True).click()
                expect(page.locator(".signal")).to_have_count(15)
                page.get_by_role("link", name="Move c2 up", exact=True).click()
                expect(page.locator(".signal").first).to_have_attribute("aria-label", re.compile("channel c2,"))
                page.get_by_role("link", name="all 64").click()
                expect(page.locator(".signal")).to_have_count(64)
                page.get_by_role("link", name="All in one plot").click()
                expect(page.locator(".signal path")).to_have_count(64)
        packed = {"Accept": "text/html", "Accept-Encoding": "gzip"}
        first = server._answered("GET", "/ui/projects/3/task?number=1", None, packed)
        assert int(first.headers["Content-Length"]) < 150_000


def test_who_pressed_is_shown_and_undone(server: str, full: None, look: Look) -> None:
    with look(server) as page:
        page.goto("/ui/projects/3")
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Promote v1", exact=True).click()
        expect(page.locator("#serves")).to_contain_text("v1 serves")
        expect(page.locator("#activity")).to_contain_text("from 127.0.0.1")
        page.get_by_role("button", name="Undo", exact=True).click()
        expect(page.locator("#serves")).to_contain_text("v2 serves")


def test_buttons_that_can_do_nothing_are_disabled_and_say_why(server: str, full: None, look: Look) -> None:
    with look(server) as page:
        page.goto("/ui/projects/4")
        expect(page.get_by_role("button", name="Stop")).to_be_disabled()
        expect(page.locator(".head")).to_contain_text("Nothing is running.")
        expect(page.get_by_role("button", name="Roll back")).to_be_disabled()
        expect(page.locator(".head")).to_contain_text("There is no earlier version.")


def test_a_server_that_cannot_read_annotations_says_so_before_anything_else(
    server: str, full: None, look: Look
) -> None:
    with look(server) as page:
        for path in ("/ui/", "/ui/projects/3"):
            page.goto(path)
            expect(page.get_by_role("alert").first).to_contain_text("Annotations are not seen")


def test_the_table_of_tasks_is_sorted_and_filtered(recording: str, look: Look) -> None:
    with look(recording) as page:
        tasks = [{"id": number, "data": {"csv_url": {"value": VALUES}}} for number in range(1, 61)]
        page.request.post("/predict", data={"tasks": tasks, "project": "3", "label_config": CONFIG})
        page.goto("/ui/projects/3")
        page.get_by_role("link", name="Table of tasks").click()
        expect(page.locator("tbody tr")).to_have_count(50)
        page.get_by_role("link", name="Next", exact=True).click()
        expect(page.locator("tbody tr")).to_have_count(10)
        page.get_by_role("link", name="Disagreeing").click()
        expect(page.locator("tbody tr")).to_have_count(0)
        page.get_by_role("link", name="Not annotated").click()
        page.get_by_role("link", name="Task", exact=True).click()
        expect(page.locator("tbody th").first).to_contain_text("2")


def test_annotations_that_look_wrong_are_looked_at_accepted_and_suspected_again(recording: str, look: Look) -> None:
    with look(recording) as page:
        page.goto("/ui/projects/3")
        section = page.get_by_role("region", name="Annotations that look wrong")
        rows = section.locator("tbody tr")
        expect(rows).to_have_count(2)
        expect(rows.first).to_contain_text("wrong label")
        page.get_by_role("link", name="Look at task 1, rows 60 to 69").click()
        expect(page).to_have_url(re.compile("first=0&last=169"))
        expect(page.get_by_role("heading", level=1)).to_contain_text("1")
        page.go_back()
        rows.first.get_by_role("button", name="Looks right").click()
        expect(rows).to_have_count(1)
        expect(page.locator("#activity")).to_contain_text("looks right")
        page.once("dialog", lambda dialog: dialog.accept())
        page.locator("#activity").get_by_role("button", name="Undo").click()
        expect(rows).to_have_count(2)


def test_usefulness_and_agreement_unfold_by_version_person_and_month(server: str, full: None, look: Look) -> None:
    with look(server) as page:
        page.goto("/ui/projects/3")
        section = page.get_by_role("region", name="Usefulness and agreement")
        expect(section).to_contain_text("Of 20 predicted regions people left 70 % as they were")
        expect(section.get_by_role("row", name="Run")).to_have_count(1)
        section.get_by_text("By version", exact=True).click()
        table = page.get_by_role("region", name="Predicted regions by version")
        expect(table.locator("tbody th")).to_have_text("v1")
        expect(table.locator("rect")).to_have_count(4)


def test_how_label_studio_orders_tasks_by_score_is_told_with_its_price(server: str, full: None, look: Look) -> None:
    with look(server) as page:
        page.goto("/ui/projects/3")
        page.get_by_text("Order tasks by score in Label Studio").click()
        told = page.locator("details[data-key=order]")
        expect(told).to_contain_text(SECOND)
        expect(told).to_contain_text("Its price")


def test_without_javascript_everything_is_there_and_buttons_work(server: str, full: None, look: Look) -> None:
    with look(server, java_script_enabled=False) as page:
        page.goto("/ui/projects/3")
        page.get_by_role("button", name="Roll back").first.click()
        expect(page.get_by_role("status")).to_contain_text("serves again")
        expect(page.locator("#serves")).to_contain_text("v1 serves")


def test_the_first_visit_explains_three_steps(server: str, look: Look) -> None:
    with look(server) as page:
        page.goto("/ui/")
        expect(page.locator(".steps li")).to_have_count(3)
        expect(page.locator(".steps")).to_contain_text(server)


@pytest.mark.parametrize("width", [360, 3840])
@pytest.mark.parametrize(
    "path", ["/ui/", "/ui/projects/3", "/ui/projects/4", "/ui/projects/3/tasks", "/ui/projects/3/task?number=1"]
)
def test_pages_fit_phones_and_walls(recording: str, look: Look, path: str, width: int) -> None:
    with look(recording, viewport={"width": width, "height": 900}) as page:
        page.goto(path)
        assert overflow(page) <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "path", ["/ui/", "/ui/projects/3", "/ui/projects/4", "/ui/projects/3/tasks", "/ui/projects/3/task?number=1"]
)
def test_axe_finds_nothing(recording: str, look: Look, axe: Path, path: str, scheme: str) -> None:
    with look(recording, color_scheme=scheme, viewport=PHONE if path == "/ui/" else None, bypass_csp=True) as page:
        page.goto(path)
        page.add_script_tag(path=axe)
        found = page.evaluate("() => axe.run()")
        assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []


def test_dark_is_dark(server: str, look: Look) -> None:
    for scheme, brightest in (("light", True), ("dark", False)):
        with look(server, color_scheme=scheme) as page:
            page.goto("/ui/")
            color = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
            red = int(color.removeprefix("rgb(").partition(",")[0])
            assert (red > 128) is brightest
