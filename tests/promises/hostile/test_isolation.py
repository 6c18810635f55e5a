"""Twenty projects trained and predicted at once see nothing of one another; one that is deleted is gone."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from shared.model_file.card import decode_card
from shared.model_file.onnx_file import read_metadata
from shared.retraining.updates import Updates
from shared.store.opening import open_storage
from tests.promises.hostile.tenants import Tenant, recordings, trainers
from tests.support.server import Server, run_server
from tests.support.waiting import NEVER_SECONDS
from tests.support.web_server import Web, serve

PROJECTS = 20
WAIT_SECONDS = 1500.0  # s for all trainings: minutes where nothing else runs
pytestmark = [pytest.mark.slow, pytest.mark.timeout(2100)]
OWNER = re.compile(r"(?:^|[/_])(\d{3})(?=[/.]|$)")  # of a file in the store
OF_NO_PROJECT = (".store", ".staging/clock")  # what tells a store from an empty folder, and the clock of leases
MARKS = re.compile(rb"tenant(\d+)x")


@dataclass
class Town:
    """Everybody, after all were trained while all were predicted."""

    server: Server
    web: Web
    folder: Path
    tenants: list[Tenant]
    results: dict[int, list[Any]] = field(default_factory=dict)  # with a model, by project
    early: int = 0  # answers while trainings went on

    def ask(self, tenant: Tenant) -> Any:
        status, found = self.server.ask("POST", "/predict", tenant.batch(self.web.url))
        assert status == 200, found
        (result,) = json.loads(found)["results"]
        if result:
            self.results.setdefault(tenant.project, []).append(result)
        return result


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    tenants = [Tenant(project) for project in range(101, 101 + PROJECTS)]
    for each in tenants:
        each.write(folder / "exports")
    settings = {
        "CACHE_DIR": str(folder / "cache"),
        "DATA_HOSTS_ALLOWED": "127.0.0.1",
        "LOG_LEVEL": "debug",
        "MODEL_CACHE_SIZE": "7",  # so that models come and go all the time
    }
    with serve(recordings(tenants)) as web, run_server(folder / "models", **settings) as server:
        town = Town(server, web, folder, tenants)
        for each in tenants:
            setup = {"project": str(each.project), "schema": each.label_config, "hostname": "http://127.0.0.1:1"}
            server.json("POST", "/setup", setup)
            event = {"action": "ANNOTATION_CREATED", "project": {"id": each.project, "title": each.mark}}
            server.json("POST", "/webhook", event)
        with trainers(tenants, folder / "exports", folder / "models") as running, ThreadPoolExecutor(4) as pool:
            end = time.monotonic() + WAIT_SECONDS
            for process in running:
                while process.poll() is None and time.monotonic() < end:
                    town.early += sum(bool(each) for each in pool.map(town.ask, tenants))
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(0.5)  # leaves the cores to the trainings
            for process in running:
                reported = process.stdout.read() if process.stdout else ""
                assert process.poll() == 0, reported[-3000:]
        wait_for_all(town)
        yield town


def wait_for_all(town: Town) -> None:
    end = time.monotonic() + NEVER_SECONDS
    while not all(town.ask(each) for each in town.tenants):
        assert time.monotonic() < end


def marks(data: bytes) -> set[int]:
    """Whose marks stand in some bytes."""
    return {int(found) for found in MARKS.findall(data)}


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_each_project_gets_its_own_model_and_labels_only(town: Town) -> None:
    versions: dict[str, int] = {}
    for tenant in town.tenants:
        found = town.results[tenant.project]
        assert marks(json.dumps(found).encode()) <= {tenant.project}
        for result in found:
            assert versions.setdefault(result["model_version"], tenant.project) == tenant.project
            assert {region["from_name"] for region in result["result"]} <= {tenant.mark}
    with_segments = sum(bool(found[-1]["result"]) for found in town.results.values())
    print(f"{PROJECTS} projects, {sum(map(len, town.results.values()))} answers, {town.early} while training")
    assert with_segments > PROJECTS / 2
    assert town.early > 0


def test_each_model_knows_its_own_project_only(town: Town) -> None:
    for tenant in town.tenants:
        data = (town.folder / "models" / f"model_project_{tenant.project}.onnx").read_bytes()
        card = decode_card(read_metadata(data)["card"])
        assert (card.project, card.label_config.labels) == (tenant.project, tenant.labels)
        assert marks(data) == {tenant.project}


def test_what_is_stored_of_a_project_holds_nothing_of_another(town: Town) -> None:
    for name, data in files(town.folder / "models").items():
        owners = {int(found) for found in OWNER.findall(name)}
        assert len(owners) == 1 or (owners == set() and name in OF_NO_PROJECT), name
        assert marks(data) <= owners, name


def test_a_log_line_of_one_project_tells_nothing_of_another(town: Town) -> None:
    lines = [json.loads(line) for line in town.server.log.splitlines() if line.startswith("{")]
    of_projects = [line for line in lines if line.get("project")]
    assert {line["project"] for line in of_projects} == {each.project for each in town.tenants}
    for line in lines:
        assert marks(json.dumps(line).encode()) <= {line.get("project")}, line


def test_a_cached_recording_is_the_one_its_address_names(town: Town) -> None:
    entries = files(town.folder / "cache")
    assert len(entries) == PROJECTS
    for data in entries.values():
        head, _, body = data.partition(b"\n")
        assert marks(body) == {int(json.loads(head)["url"].split("/")[-2])}


def test_a_page_of_one_project_shows_nothing_of_another(town: Town) -> None:
    for tenant in town.tenants:
        for path in (f"/ui/projects/{tenant.project}", f"/ui/projects/{tenant.project}.json"):
            status, found = town.server.ask("GET", path, None, {"Accept": "text/html"})
            assert status == 200
            assert marks(found) == {tenant.project}


def test_a_deleted_project_is_gone_from_store_and_cache_and_the_others_stay(town: Town) -> None:
    doomed, *others = town.tenants
    Updates(open_storage(str(town.folder / "models"))).add(doomed.project, "ANNOTATION_CREATED", time.time())
    before = files(town.folder / "models")
    command = ["models", "delete", "--project", str(doomed.project), "--yes"]
    done = subprocess.run(
        [sys.executable, "-m", "inference", *command],
        env={"MODEL_DIR": str(town.folder / "models"), "CACHE_DIR": str(town.folder / "cache"), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout.strip())
    assert done.returncode == 0, done.stderr
    left = files(town.folder / "models")
    for name, data in left.items():
        assert doomed.project not in marks(data), name
        assert str(doomed.project) not in OWNER.findall(name), name
    gone = {name for name in before if str(doomed.project) in OWNER.findall(name)}
    assert len(gone) > 5
    assert before.keys() - left.keys() == gone
    assert not any(doomed.project in marks(data) for data in files(town.folder / "cache").values())
    end = time.monotonic() + NEVER_SECONDS
    while town.ask(doomed) != []:
        assert time.monotonic() < end
    assert all(town.ask(each) for each in others)
