"""The chart renders the same objects as the overlays, with Helm itself (`make tools`)."""

import json
import re
import subprocess
from typing import Any

import pytest
import yaml

from tests.promises.kubernetes.rendering import COMPONENTS, K8S, Object, find, overlay, pod_templates, with_components
from tests.promises.kubernetes.rules import problems
from tests.support.paths import VERSION
from tests.support.tools import find_tool

HELM = find_tool("helm")
CHART = K8S / "helm"
BUCKET = ["store.address=s3://models/time-series-segmenter"]
ONE_NODE = [
    "store.kind=single",
    "store.size=2Gi",
    "server.replicas=1",
    "settings.LOG_LEVEL=debug",
    "settings.MAX_CONCURRENT_RUNS=1",
]
OWN_LABELS = (
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/part-of",
    "helm.sh/chart",
)
needs_helm = pytest.mark.skipif(HELM is None, reason="Helm is not installed: make tools")


def run_helm(*given: str, namespace: str = "time-series-segmenter") -> "subprocess.CompletedProcess[str]":
    command = [str(HELM), "template", "segmenter", str(CHART), "--namespace", namespace, *given]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def render(values: list[str], *given: str, namespace: str = "time-series-segmenter") -> list[Object]:
    """All objects of the chart."""
    sets = [word for value in values for word in ("--set-string" if "settings." in value else "--set", value)]
    done = run_helm(*sets, *given, namespace=namespace)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def comparable(objects: list[Object]) -> dict[str, Any]:
    """Objects by kind and name, without what each tool adds: hashes in names, its labels, checksums."""
    text = re.sub(r"\b(settings|segmenter-dashboard)-[a-z0-9]{10}\b", r"\1", json.dumps(objects))
    found = {f"{each['kind']} {each['metadata']['name']}": _plain(each) for each in json.loads(text)}
    found["ConfigMap settings"]["metadata"].pop("annotations", None)  # of names with a hash only
    return {name: each for name, each in sorted(found.items()) if not name.startswith("Namespace ")}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    dropped = {*OWN_LABELS, "checksum/settings", "creationTimestamp"}
    plain = {name: _plain(each) for name, each in value.items() if name not in dropped}
    return {name: each for name, each in plain.items() if not (name == "annotations" and each == {})}


@needs_helm
@pytest.mark.parametrize(
    ("name", "values"),
    [("prod", BUCKET), ("prod-rwx", ["store.kind=shared"]), ("dev", ONE_NODE)],
)
def test_it_renders_the_objects_of_an_overlay(name: str, values: list[str]) -> None:
    expected, found = comparable(overlay(name)), comparable(render(values))
    assert found.keys() == expected.keys()
    for each, content in expected.items():
        assert found[each] == content, each


COMPONENT_VALUES = {
    "hpa": ["autoscaling.enabled=true"],
    "monitoring": ["serviceMonitor.enabled=true", "alerts.enabled=true", "dashboard.enabled=true"],
    "gpu": ["gpu.enabled=true"],
    "kueue": ["kueue.enabled=true"],
    "ingress": ["ingress.enabled=true"],
    "egress": ["egress.enabled=true"],
    "nightly": ["nightly.enabled=true"],
    "preannotate": ["preannotate.enabled=true"],
    "priority": ["priorityClasses.enabled=true"],
    "custom-ca": ["customCA.configMap=segmenter-ca"],
    "proxy": ["proxy.https=http://proxy.example.com:3128", "proxy.http=http://proxy.example.com:3128"],
    "s3": [],
}


@needs_helm
@pytest.mark.parametrize("component", [*COMPONENT_VALUES, "all"])
def test_it_renders_the_objects_of_a_component(component: str) -> None:
    last = ("priority", "s3", "custom-ca")  # they change what the others add
    chosen = [*(each for each in COMPONENT_VALUES if each not in last), *last]
    names = chosen if component == "all" else [component]
    bucket = "s3" in names
    values = BUCKET if bucket else ["store.kind=shared"]
    found = comparable(render([*values, *(value for name in names for value in COMPONENT_VALUES[name])]))
    expected = comparable(with_components(*names))
    if bucket:
        for each in (found, expected):
            each["ConfigMap settings"]["data"].pop("MODEL_DIR")  # of the overlay
    assert found.keys() == expected.keys()
    for name, content in expected.items():
        assert found[name] == content, name


def test_each_component_is_in_the_chart() -> None:
    assert set(COMPONENT_VALUES) == set(COMPONENTS)


@needs_helm
@pytest.mark.parametrize("values", [BUCKET, ["store.kind=shared"], ONE_NODE, sum(COMPONENT_VALUES.values(), BUCKET)])
def test_what_is_rendered_holds(values: list[str]) -> None:
    assert problems(render(values)) == []


@needs_helm
def test_values_reach_the_objects() -> None:
    values = [
        *BUCKET,
        "existingSecret=mine",
        "imagePullSecrets[0].name=registry",
        "image.serve.repository=registry.example/serve",
        "image.train.digest=sha256:" + "a" * 64,
        "server.extraEnv[0].name=HTTPS_PROXY",
        "server.extraEnv[0].value=http://proxy:3128",
        "train.tolerations[0].key=gpu",
        "train.jobLabels.queue=training",
        "serviceAccountAnnotations.role=mine",
        "podLabels.identity=used",
        "server.priorityClassName=high",
        "labelStudio.namespace=annotation",
    ]
    objects = render(values, namespace="second")
    assert {each["metadata"]["namespace"] for each in objects} == {"second"}
    settings = find(objects, "ConfigMap", "settings")["data"]
    assert settings["SERVER_URL"] == "http://segmenter.second.svc.cluster.local:9090"
    pod = find(objects, "Deployment", "server")["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == f"registry.example/serve:{VERSION}"
    assert pod["containers"][0]["env"] == [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}]
    assert {"secretRef": {"name": "mine"}} in pod["containers"][0]["envFrom"]
    assert (pod["imagePullSecrets"], pod["priorityClassName"]) == ([{"name": "registry"}], "high")
    template = find(objects, "CronJob", "train")["spec"]["jobTemplate"]
    assert template["metadata"]["labels"]["queue"] == "training"
    assert template["spec"]["template"]["spec"]["containers"][0]["image"].endswith("@sha256:" + "a" * 64)
    assert template["spec"]["template"]["spec"]["tolerations"] == [{"key": "gpu"}]
    assert find(objects, "ServiceAccount", "train")["metadata"]["annotations"] == {"role": "mine"}
    assert {labels["metadata"]["labels"]["identity"] for _, labels in pod_templates(objects)} == {"used"}
    admitted = find(objects, "NetworkPolicy", "server")["spec"]["ingress"][0]["from"][0]
    assert admitted == {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "annotation"}}}


@needs_helm
def test_an_existing_claim_is_used_and_none_is_made() -> None:
    objects = render(["store.kind=shared", "store.existingClaim=mine"])
    assert "PersistentVolumeClaim" not in {each["kind"] for each in objects}
    volumes = find(objects, "Deployment", "server")["spec"]["template"]["spec"]["volumes"]
    assert {"name": "models", "persistentVolumeClaim": {"claimName": "mine"}} in volumes


@needs_helm
@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([], "name your bucket"),
        (["store.kind=nfs"], "store/kind|store.kind"),
        (["store.address=http://bucket"], "store/address|store.address"),
        ([*BUCKET, "replica=3"], "replica"),
        ([*BUCKET, "image.serve.digest=abc"], "digest"),
    ],
)
def test_wrong_values_are_refused_with_a_sentence(values: list[str], sentence: str) -> None:
    done = run_helm(*(word for value in values for word in ("--set", value)))
    assert done.returncode != 0
    assert re.search(sentence, done.stderr), done.stderr


def test_each_value_stands_in_the_schema() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert values.keys() == schema["properties"].keys() - {"global"}
    for name, value in values.items():
        properties = schema["properties"][name].get("properties")
        if properties:
            assert value.keys() == properties.keys(), name


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)
