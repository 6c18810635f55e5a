"""The runner of mutations itself, on a tree of one module and one test."""

import subprocess
from pathlib import Path

import pytest

from tests.promises.mutations.__main__ import find_not_green, try_mutation, try_mutations
from tests.promises.mutations.mutation import FOLDER, mutated_files, read_mutation, read_mutations
from tests.support.paths import ROOT

TEST = "tests/test_half.py::test_half_is_half"
HEAD = f'promise = 5\nmutation = "the division"\nfails = ["{TEST}"]\n'
OLD = "    return n // 2\n"


def replace(new: str, old: str = OLD, file: str = "shared/half.py") -> str:
    return f"[[replace]]\nfile = '{file}'\nold = '''\n{old}'''\nnew = '''\n{new}\n'''\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "shared").mkdir(parents=True)
    (root / "shared" / "__init__.py").touch()
    (root / "tests").mkdir()
    (root / "shared" / "half.py").write_text(f"def half(n):\n{OLD}")
    (root / "tests" / "test_half.py").write_text(
        "from shared.half import half\n\n\ndef test_half_is_half():\n    assert half(4) == 2\n"
    )
    (root / "pyproject.toml").write_text('[tool.pytest.ini_options]\naddopts = "--import-mode=importlib"\n')
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    return root


def problem(root: Path, text: str) -> str:
    path = root.parent / "05-no-division.toml"
    path.write_text(text)
    return try_mutation(read_mutation(path), root, {})


@pytest.mark.slow
def test_a_mutation_that_removes_the_protection_fails_the_test(root: Path) -> None:
    assert problem(root, HEAD + replace("    return n")) == ""
    assert "n // 2" in (root / "shared" / "half.py").read_text(), "the tree itself was changed"


@pytest.mark.slow
def test_a_mutation_that_no_test_notices_is_a_failure(root: Path) -> None:
    assert "does not notice: 1 passed" in problem(root, HEAD + replace("    return int(n / 2)"))


@pytest.mark.slow
@pytest.mark.parametrize("line", ["    return m", "    retur n", "    raise ImportError"])
def test_code_that_breaks_is_not_an_assertion(root: Path, line: str) -> None:
    assert "did not fail by an assertion" in problem(root, HEAD + replace(line))


@pytest.mark.slow
def test_a_selection_without_tests_is_a_failure(root: Path) -> None:
    text = HEAD.replace("is_half", "is_gone") + replace("    return n")
    assert "did not fail by an assertion" in problem(root, text)


@pytest.mark.parametrize(("old", "times"), [("    return n / 2\n", 0), ("return n // 2\n", 0)])
def test_code_that_is_no_longer_there_asks_for_a_renewal(root: Path, old: str, times: int) -> None:
    assert f"occurs {times} times in shared/half.py" in problem(root, HEAD + replace("    return n", old))


def test_code_that_occurs_twice_asks_for_a_renewal(root: Path) -> None:
    with (root / "shared" / "half.py").open("a") as file:
        file.write(f"\n\ndef again(n):\n{OLD}")
    assert "occurs 2 times in shared/half.py" in problem(root, HEAD + replace("    return n"))


@pytest.mark.slow
def test_a_comment_nearby_changes_nothing(root: Path) -> None:
    (root / "shared" / "half.py").write_text(f"def half(n):\n    # rounded down\n{OLD}    # the end\n")
    assert problem(root, HEAD + replace("    return n")) == ""


def test_replacements_are_found_in_the_code_as_it_is_not_in_each_other(root: Path) -> None:
    path = root.parent / "05-moved.toml"
    path.write_text(HEAD + replace(OLD + "def half(n):", "def half(n):\n") + replace("    return n"))
    assert list(mutated_files(read_mutation(path), root).values()) == [f"{OLD}def half(n):\n    return n\n"]


@pytest.mark.slow
def test_a_test_that_fails_with_the_protection_shows_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "shared" / "half.py").write_text("def half(n):\n    return n\n")
    assert "assert" in find_not_green([TEST], root)[TEST]
    (root.parent / "05-no-division.toml").write_text(HEAD + replace("    return n"))
    assert try_mutations(read_mutations(root.parent), root) == 1
    assert "is not green with the protection" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text",
    [
        replace("    return n"),
        HEAD,
        HEAD.replace(TEST, "").replace('""', "") + replace("    return n"),
        HEAD + replace("    return n", old=""),
        HEAD + 'test = "typed wrong"\n' + replace("    return n"),
        HEAD.replace("5", "14") + replace("    return n"),
        HEAD.replace("5", "6") + replace("    return n"),
        HEAD + replace("    return n", file="tests/test_half.py"),
    ],
)
def test_a_file_that_is_incomplete_or_changes_a_test_is_refused(root: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"05-no-division\.toml"):
        problem(root, text)


def test_each_mutation_names_test_files_that_exist() -> None:
    for mutation in read_mutations(FOLDER):
        for selection in mutation.fails:
            assert (ROOT / selection.partition("::")[0]).is_file(), mutation.name


def test_each_mutation_applies_to_the_code_as_it_is() -> None:
    for mutation in read_mutations(FOLDER):
        assert mutated_files(mutation, ROOT)
