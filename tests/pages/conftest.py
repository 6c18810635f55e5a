"""The status page in Debian's Chromium, from a real server on a socket over a store in a temporary folder."""

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright

from inference.services import Services
from inference.web.app import create_app
from shared.settings import Settings
from shared.store.opening import open_storage
from shared.store.storage import Storage

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]
AXE = "axe-core@4.10.3"
STARTED_SECONDS = 30

Look = Callable[..., AbstractContextManager[Page]]


@contextmanager
def running(settings: Settings) -> Iterator[str]:
    """A server with these settings; gives its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    app = create_app(settings, Services(settings))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        deadline = time.monotonic() + STARTED_SECONDS
        while not server.started and time.monotonic() < deadline and thread.is_alive():
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


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
    settings = Settings(
        model_dir=str(tmp_path / "models"),
        train_launcher="none",
        reconcile_seconds=0,
        label_studio_host="http://127.0.0.1:1",
    )
    with running(settings) as url:
        yield url


@pytest.fixture
def look(browser: Browser) -> Look:
    """Open pages at an address; what they write into the console as an error fails the test."""

    @contextmanager
    def look(url: str, **options: Any) -> Iterator[Page]:
        context = browser.new_context(base_url=url, **options)
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
