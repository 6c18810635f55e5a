"""docker-compose.yml is held against settings, commands and images; Docker itself is not needed.

Where Docker Compose is (`make tools`), its own parser reads the file, too.
"""

import json
import os
import re
import subprocess
from dataclasses import fields
from typing import Any

import pytest
import yaml

from inference.web.server import check_exposure
from shared.command_line import commands_of, parse
from shared.label_studio.webhook_address import accepts_webhook
from shared.settings import Settings
from tests.support.paths import ROOT
from tests.support.tools import find_tool

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = ("server", "worker")
NAMES = [each.name.upper() for each in fields(Settings)]
DEFAULTS = Settings().environment()
REQUIRED = {"LABEL_STUDIO_API_KEY": "the-token", "BASIC_AUTH_PASS": "the-password", "WEBHOOK_SECRET": "0" * 16}
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
PARSER = find_tool("docker-compose")
needs_compose = pytest.mark.skipif(PARSER is None, reason="Docker Compose is not installed: make tools")
TRAINING = NAMES[NAMES.index("START_TRAINING_EACH_N_UPDATES") : NAMES.index("DEVICE") + 1]


def default(text: str) -> str:
    """What a value is with nothing set but what has to be."""
    return VARIABLE.sub(lambda found: (found[3] or "") if found[2] == "-" else REQUIRED[found[1]], str(text))


def environment(service: str) -> dict[str, str]:
    return {name: default(value) for name, value in SERVICES[service]["environment"].items()}


@pytest.mark.parametrize("service", OURS)
def test_each_variable_is_a_setting_and_takes_its_default(service: str) -> None:
    assert environment(service).keys() <= {*NAMES, "ORT_DISABLE_TELEMETRY"}
    settings = Settings.from_environment(environment(service))
    assert settings.label_studio_host == "http://host.docker.internal:8080"
    assert settings.label_studio_api_key == "the-token"
    assert settings.model_dir == "/app/models"


def test_each_training_setting_is_listed_with_its_default() -> None:
    elsewhere = {"TRAIN_LAUNCHER", "TRAIN_CRONJOB"}  # a worker is the launcher
    listed = environment("worker")
    for name in TRAINING:
        if name not in elsewhere:
            assert listed[name] == DEFAULTS[name], name
            assert VARIABLE.fullmatch(SERVICES["worker"]["environment"][name]), f"{name} can be set from outside"


@pytest.mark.parametrize("service", OURS)
def test_a_default_is_the_programs_unless_a_container_needs_another(service: str) -> None:
    of_containers = {"HOST", "MODEL_DIR", "LABEL_STUDIO_HOST", "SERVER_URL", "ALLOWED_HOSTS", "TRAIN_LAUNCHER"}
    of_containers |= {"BASIC_AUTH_USER", "LOG_FORMAT", *REQUIRED}
    for name, value in environment(service).items():
        if name in DEFAULTS and name not in of_containers:
            assert value == DEFAULTS[name], name


def test_the_server_trains_nothing_and_is_reached_from_outside_its_container() -> None:
    settings = Settings.from_environment(environment("server"))
    assert (settings.train_launcher, settings.host) == ("none", "0.0.0.0")
    check_exposure(settings)


def test_ports_are_published_on_this_machine_unless_asked_for() -> None:
    for service, port in (("server", 9090), ("label-studio", 8080)):
        assert [default(each) for each in SERVICES[service]["ports"]] == [f"127.0.0.1:{port}:{port}"]


def test_the_name_of_the_server_gets_webhooks_and_is_answered() -> None:
    settings = Settings.from_environment(environment("server"))
    (alias,) = SERVICES["server"]["networks"]["default"]["aliases"]
    assert settings.server_url == f"http://{alias}:9090"
    assert accepts_webhook(settings.server_url)
    assert alias in settings.allowed_hosts


def test_secrets_have_to_be_set_and_nothing_else() -> None:
    required = {found[1] for found in VARIABLE.finditer((ROOT / "docker-compose.yml").read_text()) if found[2] == "?"}
    assert required == REQUIRED.keys()


def test_each_service_is_built_from_its_file_and_runs_what_it_runs() -> None:
    for service, kind in zip(OURS, ("serve", "train"), strict=True):
        build = SERVICES[service]["build"]
        assert (ROOT / build["context"] / build["dockerfile"]).name == f"Dockerfile.{kind}"
        assert SERVICES[service]["image"].startswith(f"time-series-segmenter-{kind}:")
        command = SERVICES[service]["command"]
        text = (ROOT / f"Dockerfile.{kind}").read_text()
        assert f"CMD {str(command).replace(chr(39), chr(34))}" in text
    assert parse("inference", SERVICES["server"]["command"][3:], "test", "")
    assert SERVICES["worker"]["command"][3] in commands_of("training")


def test_server_and_worker_share_one_volume() -> None:
    assert {tuple(SERVICES[service]["volumes"]) for service in OURS} == {("models:/app/models",)}
    named = {volume.partition(":")[0] for service in SERVICES.values() for volume in service["volumes"]}
    assert named == COMPOSE["volumes"].keys()


def test_both_reach_the_host_and_write_nowhere_else() -> None:
    for service in OURS:
        assert SERVICES[service]["extra_hosts"] == ["host.docker.internal:host-gateway"]
        assert SERVICES[service]["read_only"] is True
        assert SERVICES[service]["tmpfs"] == ["/tmp"]


def test_label_studio_is_a_profile_that_may_call_us() -> None:
    studio = SERVICES["label-studio"]
    assert studio["profiles"] == ["label-studio"]
    assert not any("profiles" in SERVICES[service] or "depends_on" in SERVICES[service] for service in OURS)
    tested = re.search(
        r"^label-studio==(.+)$", (ROOT / "examples" / "demo" / "label-studio.txt").read_text(), re.MULTILINE
    )
    assert tested
    assert default(studio["image"]) == f"heartexlabs/label-studio:{tested[1]}"
    variables = studio["environment"]
    assert (variables["SSRF_PROTECTION_ENABLED"], variables["ML_BLOCK_LOCAL_IP"]) == ("false", "false")
    assert variables["LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN"] == "true"
    assert default(default(variables["LABEL_STUDIO_PASSWORD"])) == REQUIRED["BASIC_AUTH_PASS"]
    assert default(variables["LABEL_STUDIO_USER_TOKEN"]) == environment("server")["LABEL_STUDIO_API_KEY"]


def ask_compose(**environment: str) -> "subprocess.CompletedProcess[str]":
    command = [str(PARSER), "-f", str(ROOT / "docker-compose.yml"), "--profile", "label-studio", "config"]
    given = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run([*command, "--format", "json"], env=given, capture_output=True, text=True, check=False)


def parsed(**environment: str) -> dict[str, Any]:
    done = ask_compose(**{**REQUIRED, **environment})
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["services"]
    return found


@needs_compose
def test_compose_itself_reads_the_same() -> None:
    services = parsed()
    assert services.keys() == SERVICES.keys()
    for service in OURS:
        assert services[service]["environment"] == environment(service)
        assert services[service]["command"] == SERVICES[service]["command"]
        assert services[service]["read_only"]
    assert services["server"]["networks"]["default"]["aliases"] == ["server.internal"]
    assert [(each["host_ip"], each["published"]) for each in services["server"]["ports"]] == [("127.0.0.1", "9090")]


@needs_compose
def test_compose_puts_in_what_is_set() -> None:
    services = parsed(PUBLISH="0.0.0.0", LABEL_STUDIO_HOST="http://label-studio:8080", SERVER_URL="https://tss.example")
    assert services["server"]["ports"][0]["host_ip"] == "0.0.0.0"
    settings = Settings.from_environment(services["server"]["environment"])
    assert (settings.label_studio_host, settings.server_url) == ("http://label-studio:8080", "https://tss.example")
    assert services["label-studio"]["environment"]["LABEL_STUDIO_PASSWORD"] == "the-password"


@needs_compose
@pytest.mark.parametrize("name", REQUIRED)
def test_compose_refuses_a_missing_secret_by_name(name: str) -> None:
    done = ask_compose(**{each: value for each, value in REQUIRED.items() if each != name})
    assert not done.stdout, "the exit code is lost by the package's own entry point"
    assert f"required variable {name} is missing a value" in done.stderr
