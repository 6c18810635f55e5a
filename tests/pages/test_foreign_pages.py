"""What a page of another origin can do to a server in the visitor's own browser: nothing (promise 13)."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import urllib3
from playwright.sync_api import Browser, Page, expect, sync_playwright

from shared.retraining.updates import Updates
from shared.store.opening import open_storage
from shared.store.projects import KnownProject, KnownProjects
from shared.store.storage import Storage
from tests.pages.conftest import CHROMIUM, FLAGS
from tests.promises.hostile.messages import label_config
from tests.support.server import Server, run_server
from tests.support.web_server import Asked, answer, serve

pytestmark = pytest.mark.pages

TRY = """async ([url, body, type]) => {
  try {
    const method = body === null ? "GET" : "POST", mode = type === "text/plain" ? "no-cors" : "cors";
    const found = await fetch(url, {method, mode, body, headers: type ? {"Content-Type": type} : {}});
    return `${found.status} ${await found.text()}`;
  } catch (error) { return "blocked"; }
}"""
SUBMIT = """([url, body]) => {
  const form = document.createElement("form");
  form.method = "post"; form.action = url; form.enctype = "text/plain"; form.target = "_blank";
  const field = document.createElement("input"); field.name = body; field.value = "";
  form.append(field); document.body.append(form); form.submit();
}"""
BODIES = {
    "/train": json.dumps({"project": "3"}),
    "/webhook": json.dumps({"action": "ANNOTATION_CREATED", "project": {"id": 3}}),
    "/setup": json.dumps(
        {"project": "5", "schema": label_config(), "hostname": "http://a.example", "access_token": "0" * 40}
    ),
}
REBOUND = "rebound.example"


@pytest.fixture(scope="module")
def rebinding() -> Iterator[Browser]:
    """A browser to which a foreign name has this machine's address, as after DNS rebinding."""
    with sync_playwright() as playwright:
        flags = [*FLAGS, f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    KnownProjects(open_storage(str(tmp_path))).remember(
        KnownProject(id=3, title="Sensors", label_config=label_config())
    )
    with run_server(tmp_path) as running:
        yield running


def state(folder: Path) -> tuple[int, list[int]]:
    """Updates that wait, and known projects."""
    storage: Storage = open_storage(str(folder))
    return sum(map(len, Updates(storage).waiting().values())), KnownProjects(storage).ids()


def attack(page: Page, url: str) -> list[str]:
    """All that a page tries; what it could read."""
    read = []
    for path, body in BODIES.items():
        for kind in ("text/plain", "application/json"):
            read.append(page.evaluate(TRY, [url + path, body, kind]))
        with page.context.expect_page() as opened:
            page.evaluate(SUBMIT, [url + path, body])
        expect(opened.value.locator("body")).to_contain_text(re.compile("only pages of this server may|host name"))
    read.append(page.evaluate(TRY, [f"{url}/ui/index.json", None, ""]))
    read.append(page.evaluate(TRY, [f"{url}/ui/projects/3/train", "", "application/x-www-form-urlencoded"]))
    return read


def test_a_page_of_another_origin_changes_and_reads_nothing(server: Server, tmp_path: Path, rebinding: Browser) -> None:
    before = state(tmp_path)
    with serve(lambda asked: answer(b"<p>hello</p>", Content_Type="text/html")) as foreign:
        page = rebinding.new_context().new_page()
        page.goto(foreign.url)
        read = attack(page, server.url)
        page.goto(f"http://{REBOUND}:{foreign.port}/")
        read += attack(page, server.url)
        page.context.close()
    assert all(each in ("blocked", "0 ") for each in read), read
    assert state(tmp_path) == before == (0, [3])


def test_a_rebound_name_changes_and_reads_nothing(server: Server, tmp_path: Path, rebinding: Browser) -> None:
    url = f"http://{REBOUND}:{urlsplit(server.url).port}"
    page = rebinding.new_context().new_page()
    page.goto(f"{url}/health")  # the one thing that any name gets
    for path, body in BODIES.items():
        assert page.evaluate(TRY, [path, body, "application/json"]).startswith("403 ")
    for path in ("/ui/", "/ui/index.json", "/ui/projects/3", "/versions", "/metrics"):
        assert page.evaluate(TRY, [path, None, ""]).startswith("403 ")
    page.context.close()
    assert state(tmp_path) == (0, [3])


def test_the_buttons_of_its_own_pages_work(server: Server, tmp_path: Path, rebinding: Browser) -> None:
    page = rebinding.new_context().new_page()
    page.goto(f"{server.url}/ui/projects/3")
    page.locator("form[action$='/train'] button").first.click()
    page.wait_for_url("**done=train**")
    page.context.close()
    assert state(tmp_path) == (1, [3])


def test_the_buttons_work_behind_a_proxy_that_rewrites_host(server: Server, tmp_path: Path, rebinding: Browser) -> None:
    passed: list[str] = []

    def forward(asked: Asked) -> bytes:
        headers = {name: value for name, value in asked.headers.items() if name not in ("host", "accept-encoding")}
        found = urllib3.request(
            asked.method, server.url + asked.target, headers=headers, body=asked.body, redirect=False, retries=False
        )
        passed.append(asked.headers.get("sec-fetch-site", ""))
        kept = {name.replace("-", "_"): value for name, value in found.headers.items() if name != "content-length"}
        return answer(found.data, found.status, **kept)

    with serve(forward) as proxy:
        page = rebinding.new_context().new_page()
        page.goto(f"http://localhost:{proxy.port}/ui/projects/3")
        page.locator("form[action$='/train'] button").first.click()
        page.wait_for_url("**done=train**")
        page.context.close()
    assert "same-origin" in passed
    assert state(tmp_path) == (1, [3])
