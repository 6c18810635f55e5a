"""A protection taken out of the code: a patch with a head that says which promise it breaks and which test must see it.

    Promise: 5
    Out: who publishes is not asked for its lease
    Red: tests/shared/store/test_models.py::test_a_run_that_lost_its_lease_publishes_nothing
    --- a/shared/store/lease.py
    …

`Red` may stand several times; the tests of each must fail.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

PROMISES = range(1, 13)
FOLDER = Path(__file__).parent
PRODUCT = ("shared/", "inference/", "training/", "k8s/")
_HEAD = re.compile(r"(Promise|Out|Red): (.+)")
_CHANGED = re.compile(r"^(?:---|\+\+\+) (?:[ab]/)?(\S+)", re.MULTILINE)


class Protection(NamedTuple):
    """What a patch takes out."""

    name: str
    promise: int
    out: str  # a sentence for people
    red: tuple[str, ...]  # selections of pytest
    path: Path


def read_patch(path: Path) -> Protection:
    """A patch file. Raises ValueError where its head is not whole, or where it changes anything but the product."""
    text = path.read_text()
    head, found, _ = text.partition("\n--- ")
    fields: dict[str, list[str]] = {"Promise": [], "Out": [], "Red": []}
    for line in head.splitlines():
        match = _HEAD.fullmatch(line)
        if match:
            fields[match[1]].append(match[2].strip())
    promises, outs, reds = fields["Promise"], fields["Out"], fields["Red"]
    if not found or len(promises) != 1 or len(outs) != 1 or not reds:
        raise ValueError(f"{path.name}: expected one line `Promise: N`, one `Out: …`, lines `Red: …`, then a diff.")
    if not promises[0].isdigit() or int(promises[0]) not in PROMISES or not path.name.startswith(f"{promises[0]:0>2}-"):
        raise ValueError(f"{path.name}: its promise is {promises[0]!r}, expected 1 to 12 and the same in its name.")
    strange = sorted({name for name in _CHANGED.findall(text) if not name.startswith((*PRODUCT, "/dev/null"))})
    if strange:
        raise ValueError(f"{path.name}: it changes {', '.join(strange)}; a protection lies in {', '.join(PRODUCT)}.")
    return Protection(path.stem, int(promises[0]), outs[0], tuple(reds), path)


def read_patches(folder: Path, names: Sequence[str] = ()) -> list[Protection]:
    """All patches of a folder, or those named: by name or by its beginning, such as `05`. Raises ValueError."""
    paths = sorted(folder.glob("*.patch"))
    unknown = [name for name in names if not any(path.name.startswith(name) for path in paths)]
    if unknown or not paths:
        raise ValueError(f"No patch is named {', '.join(unknown) or '*.patch'} in {folder}.")
    return [read_patch(path) for path in paths if not names or path.name.startswith(tuple(names))]


def unshown(protections: Sequence[Protection]) -> list[int]:
    """Promises that no patch breaks."""
    return [promise for promise in PROMISES if promise not in {each.promise for each in protections}]
