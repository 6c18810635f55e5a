"""One mutation: a TOML file that removes one protection from the code and names the tests that must notice.

    promise = 5
    mutation = "a candidate is published without the lease"
    fails = ["tests/shared/store/test_models.py::test_a_run_that_lost_its_lease_publishes_nothing"]

    [[replace]]
    file = "shared/store/lease.py"
    old = '''
    lines of code that occur exactly once in the file
    '''
    new = '''
    what stands there instead
    '''

`fails` may name several tests; each must fail. There is no context: edits near `old` do not matter.
"""

import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

PROMISES = range(1, 14)
FOLDER = Path(__file__).parent
PRODUCT = ("shared/", "inference/", "training/", "k8s/")


class Replacement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Text of one file and what replaces it."""

    file: str
    old: str
    new: str


class Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a mutation file holds."""

    promise: int
    mutation: str
    fails: list[str]
    replace: list[Replacement]


class Mutation(NamedTuple):
    """A mutation with the name of its file."""

    name: str
    promise: int
    sentence: str  # what is different, for people
    fails: tuple[str, ...]  # pytest selections
    replacements: tuple[Replacement, ...]


def read_mutation(path: Path) -> Mutation:
    """Read a mutation file. Raises ValueError where it is incomplete or changes anything but the product."""
    try:
        content = msgspec.convert(tomllib.loads(path.read_text()), Content)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"{path.name}: expected promise, mutation, fails and [[replace]] tables: {error}.") from error
    if not content.fails or not content.replace or not all(each.old.strip() for each in content.replace):
        raise ValueError(f"{path.name}: expected at least one test in `fails` and one replacement with an `old` text.")
    if content.promise not in PROMISES or not path.name.startswith(f"{content.promise:02}-"):
        raise ValueError(f"{path.name}: its promise is {content.promise}, expected 1 to 13 and the same in its name.")
    outside = sorted({each.file for each in content.replace if not each.file.startswith(PRODUCT)})
    if outside:
        raise ValueError(f"{path.name}: it changes {', '.join(outside)}, expected files in {', '.join(PRODUCT)}.")
    return Mutation(path.stem, content.promise, content.mutation, tuple(content.fails), tuple(content.replace))


def read_mutations(folder: Path, names: Sequence[str] = ()) -> list[Mutation]:
    """All mutations of a folder, or those whose names begin with one of `names`, such as `05`. Raises ValueError."""
    paths = sorted(folder.glob("*.toml"))
    unknown = [name for name in names if not any(path.name.startswith(name) for path in paths)]
    if unknown or not paths:
        raise ValueError(f"No mutation is named {', '.join(unknown) or '*.toml'} in {folder}.")
    return [read_mutation(path) for path in paths if not names or path.name.startswith(tuple(names))]


def promises_without_mutation(mutations: Sequence[Mutation]) -> list[int]:
    """Promises that no mutation breaks."""
    return [promise for promise in PROMISES if promise not in {each.promise for each in mutations}]


def mutated_files(mutation: Mutation, tree: Path) -> dict[Path, str]:
    """The new text of each file that a mutation changes.

    Raises ValueError if an `old` text does not occur exactly once at the start of a line.
    """
    texts: dict[str, str] = {}
    places: dict[str, list[tuple[int, Replacement]]] = {}
    for each in mutation.replacements:
        if each.file not in texts:
            path = tree / each.file
            texts[each.file] = path.read_text() if path.is_file() else ""
        found = list(_starts(texts[each.file], each.old))
        if len(found) != 1:
            raise ValueError(
                f"{mutation.name}: the old text occurs {len(found)} times in {each.file}, expected once; "
                f"copy the lines as they are now into {mutation.name}.toml:\n{each.old}"
            )
        places.setdefault(each.file, []).append((found[0], each))
    for file, replacements in places.items():
        for start, each in sorted(replacements, key=lambda place: place[0], reverse=True):
            texts[file] = texts[file][:start] + each.new + texts[file][start + len(each.old) :]
    return {tree / file: text for file, text in texts.items()}


def _starts(text: str, part: str) -> Iterator[int]:
    """Where a part starts in a text, at the start of a line."""
    start = text.find(part)
    while start >= 0:
        if start == 0 or text[start - 1] == "\n":
            yield start
        start = text.find(part, start + 1)
