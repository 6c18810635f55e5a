"""Every overlay and component renders and holds; what the manifests name exists in the code."""

import subprocess
import sys
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from starlette.routing import Route

from inference.web.app import create_app
from shared.command_line import commands_of, parse
from shared.settings import Settings
from tests.promises.kubernetes.rendering import (
    COMPONENTS,
    K8S,
    OVERLAYS,
    Object,
    command_line,
    environment,
    find,
    job_specs,
    kustomize,
    overlay,
    pod_templates,
    with_a_bucket,
    with_components,
)
from tests.promises.kubernetes.rules import CUSTOM, problems
from tests.support.paths import VERSION

ALL = [
    "nightly",
    "preannotate",
    "gpu",
    "kueue",
    "hpa",
    "monitoring",
    "ingress",
    "egress",
    "proxy",
    "priority",
    "s3",
    "custom-ca",
]
STABLE = {"app.kubernetes.io/name", "app.kubernetes.io/component"}


@pytest.fixture(params=[*OVERLAYS, *COMPONENTS, "all"])
def objects(request: pytest.FixtureRequest) -> list[Object]:
    """What an overlay renders, base with a component, and base with all of them."""
    if request.param in OVERLAYS:
        return overlay(request.param)
    if request.param == "all":
        return with_components(*ALL)
    return with_components(request.param)


def test_what_is_rendered_holds(objects: list[Object]) -> None:
    assert problems(objects) == []


@pytest.mark.parametrize("name", OVERLAYS)
def test_no_overlay_needs_custom_resources(name: str) -> None:
    assert not {each["kind"] for each in overlay(name)} & CUSTOM
    assert "kueue" not in yaml.safe_dump(overlay(name))


def test_each_component_is_listed_and_tested() -> None:
    assert {path.name for path in (K8S / "components").iterdir()} == set(COMPONENTS)
    assert {path.name for path in (K8S / "overlays").iterdir()} == set(OVERLAYS)


def test_each_file_holds_one_object_and_is_used() -> None:
    for folder in (K8S / "base", *(K8S / "components").iterdir(), *(K8S / "overlays").iterdir()):
        used = (folder / "kustomization.yaml").read_text()
        for path in folder.iterdir():
            assert path.name == "kustomization.yaml" or f" {path.name}\n" in used, path
            if path.suffix == ".yaml" and path.name not in ("kustomization.yaml",):
                assert len(list(yaml.safe_load_all(path.read_text()))) == 1, path


def test_yamllint_finds_nothing() -> None:
    command = [sys.executable, "-m", "yamllint", "-s", "-c", str(K8S / ".yamllint"), str(K8S)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_secret_is_in_no_kustomization_and_its_example_shows_settings(objects: list[Object]) -> None:
    assert "Secret" not in {each["kind"] for each in objects}
    lines = (K8S / "secret.example.env").read_text().splitlines()
    keys = [line.partition("=")[0] for line in lines if not line.startswith("#")]
    assert set(keys) <= setting_names()
    assert "LABEL_STUDIO_API_KEY" in keys


def setting_names() -> set[str]:
    return {each.name.upper() for each in fields(Settings)}


def test_each_variable_is_a_setting_with_a_value_that_it_takes(objects: list[Object]) -> None:
    launched = {"TRAIN_PROJECT", "TRAIN_NUMBER", "JOB_NAME"}  # put in by the launcher, used in arguments only
    for _, template in pod_templates(objects):
        for container in template["spec"]["containers"]:
            variables = environment(container, objects)
            assert variables.pop("ORT_DISABLE_TELEMETRY") == "1"
            assert variables.keys() <= setting_names() | {"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"}
            Settings.from_environment(variables)
            named = {each["name"] for each in container.get("env", [])}
            assert named <= setting_names() | launched
            assert variables["RECONCILE_SECONDS"] == "0"
            assert variables["TRAIN_CRONJOB"] == "train"


def test_each_command_exists(objects: list[Object]) -> None:
    for name, template in pod_templates(objects):
        (container,) = template["spec"]["containers"]
        python, flag, module = container["command"]
        assert (python, flag) == ("python", "-m")
        if module == "inference":
            assert parse("inference", command_line(container, {"JOB_COMPLETION_INDEX": "0"})[3:], "test", "")
        else:
            assert module == "training"
            assert container["args"][0] in commands_of("training"), name


def test_the_template_of_trainings_takes_what_the_launcher_puts_in() -> None:
    (container,) = find(overlay("prod"), "CronJob", "train")["spec"]["jobTemplate"]["spec"]["template"]["spec"][
        "containers"
    ]
    assert ("--project", "$(TRAIN_PROJECT)") in list(pairwise(container["args"]))
    assert ("--number", "$(TRAIN_NUMBER)") in list(pairwise(container["args"]))


def test_probes_ask_routes_and_a_port_that_the_app_has(objects: list[Object]) -> None:
    variables = find(objects, "ConfigMap", "settings")["data"]
    settings = Settings.from_environment(variables | {"MODEL_DIR": "./models", "TRAIN_LAUNCHER": "none"})
    routes = {route.path for route in create_app(settings).routes if isinstance(route, Route)}
    (server,) = find(objects, "Deployment", "server")["spec"]["template"]["spec"]["containers"]
    assert server["ports"] == [{"name": "http", "containerPort": settings.port}]
    assert {server[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")} <= routes
    assert server["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_trainings_fail_at_once_on_exit_2_and_outlive_disruptions(objects: list[Object]) -> None:
    for name, spec in job_specs(objects):
        first, second = spec["podFailurePolicy"]["rules"]
        assert (first["action"], first["onExitCodes"]["values"]) == ("FailJob", [2]), name
        assert (second["action"], second["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget"), name
        assert spec["backoffLimit"] >= 1, "75 is tried again"


def test_only_the_server_gets_a_token(objects: list[Object]) -> None:
    for name, template in pod_templates(objects):
        wanted = name == "Deployment server"
        assert template["spec"]["automountServiceAccountToken"] is wanted, name
        account = find(objects, "ServiceAccount", template["spec"]["serviceAccountName"])
        assert account["automountServiceAccountToken"] is wanted
    bound = find(objects, "RoleBinding", "server")["subjects"]
    assert [each["name"] for each in bound] == ["server"]


def test_a_server_is_replaced_without_losing_a_request(objects: list[Object]) -> None:
    spec = find(objects, "Deployment", "server")["spec"]
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    pod = spec["template"]["spec"]
    (server,) = pod["containers"]
    waits = int(server["lifecycle"]["preStop"]["exec"]["command"][1])
    from inference.web.server import DRAIN_SECONDS

    assert pod["terminationGracePeriodSeconds"] >= waits + DRAIN_SECONDS


def test_selectors_are_stable_and_everything_is_labelled(objects: list[Object]) -> None:
    for each in objects:
        assert each["metadata"]["labels"].keys() >= {"app.kubernetes.io/name"}, each["metadata"]["name"]
        if each["kind"] in ("Deployment", "PodDisruptionBudget"):
            assert each["spec"]["selector"]["matchLabels"].keys() == STABLE
        if each["kind"] == "Service":
            assert each["spec"]["selector"].keys() == STABLE
    for _, template in pod_templates(objects):
        assert template["metadata"]["labels"].keys() >= STABLE


def test_the_namespace_enforces_the_restricted_standard(objects: list[Object]) -> None:
    labels = find(objects, "Namespace", "time-series-segmenter")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_a_changed_setting_restarts_the_servers() -> None:
    different = ("dev", "prod", "prod-rwx")
    names = {find(overlay(name), "ConfigMap", "settings")["metadata"]["name"] for name in different}
    assert len(names) == len(different), "the name carries a hash of the content"


def test_with_a_bucket_no_volume_is_left() -> None:
    for objects in (overlay("prod"), with_components("nightly", "preannotate", "s3")):
        assert "PersistentVolumeClaim" not in {each["kind"] for each in objects}
        assert "persistentVolumeClaim" not in yaml.safe_dump_all(objects)


def test_the_buckets_secret_wins_over_settings_in_all_pods() -> None:
    for name, template in pod_templates(overlay("prod")):
        sources = template["spec"]["containers"][0]["envFrom"]
        assert sources[-1]["secretRef"]["name"] == "store-credentials", name


def test_prod_has_its_models_in_a_bucket() -> None:
    assert find(overlay("prod"), "ConfigMap", "settings")["data"]["MODEL_DIR"].startswith("s3://")
    assert overlay("prod-s3") == overlay("prod")


def test_prod_without_a_bucket_is_not_built_and_says_what_is_missing(tmp_path: Path) -> None:
    prod = with_a_bucket(tmp_path) / "overlays" / "prod"
    (prod / "bucket.env").unlink()
    with pytest.raises(AssertionError, match=r"bucket\.env.*no such file"):
        kustomize(prod)


def test_no_claim_is_pruned_by_a_change_of_overlays() -> None:
    annotations = find(overlay("prod-rwx"), "PersistentVolumeClaim", "models")["metadata"]["annotations"]
    assert "Prune=false" in annotations["argocd.argoproj.io/sync-options"]
    assert annotations["helm.sh/resource-policy"] == "keep"
    assert annotations["kustomize.toolkit.fluxcd.io/prune"] == "disabled"


@pytest.mark.parametrize("name", OVERLAYS)
def test_settings_of_earlier_applies_are_not_pruned(name: str) -> None:
    annotations = find(overlay(name), "ConfigMap", "settings")["metadata"]["annotations"]
    assert annotations["argocd.argoproj.io/sync-options"] == "Prune=false"
    assert annotations["kustomize.toolkit.fluxcd.io/prune"] == "disabled"


def test_a_second_instance_is_an_overlay_with_another_namespace(tmp_path: Path) -> None:
    copy = with_a_bucket(tmp_path)
    prod = copy / "overlays" / "prod" / "kustomization.yaml"
    prod.write_text(prod.read_text() + "namespace: second\n")
    objects = kustomize(prod.parent)
    assert {each["metadata"].get("namespace", each["metadata"]["name"]) for each in objects} == {"second"}
    assert {each["namespace"] for each in find(objects, "RoleBinding", "server")["subjects"]} == {"second"}
    assert problems(objects) == []


def test_the_job_that_copies_a_store_holds() -> None:
    (job,) = kustomize(K8S / "jobs")
    assert problems([*overlay("prod-rwx"), job]) == []
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert parse("inference", container["args"], "test", "").verb == "copy"
    ca = find(with_components("custom-ca"), "ConfigMap", "settings")["data"]["CA_FILE"]
    (mount,) = (each for each in container["volumeMounts"] if each["name"] == "ca")
    assert ca.startswith(f"{mount['mountPath']}/")
    assert job["spec"]["template"]["spec"]["volumes"][-1]["configMap"] == {"name": "segmenter-ca", "optional": True}
    assert container["image"] == f"time-series-segmenter-serve:{VERSION}"


def test_dev_fits_one_node() -> None:
    objects = overlay("dev")
    assert find(objects, "Deployment", "server")["spec"]["replicas"] == 1
    assert find(objects, "PersistentVolumeClaim", "models")["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert find(overlay("prod-rwx"), "PersistentVolumeClaim", "models")["spec"]["accessModes"] == ["ReadWriteMany"]


def test_the_autoscaler_owns_the_number_of_servers() -> None:
    objects = with_components("hpa")
    assert "replicas" not in find(objects, "Deployment", "server")["spec"]
    assert find(objects, "HorizontalPodAutoscaler", "server")["spec"]["scaleTargetRef"]["name"] == "server"


def test_the_queue_of_kueue_stands_on_the_jobs_template() -> None:
    template = find(with_components("kueue"), "CronJob", "train")["spec"]["jobTemplate"]
    assert template["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "training"


def test_a_gpu_is_for_trainings_only() -> None:
    objects = with_components("gpu")
    for name, template in pod_templates(objects):
        (container,) = template["spec"]["containers"]
        assert ("nvidia.com/gpu" in container["resources"]["limits"]) == (name == "CronJob train")
        assert container["image"].endswith(f"-gpu:{VERSION}") == (name == "CronJob train")


def test_the_monitor_selects_the_service() -> None:
    objects = with_components("monitoring")
    service = find(objects, "Service", "segmenter")
    spec = find(objects, "ServiceMonitor", "segmenter")["spec"]
    assert spec["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert {each["port"] for each in spec["endpoints"]} <= {port["name"] for port in service["spec"]["ports"]}
