import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from shared.retraining.active_run import begin_run
from shared.retraining.launcher import ChildProcessLauncher
from shared.retraining.runs import RunRecord, Runs
from shared.retraining.scheduler import Launch
from shared.settings import Settings
from shared.store.opening import open_storage
from shared.store.storage import Storage
from tests.support.waiting import wait_until

LAUNCH = Launch(3, 1, "a test")


@pytest.fixture
def folder(tmp_path: Path) -> Storage:
    return open_storage(str(tmp_path / "store"))


def launcher_of(folder: Storage, script: str, seconds: int = 600) -> ChildProcessLauncher:
    """A launcher whose children run a script in place of the trainer."""
    return ChildProcessLauncher(
        Settings(train_timeout_seconds=seconds),
        runs=Runs(folder),
        environment=lambda: {"LABEL_STUDIO_API_KEY": "the-token-of-setup"},
        command=(sys.executable, "-c", textwrap.dedent(script)),
    )


def children_of_project_3() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if child.cmdline()[-4:-2] == ["--project", "3"]]


def last(folder: Storage) -> RunRecord | None:
    return Runs(folder).last_ended(3)


def test_a_child_gets_project_number_and_credentials_and_a_process_group_of_its_own(
    folder: Storage, tmp_path: Path
) -> None:
    reported = tmp_path / "reported"
    script = f"""
        import os, sys
        open({str(reported)!r} + "~", "w").write(
            f"{{sys.argv[1:]}} {{os.environ['LABEL_STUDIO_API_KEY']}} {{os.environ['OMP_NUM_THREADS']}} "
            f"{{os.getpgid(0) == os.getpid()}}")
        os.rename({str(reported)!r} + "~", {str(reported)!r})
        sys.stdin.read()
    """
    launcher = launcher_of(folder, script)
    launcher.launch(LAUNCH)
    wait_until(reported.exists)
    assert reported.read_text() == "['--project', '3', '--number', '1'] the-token-of-setup 1 True"
    wait_until(lambda: [child.nice() for child in children_of_project_3()] == [19])
    launcher.close()


def test_a_project_has_one_child_at_a_time(folder: Storage) -> None:
    launcher = launcher_of(folder, "import sys; sys.stdin.read()")
    launcher.launch(LAUNCH)
    launcher.launch(LAUNCH)
    assert launcher.running() == {3}
    wait_until(lambda: len(children_of_project_3()) == 1)  # until it runs, it goes by its parent's name
    launcher.close()
    wait_until(lambda: launcher.running() == set())


def test_a_child_that_crashes_is_recorded_with_its_last_words(folder: Storage) -> None:
    launcher = launcher_of(folder, "raise SystemExit('no module named torch')")
    launcher.launch(LAUNCH)
    wait_until(lambda: launcher.running() == set())
    ended = last(folder)
    assert ended is not None
    assert (ended.number, ended.outcome, ended.exit_code) == (1, "failed", 1)
    assert "no module named torch" in ended.reason


def test_a_child_that_succeeds_without_recording_its_run_is_recorded_as_failed(folder: Storage) -> None:
    launcher = launcher_of(folder, "print('nothing was trained')")
    launcher.launch(LAUNCH)
    wait_until(lambda: launcher.running() == set())
    ended = last(folder)
    assert ended is not None
    assert (ended.number, ended.outcome, ended.exit_code, ended.failures) == (1, "failed", 0, 1)
    assert "nothing was trained" in ended.reason
    assert Runs(folder).next_number(3) == 2


def test_a_child_that_was_killed_in_its_run_frees_the_project_at_once(folder: Storage, tmp_path: Path) -> None:
    script = f"""
        import os, signal, socket
        from shared.retraining.active_run import begin_run
        from shared.store.opening import open_storage
        begin_run(open_storage({str(tmp_path / "store")!r}), 3, launcher="process", number=1,
                  host=f"{{socket.gethostname()}} pid {{os.getpid()}}")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    launcher = launcher_of(folder, script)
    launcher.launch(LAUNCH)
    wait_until(lambda: launcher.running() == set())
    ended = last(folder)
    assert ended is not None
    assert ended.exit_code == -signal.SIGKILL
    assert Runs(folder).state(3).active is None


def test_a_child_that_found_another_trainer_at_work_ends_nothing_of_his(folder: Storage) -> None:
    with begin_run(folder, 3, launcher="by hand", host="elsewhere pid 1"):
        launcher = launcher_of(folder, "raise SystemExit(75)")
        launcher.launch(LAUNCH)
        wait_until(lambda: launcher.running() == set())
        assert last(folder) is None
        assert Runs(folder).state(3).active is not None


def test_a_child_that_takes_too_long_is_ended_and_recorded(folder: Storage) -> None:
    launcher = launcher_of(folder, "import time; time.sleep(600)", seconds=1)
    launcher.launch(LAUNCH)
    wait_until(lambda: launcher.running() == set())
    ended = last(folder)
    assert ended is not None
    assert "TRAIN_TIMEOUT_SECONDS=1" in ended.reason


def test_packages_in_the_working_directory_of_the_server_never_run(
    folder: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = tmp_path / "ran"
    for package in ("training", "shared"):
        (tmp_path / package).mkdir()
        for module in ("__init__", "__main__", "errors", "settings"):
            (tmp_path / package / f"{module}.py").write_text(f"open({str(ran)!r}, 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    settings = Settings(model_dir=folder.address, label_studio_host="http://127.0.0.1:9", label_studio_api_key="none")
    launcher = ChildProcessLauncher(settings, runs=Runs(folder), environment=dict)
    launcher.launch(LAUNCH)
    wait_until(lambda: launcher.running() == set())
    assert not ran.exists()
    ended = last(folder)
    assert ended is not None
    assert (ended.launcher, ended.exit_code) == ("process", 75), "the installed trainer ran and recorded its end"


def test_after_close_nothing_is_started(folder: Storage) -> None:
    launcher = launcher_of(folder, "import sys; sys.stdin.read()")
    launcher.close()
    launcher.launch(LAUNCH)
    assert launcher.running() == set()


def test_a_trainer_dies_with_its_server_even_on_kill_9(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    trainer_script = f"""
import os, threading
from training.commands.stopping import stoppable
with stoppable(attached=True):
    open({str(pid_file)!r} + "~", "w").write(str(os.getpid()))
    os.rename({str(pid_file)!r} + "~", {str(pid_file)!r})
    threading.Event().wait()
"""
    server_script = f"""
import sys, time
from shared.retraining.launcher import ChildProcessLauncher
from shared.retraining.runs import Runs
from shared.retraining.scheduler import Launch
from shared.settings import Settings
from shared.store.opening import open_storage
runs = Runs(open_storage({str(tmp_path / "store")!r}))
command = (sys.executable, "-c", {trainer_script!r})
ChildProcessLauncher(Settings(), runs=runs, environment=dict, command=command).launch(Launch(3, 1, "a test"))
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", server_script]) as server:
        wait_until(pid_file.exists)
        trainer = psutil.Process(int(pid_file.read_text()))
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
    wait_until(lambda: not trainer.is_running() or trainer.status() == psutil.STATUS_ZOMBIE)
