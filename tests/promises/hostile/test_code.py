"""What the code itself must not hold: ways to run what a file says, and code in files that are data."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.paths import ROOT

ROOMS = ("time_series_segmenter", "shared", "inference", "training", "benchmarks", "examples", "tests")
PRODUCT = ("time_series_segmenter", "shared", "inference", "training")
RUN_WHAT_THEY_READ = {
    "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle", "skops",
}  # fmt: skip
READERS = {"read_pickle", "to_pickle", "register_custom_ops_library", "enable_onnxruntime_extensions"}
BUILT_IN = {"eval", "exec", "compile", "__import__"}
YAML_SAFE = {"safe_load", "safe_load_all", "safe_dump", "safe_dump_all", "dump"}


def sources(*rooms: str) -> Iterator[tuple[str, ast.Module]]:
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield str(path.relative_to(ROOT)), _parsed(path)


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def findings(tree: ast.Module) -> Iterator[str]:
    """What a module does that none of ours may, with its line."""
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"{line}: imports {name}" for name in names if name.partition(".")[0] in RUN_WHAT_THEY_READ)
        if not isinstance(node, ast.Call):
            continue
        name, owner = _called(node.func)
        given = {each.arg: each.value for each in node.keywords}
        if (owner, name) == ("torch", "load") and not _is(given.get("weights_only"), True):
            yield f"{line}: torch.load without weights_only=True"
        if "allow_pickle" in given and not _is(given["allow_pickle"], False):
            yield f"{line}: allow_pickle"
        if "trust_remote_code" in given or name in READERS:
            yield f"{line}: {name}"
        if owner == "yaml" and name not in YAML_SAFE:
            yield f"{line}: yaml.{name}"


def built_in(tree: ast.Module) -> Iterator[str]:
    """Code made of text, and shells."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name, owner = _called(node.func)
            if (owner == "" and name in BUILT_IN) or (owner == "os" and name in ("system", "popen")):
                yield f"{node.lineno}: {name}"
            if any(each.arg == "shell" and not _is(each.value, False) for each in node.keywords):
                yield f"{node.lineno}: shell"


def _called(function: ast.expr) -> tuple[str, str]:
    """Name of what is called, and of what it belongs to ("" if to nothing)."""
    if isinstance(function, ast.Attribute):
        return function.attr, function.value.id if isinstance(function.value, ast.Name) else "?"
    return (function.id if isinstance(function, ast.Name) else "?"), ""


def _is(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def test_nothing_of_ours_unpickles_or_loads_code_with_data() -> None:
    looked_at = list(sources(*ROOMS))
    assert len(looked_at) > 250
    assert [f"{path}:{each}" for path, tree in looked_at for each in findings(tree)] == []


def test_nothing_of_the_product_runs_text() -> None:
    assert [f"{path}:{each}" for path, tree in sources(*PRODUCT) for each in built_in(tree)] == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle", "from pickle import loads", "import joblib.numpy_pickle", "torch.load(path)",
        "torch.load(path, weights_only=False)", "np.load(path, allow_pickle=True)", "pd.read_pickle(path)",
        "options.register_custom_ops_library(path)", "yaml.load(text)", "load(trust_remote_code=True)",
    ],
)  # fmt: skip
def test_the_look_finds_what_it_looks_for(code: str) -> None:
    assert list(findings(ast.parse(code)))


@pytest.mark.parametrize("code", ["eval(text)", "exec(text)", "os.system(text)", "run(text, shell=True)"])
def test_the_look_finds_text_that_is_run(code: str) -> None:
    assert list(built_in(ast.parse(code)))


def test_no_tracked_file_is_a_pickle_or_an_archive_of_one() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    names = [name for name in listed.split("\0") if name] or [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")]
    assert not [name for name in names if Path(name).suffix in (".pkl", ".pickle", ".pt", ".joblib", ".npy", ".npz")]
