"""Code and documentation use the words of docs/glossary.md; every exception is listed here with its reason."""

import ast
import io
import re
import subprocess
import tokenize
from collections import defaultdict
from collections.abc import Iterator

from tests.docs.markdown import between, page
from tests.support.paths import ROOT

CODE = ("time_series_segmenter", "shared", "inference", "training", "tests", "benchmarks", "research", "examples")
PRODUCT = ("time_series_segmenter", "shared", "inference", "training")
FENCED = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)

# Places that have to name the old words.
EXEMPT = {
    "docs/glossary.md": "the list itself",
    "docs/store-format.md": "names under which keys are stored",
    "tests/docs/test_glossary.py": "the list itself",
}
# Uses that are no words of ours.
PHRASES = re.compile(
    r"ground[ _-]?truth|label[ _-]?studio|^\s*Studio\b"  # Label Studio's own, also across two lines
    r"|training[./]judging|judging[./]\w+"  # the name of a folder
    r"|\.stem\b"  # pathlib
    r"|\"(?:judging|judged|figures|hop|stem|composition|amounts|truth|stamp)\"",  # stored keys and states
    re.IGNORECASE,
)
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def forbidden() -> set[str]:
    """The words whose every use is one of ours; those with a remark in brackets are left to reviewers."""
    rows = [line.split("|")[1] for line in between(page("docs/glossary.md"), "forbidden").splitlines()[2:]]
    return {word for row in rows if "(" not in row for word in re.findall(r"`(\w+)`", row)}


def texts() -> Iterator[tuple[str, int, str]]:
    """Path, line and text of every identifier and comment, every docstring, and all prose of the documentation."""
    listed = subprocess.run(["git", "ls-files", *(f"{room}/*.py" for room in CODE), "*.md"], cwd=ROOT, text=True,
                            capture_output=True, check=True).stdout.splitlines()  # fmt: skip
    for name in listed:
        if name in EXEMPT or not (ROOT / name).exists():
            continue
        text = (ROOT / name).read_text()
        if name.endswith(".md"):
            blank = FENCED.sub(lambda match: "\n" * match[0].count("\n"), text)
            yield from ((name, number, line) for number, line in enumerate(blank.splitlines(), 1))
        else:
            yield from ((name, line, found) for line, found in code_texts(text))


def code_texts(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME and not token.line[: token.start[1]].endswith("."):
            yield token.start[0], token.string
        elif token.type == tokenize.NAME:
            yield token.start[0], f".{token.string}"
        elif token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node, clean=False)
            if docstring:
                first = node.body[0].lineno
                yield from ((first + number, line) for number, line in enumerate(docstring.split("\n")))


def offences() -> list[str]:
    words = forbidden()
    found = set()
    for name, line, text in texts():
        for match in WORD.finditer(PHRASES.sub(" ", text)):
            if match[0].lower() in words:
                found.add(f"{name}:{line}: {match[0]}: {text.strip()[:100]}")
    return sorted(found)


def test_the_list_is_read() -> None:
    assert {"hop", "stem", "believed", "journal"} <= forbidden()
    assert "ground" not in forbidden()


def test_no_word_of_the_list_is_used() -> None:
    assert offences() == []


def test_no_two_classes_of_the_product_have_the_same_name() -> None:
    places = defaultdict(list)
    for room in PRODUCT:
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
