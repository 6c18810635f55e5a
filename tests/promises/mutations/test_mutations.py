"""The runner of `make red` itself, on a tree of one module and one test."""

import subprocess
from pathlib import Path

import pytest

from tests.promises.mutations.__main__ import find_not_green, try_patch, try_patches
from tests.promises.mutations.patches import FOLDER, read_patch, read_patches
from tests.promises.mutations.scratch import copy_tree
from tests.support.paths import ROOT

TEST = "tests/test_half.py::test_half_is_half"
HEAD = f"Promise: 5\nOut: the division\nRed: {TEST}\n"


def diff(line: str) -> str:
    return f"--- a/shared/half.py\n+++ b/shared/half.py\n@@ -1,2 +1,2 @@\n def half(n):\n-    return n // 2\n+{line}\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "shared").mkdir(parents=True)
    (root / "shared" / "__init__.py").touch()
    (root / "tests").mkdir()
    (root / "shared" / "half.py").write_text("def half(n):\n    return n // 2\n")
    (root / "tests" / "test_half.py").write_text(
        "from shared.half import half\n\n\ndef test_half_is_half():\n    assert half(4) == 2\n"
    )
    (root / "pyproject.toml").write_text('[tool.pytest.ini_options]\naddopts = "--import-mode=importlib"\n')
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    return root


def trouble(root: Path, text: str) -> str:
    path = root.parent / "05-no-division.patch"
    path.write_text(text)
    return try_patch(read_patch(path), root, {})


def test_a_patch_that_takes_the_protection_out_turns_the_test_red(root: Path) -> None:
    assert trouble(root, HEAD + diff("    return n")) == ""
    assert "n // 2" in (root / "shared" / "half.py").read_text(), "the tree itself was changed"


def test_a_patch_that_nobody_sees_is_a_failure(root: Path) -> None:
    assert "does not see it: 1 passed" in trouble(root, HEAD + diff("    return int(n / 2)"))


@pytest.mark.parametrize("line", ["    return m", "    retur n", "    raise ImportError"])
def test_code_that_breaks_is_no_assertion(root: Path, line: str) -> None:
    assert "did not fail by an assertion" in trouble(root, HEAD + diff(line))


def test_a_selection_that_holds_no_test_is_a_failure(root: Path) -> None:
    assert "did not fail by an assertion" in trouble(root, HEAD.replace("is_half", "is_gone") + diff("    return n"))


def test_a_patch_that_does_not_apply_asks_to_be_renewed(root: Path) -> None:
    assert "renew it" in trouble(root, HEAD + diff("    return n").replace("n // 2", "n / 2"))


def test_a_test_that_is_red_with_the_protection_shows_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "shared" / "half.py").write_text("def half(n):\n    return n\n")
    assert "assert" in find_not_green([TEST], root)[TEST]
    (root.parent / "05-no-division.patch").write_text(HEAD + diff("    return n"))
    assert try_patches(read_patches(root.parent), root) == 1
    assert "is not green with the protection" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text",
    [
        diff("    return n"),
        HEAD,
        HEAD.replace("5", "13") + diff("    return n"),
        HEAD.replace("5", "6") + diff("    return n"),
        HEAD + diff("    return n").replace("shared/half.py", "tests/test_half.py"),
    ],
)
def test_a_head_that_is_not_whole_is_refused_and_so_is_a_change_of_a_test(root: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"05-no-division\.patch"):
        trouble(root, text)


def test_each_patch_has_a_head_and_names_files_that_exist() -> None:
    for protection in read_patches(FOLDER):
        for selection in protection.red:
            assert (ROOT / selection.partition("::")[0]).is_file(), protection.name


def test_each_patch_applies_to_the_code_as_it_is(tmp_path: Path) -> None:
    copy_tree(ROOT, tmp_path)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for protection in read_patches(FOLDER):
        check = ["git", "apply", "-C1", "--check", str(protection.path)]
        done = subprocess.run(check, cwd=tmp_path, check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"renew {protection.name}: {done.stderr}"
