"""The built images, run: `make images` first, then `make images-test`. Not part of `make test`.

RUNNER is docker or what takes its verbs (with options), RUN_FLAGS go to each run, TAG is the images' version.
"""

import json
import os
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import urllib3

from tests.support.paths import ROOT, VERSION

RUNNER = shlex.split(os.environ.get("RUNNER", "docker"))
RUN_FLAGS = shlex.split(os.environ.get("RUN_FLAGS", ""))
TAG = os.environ.get("TAG", VERSION)
USER = 10001
EXAMPLE = ROOT / "examples" / "watch"
LARGEST_SERVE = 450e6  # bytes, unpacked, base image included
PASSWORD = "of this test"


def image(kind: str) -> str:
    return f"time-series-segmenter-{kind}:{TAG}"


def runner(*words: str) -> str:
    done = subprocess.run([*RUNNER, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:] + done.stdout[-4000:]
    return done.stdout + done.stderr if words[0] == "logs" else done.stdout


def run(kind: str, *command: str, options: tuple[str, ...] = ()) -> str:
    """Run as the manifests do: read-only root, an empty /tmp, no capabilities, nobody's user id."""
    return runner("run", "--rm", *hardened(), *options, image(kind), *command)


def hardened() -> list[str]:
    return ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--network", "host", *RUN_FLAGS]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the images' user may write, with a model that the train image has published."""
    folder = tmp_path_factory.mktemp("models")
    os.chown(folder, USER, USER)
    begun = time.monotonic()
    said = run(
        "train",
        *("python", "-m", "training", "run"),
        *("--tasks", "/export/tasks.json", "--label-config", "/export/label_config.xml"),
        options=(
            *("-v", f"{EXAMPLE}:/export:ro", "-v", f"{folder}:/app/models", "-e", "TRAIN_EPOCHS=8"),
            *("-w", "/tmp"),
        ),
    )
    print(f"\ntrained in {time.monotonic() - begun:.0f} s\n{said}")
    return folder


@contextmanager
def serving(models: Path) -> Iterator[tuple[str, str]]:
    """A server of the image over the models: its address and the container's name."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    name = f"segmenter-{uuid4().hex[:8]}"
    settings = {"PORT": str(port), "BASIC_AUTH_USER": "label-studio", "BASIC_AUTH_PASS": PASSWORD}
    variables = [word for item in settings.items() for word in ("-e", "=".join(item))]
    options = ["-d", "--name", name, *variables, "-v", f"{models}:/app/models"]
    runner("run", *options, *hardened(), image("serve"))
    try:
        wait_for(f"http://127.0.0.1:{port}/readyz")
        yield f"http://127.0.0.1:{port}", name
    finally:
        print(f"\nlog of the server\n{runner('logs', name)}")
        runner("rm", "-f", name)


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            if urllib3.request("GET", url, retries=False, timeout=5).status == 200:
                return
        except urllib3.exceptions.HTTPError:
            pass
        assert time.monotonic() < deadline, f"{url} never answered"
        time.sleep(0.1)


def test_the_serving_image_is_small_and_holds_no_torch_and_no_compiler() -> None:
    sizes = {kind: int(runner("image", "inspect", "--format", "{{.Size}}", image(kind))) for kind in ("serve", "train")}
    print(f"\nsizes, unpacked: {', '.join(f'{kind} {size / 1e6:.0f} MB' for kind, size in sizes.items())}")
    assert sizes["serve"] <= LARGEST_SERVE
    script = (
        "import importlib.util as u, shutil, os, json;"
        "print(json.dumps([[n for n in ('torch', 'onnx', 'sklearn', 'label_studio_sdk', 'pip') if u.find_spec(n)],"
        "[n for n in ('gcc', 'cc', 'g++', 'make') if shutil.which(n)], os.getuid(), os.getgid()]))"
    )
    assert json.loads(run("serve", "python", "-c", script)) == [[], [], USER, USER]


def test_nothing_but_models_and_tmp_can_be_written() -> None:
    script = "import pathlib; pathlib.Path('/app/x').write_text('x')"
    with pytest.raises(AssertionError, match="Read-only file system"):
        run("serve", "python", "-c", script)
    run("serve", "python", "-c", "import pathlib; pathlib.Path('/tmp/x').write_text('x')")


def test_the_train_image_publishes_from_an_export(models: Path) -> None:
    (model,) = models.glob("model_project_*.onnx")
    assert model.stat().st_uid == USER


def test_the_serving_image_predicts_and_ends_with_0_on_sigterm(models: Path) -> None:
    csv = (EXAMPLE / "csv" / "subject10_side1.csv").read_text().splitlines()
    columns = dict(
        zip(csv[0].split(","), zip(*(map(float, line.split(",")) for line in csv[1:]), strict=True), strict=True)
    )
    config = (EXAMPLE / "label_config.xml").read_text().replace('valueType="url"', 'valueType="json"')
    with serving(models) as (url, name):
        health = urllib3.request("GET", f"{url}/health").json()
        assert health["status"] == "UP"
        body = {"tasks": [{"id": 1, "data": {"csv_url": columns}}], "label_config": config}
        headers = urllib3.make_headers(basic_auth=f"label-studio:{PASSWORD}")
        assert urllib3.request("POST", f"{url}/predict", json=body).status == 401
        answer = urllib3.request("POST", f"{url}/predict", json=body, headers=headers)
        assert answer.status == 200, answer.data
        (result,) = answer.json()["results"]
        print(f"\npredicted {len(result['result'])} segments of {len(csv) - 1} rows")
        assert result["result"]
        healthcheck = json.loads(runner("image", "inspect", image("serve")))[0]
        check = (healthcheck.get("Config") or healthcheck).get("Healthcheck") or healthcheck["Healthcheck"]
        runner("exec", name, *check["Test"][1:])
        begun = time.monotonic()
        runner("kill", "--signal", "TERM", name)
        assert runner("wait", name).strip() == "0"
        print(f"\nended {time.monotonic() - begun:.1f} s after SIGTERM")


def test_a_trainer_ends_with_75_on_sigterm(tmp_path: Path) -> None:
    os.chown(tmp_path, USER, USER)
    name = f"segmenter-{uuid4().hex[:8]}"
    command = ["python", "-m", "training", "run", "--tasks", "/export/tasks.json"]
    command += ["--label-config", "/export/label_config.xml"]
    volumes = ["-v", f"{EXAMPLE}:/export:ro", "-v", f"{tmp_path}:/app/models"]
    runner("run", "-d", "--name", name, *volumes, *hardened(), image("train"), *command)
    try:
        deadline = time.monotonic() + 120
        while not list((tmp_path / "runs").glob("0/records/*")):
            assert time.monotonic() < deadline, runner("logs", name)
            time.sleep(0.2)
        runner("kill", "--signal", "TERM", name)
        assert runner("wait", name).strip() == "75"
        assert not list(tmp_path.glob("model_project_*")), "nothing half-written"
    finally:
        runner("rm", "-f", name)
