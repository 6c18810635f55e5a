"""Every relative link of the documentation leads somewhere, and pictures stay small."""

from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs.markdown import LINK, anchors, pages, prose
from tests.support.paths import ROOT

SMALL = 200_000  # bytes of a picture: a clone carries every version of it


def relative_links(text: str) -> list[str]:
    return [link for link in LINK.findall(prose(text)) if "://" not in link and not link.startswith("mailto:")]


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_each_relative_link_leads_to_a_file_and_a_heading(path: Path) -> None:
    for link in relative_links(pages()[path]):
        name, _, anchor = unquote(link).partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), f"{link}: no such file"
        assert target.is_relative_to(ROOT), f"{link}: outside the repository"
        if anchor:
            assert anchor in anchors(target.read_text()), f"{link}: no such heading"


def test_each_page_is_linked_from_the_readme() -> None:
    linked = set(relative_links((ROOT / "README.md").read_text()))
    assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} <= {link.partition("#")[0] for link in linked}


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 160


def test_pictures_are_small_and_shown() -> None:
    shown = {(path.parent / link).resolve() for path, text in pages().items() for link in relative_links(text)}
    for picture in (ROOT / "docs").glob("*.png"):
        assert picture.stat().st_size < SMALL, picture.name
        assert picture in shown, f"{picture.name} is on no page"
