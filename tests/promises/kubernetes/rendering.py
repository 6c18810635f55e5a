"""What `kubectl apply -k` would send, rendered without a cluster."""

import copy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.paths import ROOT

K8S = ROOT / "k8s"
OVERLAYS = ("dev", "prod", "prod-rwx", "prod-s3")
COMPONENTS = (
    "s3",
    "gpu",
    "kueue",
    "hpa",
    "monitoring",
    "ingress",
    "nightly",
    "egress",
    "preannotate",
    "priority",
    "custom-ca",
    "proxy",
)

Object = dict[str, Any]


def kustomize(folder: Path) -> list[Object]:
    """All objects of a kustomization."""
    kubectl = Path(sys.executable).with_name("kubectl")
    command = [str(kubectl), "kustomize", "--load-restrictor=LoadRestrictionsNone", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


@cache
def _rendered(overlay: str) -> list[Object]:
    with tempfile.TemporaryDirectory() as folder:
        return kustomize(with_a_bucket(Path(folder)) / "overlays" / overlay)


def with_a_bucket(folder: Path) -> Path:
    """A copy of all manifests where overlay prod names the bucket of its example."""
    manifests = folder / "k8s"
    shutil.copytree(K8S, manifests, ignore=shutil.ignore_patterns("bucket.env"))
    prod = manifests / "overlays" / "prod"
    shutil.copy(prod / "bucket.example.env", prod / "bucket.env")
    return manifests


def overlay(name: str) -> list[Object]:
    """All objects of an overlay, to be changed at will."""
    return copy.deepcopy(_rendered(name))


def with_components(*components: str) -> list[Object]:
    """All objects of base with components, to be changed at will."""
    return copy.deepcopy(_rendered_with(components))


@cache
def _rendered_with(components: tuple[str, ...]) -> list[Object]:
    with tempfile.TemporaryDirectory() as folder:
        there = "../" * len(Path(folder).resolve().parts[1:]) + str(K8S)[1:]
        content = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [f"{there}/base"],
            "components": [f"{there}/components/{name}" for name in components],
        }
        Path(folder, "kustomization.yaml").write_text(yaml.safe_dump(content))
        return kustomize(Path(folder))


def find(objects: Sequence[Object], kind: str, name: str) -> Object:
    """The object of a kind and name; a generated name counts without its hash."""
    for each in objects:
        found = each["metadata"]["name"]
        if each["kind"] == kind and (found == name or (kind == "ConfigMap" and found.startswith(f"{name}-"))):
            return each
    raise AssertionError(f"There is no {kind} {name}.")


def pod_templates(objects: Sequence[Object]) -> Iterator[tuple[str, Object]]:
    """Each pod template, with the name of what holds it."""
    for each in objects:
        name = f"{each['kind']} {each['metadata']['name']}"
        if each["kind"] in ("Deployment", "Job"):
            yield name, each["spec"]["template"]
        elif each["kind"] == "CronJob":
            yield name, each["spec"]["jobTemplate"]["spec"]["template"]


def job_specs(objects: Sequence[Object]) -> Iterator[tuple[str, Object]]:
    """Each Job's spec, templates of CronJobs included."""
    for each in objects:
        name = f"{each['kind']} {each['metadata']['name']}"
        if each["kind"] == "Job":
            yield name, each["spec"]
        elif each["kind"] == "CronJob":
            yield name, each["spec"]["jobTemplate"]["spec"]


def environment(container: Object, objects: Sequence[Object]) -> dict[str, str]:
    """The variables of a container that stand in the manifests; those of Secrets are left out."""
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        if "configMapRef" in source:
            found |= find(objects, "ConfigMap", source["configMapRef"]["name"])["data"]
    found |= {each["name"]: each["value"] for each in container.get("env", []) if "value" in each}
    return found


def command_line(container: Object, variables: dict[str, str]) -> list[str]:
    """Command and arguments with $(NAME) put in, as a kubelet does."""
    words = [*container.get("command", []), *container.get("args", [])]
    for name, value in variables.items():
        words = [word.replace(f"$({name})", value) for word in words]
    return words
