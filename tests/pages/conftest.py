"""The status page in Debian's Chromium, from a real server on a socket over a store in a temporary folder."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from shared.store.opening import open_storage
from shared.store.storage import Storage
from tests.support.server import run_server
from tests.support.waiting import NEVER_SECONDS

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]
AXE = "axe-core@4.10.3"

expect.set_options(timeout=1000 * NEVER_SECONDS)

Look = Callable[..., AbstractContextManager[Page]]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def store(tmp_path: Path) -> Storage:
    return open_storage(str(tmp_path / "models"))


@pytest.fixture
def server(tmp_path: Path, store: Storage) -> Iterator[str]:
    """A server over `store` that trains nothing."""
    with run_server(tmp_path / "models") as server:
        yield server.url


@pytest.fixture
def look(browser: Browser) -> Look:
    """Open pages at an address; what they write into the console as an error fails the test."""

    @contextmanager
    def look(url: str, **options: Any) -> Iterator[Page]:
        context = browser.new_context(base_url=url, **options)
        context.set_default_timeout(1000 * NEVER_SECONDS)
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        elsewhere: list[str] = []
        page.on("request", lambda request: None if request.url.startswith(url) else elsewhere.append(request.url))
        yield page
        context.close()
        assert complaints == []
        assert elsewhere == []

    return look


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checker of accessibility, from npm, in a temporary folder."""
    npm = shutil.which("npm")
    assert npm, "npm is needed for axe-core: apt install npm"
    folder = tmp_path_factory.mktemp("axe")
    subprocess.run([npm, "install", "--silent", "--no-fund", "--no-audit", AXE], cwd=folder, check=True)
    return folder / "node_modules" / "axe-core" / "axe.min.js"
