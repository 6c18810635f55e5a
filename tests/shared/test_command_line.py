"""The table of commands, `tss`, and the older names that lead to the same commands."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from shared.command_line import COMMANDS, commands_of, load, main, short_names
from shared.errors import ExitCode, SettingsError
from tests.support.paths import ROOT


def help_of(*command: str) -> str:
    return subprocess.run(
        [sys.executable, *command, "--help"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout


def test_every_command_has_its_module_with_both_functions() -> None:
    for name, command in COMMANDS.items():
        path = ROOT / command.package / f"{command.module.replace('.', '/')}.py"
        text = path.read_text()
        assert "\ndef configure(" in text, name
        assert "\ndef main(" in text, name


def test_tss_lists_the_commands_of_both_programs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == ExitCode.DONE
    reported = capsys.readouterr().out
    assert {"serve", "train", "predict", "doctor", "models"} <= set(short_names())
    assert all(name in reported for name in short_names())


@pytest.mark.parametrize("given", [[], ["dance"], ["run"]])
def test_tss_refuses_what_is_no_command(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(given)
    assert ended.value.code == ExitCode.PERMANENT
    assert "usage: tss" in capsys.readouterr().err


def test_tss_train_is_training_run(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    reported = capsys.readouterr().out
    assert reported.startswith("usage: tss train ")
    assert "--label-config" in reported


def test_the_older_names_list_their_own_commands() -> None:
    server = help_of("-m", "inference")
    trainer = help_of("-m", "training")
    assert all(name in server for name in commands_of("inference"))
    assert all(name in trainer for name in commands_of("training"))
    assert "reconcile" not in server
    assert "preannotate" not in trainer
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert set(scripts) == {"tss", "tss-serve", "tss-train"}


@pytest.mark.parametrize(
    ("command", "library", "extra"), [("run", "torch", "serve,train"), ("serve", "uvicorn", "serve")]
)
def test_a_missing_library_is_named_with_the_remedy(
    command: str, library: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [each for each in sys.modules if each.startswith(("training", "inference", f"{library}."))]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(SettingsError, match=rf"needs {library}, which is not installed here: .*\[{extra}\]"):
        load(command)


@pytest.mark.parametrize("program", ["inference", "training"])
def test_a_reader_that_leaves_early_is_no_crash(program: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", program, {"inference": "completion", "training": "pending"}[program]]
    reading, writing = os.pipe()
    os.close(reading)
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with os.fdopen(writing, "w") as closed:
        ended = subprocess.run(
            command, cwd=ROOT, stdout=closed, stderr=subprocess.PIPE, env={**environment, "MODEL_DIR": str(tmp_path)}
        )
    assert (ended.returncode, ended.stderr) == (ExitCode.INCOMPLETE, b"")


def test_without_an_output_stream_a_command_does_its_work(tmp_path: Path) -> None:
    command = f"'{sys.executable}' -m training pending >&-"
    ended = subprocess.run(
        command, shell=True, cwd=ROOT, stderr=subprocess.PIPE, env={**os.environ, "MODEL_DIR": str(tmp_path)}
    )
    assert (ended.returncode, ended.stderr) == (ExitCode.DONE, b"")


def test_the_completion_script_completes_in_bash(tmp_path: Path) -> None:
    script = tmp_path / "completion"
    command = [sys.executable, "-c", "from shared.command_line import main; main(['completion'])"]
    script.write_bytes(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    shown = subprocess.run(
        ["bash", "-c", f'source {script}; complete -p tss; complete -p tss-serve; complete -p tss-train'],
        check=True, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    assert "train" in shown[0].split()
    assert "preannotate" in shown[1]
    assert "reconcile" in shown[2]
