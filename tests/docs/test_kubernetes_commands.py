"""What docs/kubernetes.md gives to be copied: kubectl reads each command, kustomize builds each printed patch."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.promises.kubernetes.rendering import Object, find, kustomize, pod_templates, with_a_bucket
from tests.promises.kubernetes.rules import problems, schema_problems
from tests.support.paths import ROOT
from tests.support.tools import find_tool

PAGES = [ROOT / "docs" / "kubernetes.md", ROOT / "docs" / "operate.md", ROOT / "k8s" / "README.md"]
PAGE = PAGES[0].read_text()
KUBECTL = Path(sys.executable).with_name("kubectl")
HELM = find_tool("helm")
COMMANDS = sorted(
    {
        command.split("    #")[0].strip()
        for path in PAGES
        for line in re.findall(r"(?:^|`)(kubectl [^`\n]*)", path.read_text(), re.MULTILINE)
        for command in re.split(r" \| | && | > ", line)
        if command.startswith("kubectl ") and "…" not in command
    }
)
PATCHES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The manifests with the files that the page has people make, and nobody's cluster."""
    with_a_bucket(tmp_path)
    for name in ("secret", "store-credentials"):
        shutil.copy(tmp_path / "k8s" / f"{name}.example.env", tmp_path / "k8s" / f"{name}.env")
    (tmp_path / "AUTHORITIES.pem").write_text("a certificate")
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_kubectl_knows_each_command_and_option(command: str, checkout: Path) -> None:
    """It gets as far as asking the API server, which is not there; what it reads from others is no object here."""
    words = shlex.split(command.replace("/tmp/server.yaml", "k8s/base/deployment.yaml"))
    words = [str(KUBECTL), "--server=http://127.0.0.1:1", "--request-timeout=2s", *words[1:]]
    given = (checkout / "k8s" / "jobs" / "copy-store.yaml").read_text()
    environ = {**os.environ, "KUBECONFIG": os.devnull, "HOME": str(checkout)}
    done = subprocess.run(words, cwd=checkout, env=environ, input=given, capture_output=True, text=True, check=False)
    rendered = command.startswith("kubectl kustomize") or "--local" in command
    needs_no_server = rendered or ("--dry-run=client" in command and "--from=" not in command)
    assert (done.returncode == 0) if needs_no_server else ("refused" in done.stderr), done.stderr


def test_there_are_commands_for_the_first_day_and_the_last() -> None:
    verbs = {word for command in COMMANDS for word in command.split() if word.isalpha()}
    assert verbs >= {"apply", "diff", "create", "rollout", "undo", "scale", "wait", "exec", "delete", "patch", "set"}
    assert len(COMMANDS) > 25


def test_the_documented_helm_command_installs() -> None:
    if HELM is None:
        pytest.skip("Helm is not installed: make tools")
    (command,) = re.findall(r"^helm install (.*)$", PAGE, re.MULTILINE)
    done = subprocess.run(
        [HELM, "template", *shlex.split(command)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert 'MODEL_DIR: "s3://BUCKET/PREFIX"' in done.stdout


def overlay_with(checkout: Path, patch: str, *components: str) -> list[Object]:
    prod = checkout / "k8s" / "overlays" / "prod" / "kustomization.yaml"
    content = yaml.safe_load(prod.read_text())
    added = [f"../../components/{name}" for name in components]
    content["components"] = [*added, *(each for each in content["components"] if each not in added)]
    for name, value in yaml.safe_load(patch).items():
        known = [each for each in content.get(name, []) if each.get("name") not in {new.get("name") for new in value}]
        content[name] = [*(known if name == "images" else content.get(name, [])), *value]
    prod.write_text(yaml.safe_dump(content))
    return kustomize(prod.parent)


def test_each_printed_patch_builds(checkout: Path) -> None:
    assert len(PATCHES) == 3
    for patch in PATCHES:
        objects = overlay_with(checkout, patch, "egress")
        assert [each for each in problems(objects) if "names no version" not in each] == []


def test_the_patch_for_workload_identity_reaches_accounts_and_pods(checkout: Path) -> None:
    objects = overlay_with(checkout, PATCHES[0])
    accounts = [each for each in objects if each["kind"] == "ServiceAccount"]
    assert len(accounts) == 3
    assert all("eks.amazonaws.com/role-arn" in each["metadata"]["annotations"] for each in accounts)
    for _, template in pod_templates(objects):
        assert template["metadata"]["labels"]["azure.workload.identity/use"] == "true"
    assert "azure.workload.identity/use" not in find(objects, "Deployment", "server")["spec"]["selector"]["matchLabels"]


def test_the_rule_for_a_metadata_service_is_added(checkout: Path) -> None:
    policy = find(overlay_with(checkout, PATCHES[1], "egress"), "NetworkPolicy", "egress")
    assert {"port": 988, "protocol": "TCP"} in policy["spec"]["egress"][-1]["ports"]
    assert list(schema_problems([policy])) == []


def test_the_patch_for_a_registry_and_a_quota_reaches_every_pod(checkout: Path) -> None:
    objects = overlay_with(checkout, PATCHES[2])
    server = find(objects, "Deployment", "server")["spec"]["template"]["spec"]["containers"][0]
    assert server["image"].startswith("registry.example.com/serve@sha256:")
    assert all(each.get("imagePullSecrets") for each in objects if each["kind"] == "ServiceAccount")
    for name, template in pod_templates(objects):
        for container in template["spec"]["containers"]:
            assert "cpu" in container["resources"]["limits"], name
