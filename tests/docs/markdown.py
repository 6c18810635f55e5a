"""The project's documentation, as tests read it."""

import re
import subprocess
from functools import cache
from pathlib import Path

from tests.support.paths import ROOT

FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@cache
def pages() -> dict[Path, str]:
    """Every Markdown file of the repository and its text."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = (ROOT / line for line in listed.stdout.splitlines())
    return {path: path.read_text() for path in sorted(found) if path.is_file()}


def page(name: str) -> str:
    """Text of a page below the repository's root."""
    return (ROOT / name).read_text()


def between(text: str, name: str) -> str:
    """What stands between `<!-- name -->` and `<!-- /name -->`."""
    return text.partition(f"<!-- {name} -->\n")[2].partition(f"\n<!-- /{name} -->")[0]


def prose(text: str) -> str:
    """Text without its fenced blocks."""
    return FENCE.sub("", text)


def anchors(text: str) -> set[str]:
    """The anchors that a page's headings get on GitHub."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(prose(text))}


def code(text: str) -> list[str]:
    """Lines of fenced blocks and inline code: where commands are named."""
    fenced = [line for block in FENCE.findall(text) for line in block.splitlines()[1:-1]]
    return fenced + re.findall(r"`([^`\n]+)`", prose(text))
