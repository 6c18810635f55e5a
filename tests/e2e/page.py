"""The labelling page in Debian's Chromium: what a person would see, read from the page itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Page, Route, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync")
SECONDS = 90

Json = dict[str, Any]
DRAWN = """channels => {
    const store = window.Htx && Htx.annotationStore;
    if (!store || !store.predictions.length || !store.selected || !store.selected.names.get("ts")) return false;
    const rectangles = document.querySelectorAll("g.brush > rect.selection[width]");
    return rectangles.length === channels * store.selected.regions.length;
}"""
PREDICTION = """id => Htx.annotationStore.predictions.find(each => Number(each.pk) === id).serializeAnnotation()"""
RECTANGLES = """() => [...document.querySelectorAll("g.brush")].map(brush => {
    const plot = Number(brush.querySelector("rect.overlay").getAttribute("width"));
    const shown = brush.querySelector("rect.selection");
    const left = Number(shown.getAttribute("x")), width = Number(shown.getAttribute("width"));
    return {left: left / plot, right: (left + width) / plot, color: getComputedStyle(shown).fill};
})"""


@dataclass(frozen=True)
class Rectangle:
    """A coloured rectangle over one channel; left and right as shares of the plot's width."""

    left: float
    right: float
    color: str


@contextmanager
def browser_page(url: str, user: str, password: str) -> Iterator[Page]:
    """A page of a fresh Chromium, logged in to the Label Studio at `url`; nothing but this machine is reachable."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1400, "height": 1000}, base_url=url)
        page.set_default_timeout(SECONDS * 1000)
        page.route("**/*", _stay_here)
        page.goto("/user/login/")
        page.fill("#email", user)
        page.fill("#password", password)
        page.press("#password", "Enter")
        page.wait_for_url(lambda address: "/user/login" not in address)
        yield page
        browser.close()


def open_task(page: Page, project: int, task: int, channels: int) -> None:
    """Click a task in the data manager and wait until its series and every region on it are drawn.

    Clicked, not opened by its own address: there the page loads it twice and sometimes ends without predictions.
    """
    page.goto(f"/projects/{project}/data")
    page.get_by_test_id("table-row").filter(has=page.get_by_text(str(task), exact=True)).first.click()
    page.wait_for_function(DRAWN, arg=channels)


def drawn_regions(page: Page, prediction: int) -> list[Json]:
    """Regions of a stored prediction as the page understood them."""
    return list(page.evaluate(PREDICTION, prediction))


def drawn_rectangles(page: Page) -> list[Rectangle]:
    """What is painted for the regions of the open tab: one rectangle a region and channel, channel by channel."""
    return [Rectangle(**rectangle) for rectangle in page.evaluate(RECTANGLES)]


def _stay_here(route: Route) -> None:
    if urlsplit(route.request.url).hostname in ("127.0.0.1", None):
        route.continue_()
    else:
        route.abort()
