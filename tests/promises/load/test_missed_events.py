"""An event that never arrives: the next comparison with Label Studio finds the change."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.retraining.runs import RunRecord, Runs
from shared.retraining.updates import RECONCILE, Updates
from shared.store.opening import open_storage
from tests.promises.soak.__main__ import SETTINGS
from tests.promises.soak.projects import EPOCH, annotate, three_projects
from tests.support.label_studio import CONFIG, LabelStudioDouble
from tests.support.server import Server, run_server
from tests.support.waiting import wait_until
from tests.support.web_server import Web, serve

pytestmark = pytest.mark.slow

PERIOD = 5
SETUP = {"project": f"1.{EPOCH}", "schema": CONFIG, "hostname": "", "access_token": ""}


@pytest.fixture
def label_studio() -> LabelStudioDouble:
    return three_projects()


@pytest.fixture
def web(label_studio: LabelStudioDouble) -> Iterator[Web]:
    with serve(label_studio) as web:
        yield web


@pytest.fixture
def server(web: Web, tmp_path: Path) -> Iterator[Server]:
    settings = {**SETTINGS, "RECONCILE_SECONDS": str(PERIOD), "LABEL_STUDIO_HOST": web.url}
    with run_server(tmp_path, **settings) as server:
        yield server


def ended(folder: Path) -> RunRecord | None:
    return Runs(open_storage(str(folder))).last_ended(1)


def comparisons(web: Web) -> int:
    """Passes over all projects: each begins by asking whose token it is. A pass that works from an older state may ask
    for a project's totals twice.
    """
    return sum(asked.target.startswith("/api/current-user/whoami") for asked in web.asked)


def test_what_a_lost_event_was_about_is_found_by_the_next_comparison_and_trained_on(
    server: Server, label_studio: LabelStudioDouble, web: Web, tmp_path: Path
) -> None:
    assert server.post("/setup", SETUP).json() == {"model_version": "untrained"}  # connected, and already annotated
    wait_until(lambda: ended(tmp_path) is not None)
    before = ended(tmp_path)
    assert before is not None
    assert before.outcome == "published", before.reason
    wait_until(lambda: not Updates(open_storage(str(tmp_path))).of(1))
    annotate(label_studio, 1, 2, shift=3)  # and no event
    begun, asked = time.monotonic(), comparisons(web)
    wait_until(lambda: Updates(open_storage(str(tmp_path))).of(1))
    late = time.monotonic() - begun
    assert [each.action for each in Updates(open_storage(str(tmp_path))).of(1)] == [RECONCILE]
    assert comparisons(web) - asked <= 1
    wait_until(lambda: (last := ended(tmp_path)) is not None and last.number > before.number)
    last = ended(tmp_path)
    assert last is not None
    assert last.outcome == "published", last.reason
    assert last.trained is not None
    assert before.trained is not None
    assert last.trained.digest != before.trained.digest
    assert server.post("/setup", SETUP).json() == {"model_version": last.version}
    print(f"an event that never arrived was found after {late:.1f} s, with RECONCILE_SECONDS={PERIOD}")
