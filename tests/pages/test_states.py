"""The queue, renamed labels and a project that has nothing yet, as people see and press them."""

import pytest
from playwright.sync_api import expect

from shared.retraining.active_run import begin_run
from shared.retraining.runs import Progress
from shared.retraining.updates import Updates
from shared.store.projects import KnownProject, KnownProjects
from shared.store.storage import Storage
from tests.inference.conftest import CONFIG
from tests.pages.conftest import Look
from tests.support.published import publish_with_report

pytestmark = pytest.mark.pages


def connect(store: Storage, project: int = 3, config: str = CONFIG) -> None:
    KnownProjects(store).remember(KnownProject(id=project, title=f"Project {project}", label_config=config))


def test_the_queue_shows_what_runs_and_what_waits_behind_it(server: str, store: Storage, look: Look) -> None:
    for project in (3, 4):
        connect(store, project)
    Updates(store).add(3, "ANNOTATION_CREATED", store.now())
    with begin_run(store, 4, launcher="test", host="here") as run:
        run.report(state="fitting", progress=Progress(fraction=0.25, eta_seconds=40.0))
        with look(server) as page:
            page.goto("/ui/")
            entries = page.get_by_role("region", name="Queue").get_by_role("listitem")
            expect(entries).to_have_count(2)
            expect(entries.nth(0)).to_contain_text("Project 4 fitting 25 %, 40 s left")
            expect(entries.nth(0).locator("progress")).to_have_attribute("value", "0.25")
            expect(entries.nth(1)).to_contain_text("Project 3 waits for `python -m training watch` (1 update)")
        run.end("cancelled", exit_code=75)


def test_a_renamed_label_is_confirmed_and_undone(server: str, store: Storage, look: Look) -> None:
    connect(store, config=CONFIG.replace('"Run"', '"Jog"'))
    publish_with_report(store, "20260101T000000Z-aaaaaa")
    with look(server) as page:
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto("/ui/projects/3")
        page.get_by_role("button", name="Run ► Jog").click()
        expect(page.locator("#state")).to_contain_text("Run is read as Jog (confirmed by")
        page.get_by_role("button", name="Undo Run").click()
        expect(page.get_by_role("button", name="Run ► Jog")).to_be_visible()


def test_a_project_that_has_nothing_yet_has_no_colour(server: str, store: Storage, look: Look) -> None:
    connect(store, 0)  # the example, which needs no Label Studio
    with look(server) as page:
        page.goto("/ui/projects/0")
        expect(page.get_by_role("region", name="What to do next?")).to_contain_text("Annotate a few tasks")
        expect(page.locator("main .good, main .attention, main .broken")).to_have_count(0)
