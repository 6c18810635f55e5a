import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from inference.web.server import check_exposure
from shared.errors import SettingsError
from shared.settings import Settings
from tests.support.commands import run_inference
from tests.support.server import run_server
from tests.support.waiting import NEVER_SECONDS

SECRETS: dict[str, Any] = {"basic_auth_user": "ann", "basic_auth_pass": "secret"}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_on_this_machine_alone_no_credentials_are_needed(host: str) -> None:
    check_exposure(Settings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "sensors.lan"])
def test_other_machines_reach_a_server_only_with_credentials_or_a_word(host: str) -> None:
    with pytest.raises(SettingsError, match=r"BASIC_AUTH_USER.*ALLOW_OPEN"):
        check_exposure(Settings(host=host))
    check_exposure(Settings(host=host, allow_open=True))
    check_exposure(Settings(host=host, **SECRETS))


def test_in_a_cluster_events_need_the_secret_path() -> None:
    with pytest.raises(SettingsError, match="WEBHOOK_SECRET"):
        check_exposure(Settings(host="0.0.0.0", train_launcher="kubernetes", **SECRETS))
    check_exposure(Settings(host="0.0.0.0", train_launcher="kubernetes", webhook_secret="0" * 16, **SECRETS))


def test_the_command_itself_refuses_to_serve_other_machines(tmp_path: Path) -> None:
    environment = {**os.environ, "HOST": "0.0.0.0", "PORT": "0", "MODEL_DIR": str(tmp_path), "TRAIN_LAUNCHER": "none"}
    program = "import inference.web.server as s; s._listen = None; s.serve(s.Settings.from_environment())"
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "SettingsError" in run.stderr
    assert "ALLOW_OPEN=true" in run.stderr


def test_connections_leave_half_of_the_files_to_everything_else() -> None:
    program = "from inference.web.server import most_connections as m; print(m(512), m(100))"
    command = ["sh", "-c", f"ulimit -n 256; exec {sys.executable} -c '{program}'"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["128", "100"]
    assert "ulimit -n" in run.stderr


def test_a_taken_port_stops_the_program_with_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_inference("serve", MODEL_DIR=str(tmp_path), PORT=str(port))
    assert done.returncode == 2
    assert str(port) in done.stderr


def test_sigterm_ends_the_server_in_order(tmp_path: Path) -> None:
    with run_server(tmp_path) as server:
        assert server.json("GET", "/health")[1]["status"] == "UP"
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(NEVER_SECONDS) == 0
        assert "Traceback" not in server.log
