import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from inference.__main__ import main
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from tests.inference.conftest import Publish


@pytest.fixture
def call(model_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command over the store; gives its exit code and what it said."""
    monkeypatch.setenv("MODEL_DIR", str(model_dir))

    def call(*words: str) -> tuple[int, str]:
        code = main(["models", *words])
        said = capsys.readouterr()
        return code, said.out + said.err

    return call


def test_list_tells_versions_as_a_table_and_as_json(call: Any, publish: Publish) -> None:
    assert call("list") == (0, "There are no models yet.\n")
    version = publish()
    assert version in call("list")[1]
    (row,) = json.loads(call("list", "--json")[1])
    assert (row["project"], row["version"], row["standing"]) == (3, version, "serves")


def test_verify_finds_the_model_that_does_not_hold(call: Any, publish: Publish, model_dir: Path) -> None:
    version = publish()
    assert call("verify")[0] == 0
    file = model_dir / "versions" / "3" / f"{version}.onnx"
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    file.write_bytes(damaged)
    code, said = call("verify", "--json")
    assert code == 1
    assert [bool(each["error"]) for each in json.loads(said)] == [False, True]


def test_a_version_travels_as_a_file_and_serves_once_promoted(
    call: Any, publish: Publish, model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = publish()
    file = tmp_path / "model.onnx"
    assert call("export", "--project", "3", str(file))[0] == 0
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "elsewhere"))
    store = ModelStore(open_storage(str(tmp_path / "elsewhere")))
    assert call("import", str(file))[0] == 0
    assert store.current(3) is None
    assert main(["promote", "--project", "3", version, "--json"]) == 0
    stored = store.current(3)
    assert stored is not None
    assert stored.data == file.read_bytes()


def test_a_damaged_file_is_not_imported(call: Any, publish: Publish, tmp_path: Path) -> None:
    publish()
    file = tmp_path / "model.onnx"
    call("export", "--project", "3", str(file))
    file.write_bytes(file.read_bytes()[:-9])
    assert call("import", str(file))[0] == 2


def test_delete_needs_to_be_meant(call: Any, publish: Publish, model_dir: Path) -> None:
    publish()
    code, said = call("delete", "--project", "3")
    assert code == 2
    assert "--yes" in said
    assert call("delete", "--project", "3", "--yes")[0] == 0
    assert ModelStore(open_storage(str(model_dir))).versions(3) == []


def test_the_completion_script_is_one_that_bash_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion"]) == 0
    script = capsys.readouterr().out
    assert "preannotate" in script
    subprocess.run(["bash", "-c", script], check=True)
