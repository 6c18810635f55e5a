"""The command line of the server, as people and scripts use it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import urllib3

from shared.labelling.label_config import parse_label_config
from tests.inference.conftest import CONFIG, VALUES, Publish
from tests.support.paths import ROOT

TIMED = CONFIG.replace("json", "url").replace(
    'value="$csv_url"', 'value="$csv_url" timeColumn="time" timeFormat="%Y-%m-%d %H:%M:%S"'
)


def inference(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "inference", *arguments],
        env={**os.environ, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def write_csv(path: Path, times: bool = False) -> Path:
    cells = [
        f"2026-01-01 00:{row // 60:02d}:{row % 60:02d},{value}" if times else f"{value}"
        for row, value in enumerate(VALUES)
    ]
    path.write_text("\n".join(["time,value" if times else "value", *cells]) + "\n")
    return path


def test_predict_writes_one_array_to_stdout_and_all_else_to_stderr(
    tmp_path: Path, model_dir: Path, publish: Publish
) -> None:
    version = publish(project=0)
    good, missing = write_csv(tmp_path / "good.csv"), tmp_path / "missing.csv"
    done = inference("predict", str(good), str(missing), "--json", MODEL_DIR=str(model_dir))
    first, second = json.loads(done.stdout)
    assert first["file"] == str(good)
    assert first["model_version"] == version
    assert 0 < first["score"] <= 1
    (region,) = first["result"]
    assert (region["value"]["start"], region["value"]["end"]) == (60, 79)
    assert second["result"] == []
    assert "missing.csv" in done.stderr
    assert done.returncode == 1


def test_predict_gives_times_in_the_configurations_format(tmp_path: Path, model_dir: Path, publish: Publish) -> None:
    publish(project=0, label_config=parse_label_config(TIMED))
    done = inference("predict", str(write_csv(tmp_path / "a.csv", times=True)), "--json", MODEL_DIR=str(model_dir))
    (region,) = json.loads(done.stdout)[0]["result"]
    assert region["value"]["start"] == "2026-01-01 00:01:00"
    assert region["value"]["end"] == "2026-01-01 00:01:19"
    assert done.returncode == 0


def test_predict_without_a_model_says_so_and_asks_to_come_again(tmp_path: Path) -> None:
    done = inference("predict", "a.csv", "--json", MODEL_DIR=str(tmp_path))
    assert done.returncode == 75
    assert "no model" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("project", ["../0", "-1", "x", "1.5"])
def test_a_project_that_is_no_number_is_refused(project: str, tmp_path: Path) -> None:
    done = inference("predict", f"--project={project}", "a.csv", MODEL_DIR=str(tmp_path))
    assert done.returncode == 2
    assert "digits" in done.stderr


def test_roll_back_and_promote_change_what_serves(model_dir: Path, publish: Publish) -> None:
    first = publish(version="20260101T000000Z-aaaaaa")
    second = publish(version="20260102T000000Z-bbbbbb")
    back = inference("rollback", "--project", "3", MODEL_DIR=str(model_dir))
    assert back.returncode == 0
    assert first in back.stdout
    forth = inference("promote", "--project", "3", second, MODEL_DIR=str(model_dir))
    assert second in forth.stdout
    unknown = inference("promote", "--project", "3", "20270101T000000Z-cccccc", MODEL_DIR=str(model_dir))
    assert unknown.returncode == 2
    assert first in unknown.stderr


def test_a_wrong_setting_stops_the_program_with_one_sentence(tmp_path: Path) -> None:
    done = inference("serve", MODEL_DIR=str(tmp_path), PORT="ninety")
    assert done.returncode == 2
    assert done.stderr.strip().count("\n") == 0
    assert all(word in done.stderr for word in ("PORT", "ninety", "0 to 65535"))


def test_a_taken_port_stops_the_program_with_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = inference("serve", MODEL_DIR=str(tmp_path), PORT=str(port))
    assert done.returncode == 2
    assert str(port) in done.stderr


def test_importing_the_server_loads_nothing_of_training() -> None:
    script = (
        "import sys, inference.__main__, inference.web.server, inference.commands.predict\n"
        "print([name for name in ('torch', 'onnx', 'sklearn', 'label_studio_sdk', 'training') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class Server:
    """A serving process on a free port."""

    def __init__(self, model_dir: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        variables = {"MODEL_DIR": str(model_dir), "PORT": str(self.port), "LABEL_STUDIO_HOST": "http://127.0.0.1:1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "inference", "serve"],
            env={**os.environ, **variables, "TRAIN_LAUNCHER": "none", "RECONCILE_SECONDS": "0"},
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._http = urllib3.PoolManager(retries=False, timeout=240)
        deadline = time.monotonic() + 240
        while not self._is_ready():
            assert time.monotonic() < deadline
            assert self.process.poll() is None
            time.sleep(0.05)

    def ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        return self._http.request(method, f"http://127.0.0.1:{self.port}{path}", body=body).json()

    def end(self) -> tuple[int, str]:
        self._http.clear()
        _, errors = self.process.communicate(timeout=240)
        return self.process.returncode, errors

    def _is_ready(self) -> bool:
        try:
            return bool(self.ask("GET", "/readyz")["status"] == "ready")
        except urllib3.exceptions.HTTPError:
            return False


def test_sigterm_ends_the_server_in_order(model_dir: Path) -> None:
    server = Server(model_dir)
    assert server.ask("GET", "/health")["status"] == "UP"
    server.process.send_signal(signal.SIGTERM)
    code, errors = server.end()
    assert code == 0
    assert "Traceback" not in errors
