"""What a Kubernetes 1.36 refuses, and what our manifests promise beyond that. Offline: schemas, then our own rules."""

import json
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

import kubernetes_validate

from tests.promises.kubernetes.rendering import Object, job_specs, pod_templates

VERSION = "1.36"
CUSTOM = {"ServiceMonitor", "PrometheusRule"}  # their schemas come with their operator
SECRETS = {"segmenter", "store-credentials"}  # made by hand, in no kustomization

_QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_CRON_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def problems(objects: Sequence[Object]) -> list[str]:
    """One sentence for each thing that is wrong with a rendered set of objects."""
    return [*schema_problems(objects), *rule_problems(objects), *reference_problems(objects)]


def schema_problems(objects: Sequence[Object]) -> Iterator[str]:
    """Unknown kinds and fields, missing fields, wrong types."""
    for each in objects:
        yield from _schema_problems(json.dumps(each))


@lru_cache(maxsize=1000)
def _schema_problems(text: str) -> tuple[str, ...]:
    """Of one object in JSON. Overlays share most objects, and each validation reads the schemas again, 10 ms."""
    each = json.loads(text)
    name = f"{each.get('kind')} {each.get('metadata', {}).get('name')}"
    if each.get("kind") in CUSTOM:
        return ()
    try:
        kubernetes_validate.validate(each, VERSION, strict=True)
    except kubernetes_validate.SchemaNotFoundError:
        return (f"{name}: no Kubernetes {VERSION} knows {each.get('kind')} of {each.get('apiVersion')}.",)
    except kubernetes_validate.ValidationError as error:
        place = ".".join(str(part) for part in error.path)
        return (f"{name}: {place}: {error.message}",)
    return ()


def rule_problems(objects: Sequence[Object]) -> Iterator[str]:
    """What schemas cannot see within an object."""
    for name, template in pod_templates(objects):
        yield from (f"{name}: {sentence}" for sentence in _pod_problems(template))
    for name, spec in job_specs(objects):
        yield from (f"{name}: {sentence}" for sentence in _job_problems(spec))
    for each in objects:
        spec = each.get("spec") or {}
        name = f"{each['kind']} {each['metadata']['name']}"
        if each["kind"] == "Deployment":
            labels = spec["template"].get("metadata", {}).get("labels", {})
            if not spec["selector"].get("matchLabels", {}).items() <= labels.items():
                yield f"{name}: its selector does not select its template."
        if each["kind"] == "NetworkPolicy":
            yield from (f"{name}: {sentence}" for sentence in _policy_problems(spec))
        if each["kind"] == "CronJob" and not _is_cron(spec["schedule"]):
            yield f"{name}: {spec['schedule']!r} is no schedule of five fields."
        if each["kind"] == "PersistentVolumeClaim":
            yield from (f"{name}: {sentence}" for sentence in _quantity_problems(spec["resources"]["requests"]))


def reference_problems(objects: Sequence[Object]) -> Iterator[str]:
    """What names something that is not there."""
    there = {(each["kind"], each["metadata"]["name"]) for each in objects}
    templates = dict(pod_templates(objects))
    for name, template in templates.items():
        pod = template["spec"]
        if ("ServiceAccount", pod.get("serviceAccountName")) not in there:
            yield f"{name}: there is no ServiceAccount {pod.get('serviceAccountName')}."
        for volume in pod.get("volumes", []):
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            if claim and ("PersistentVolumeClaim", claim) not in there:
                yield f"{name}: there is no PersistentVolumeClaim {claim}."
        for container in pod["containers"]:
            for source in container.get("envFrom", []):
                if "configMapRef" in source and ("ConfigMap", source["configMapRef"]["name"]) not in there:
                    yield f"{name}: there is no ConfigMap {source['configMapRef']['name']}."
                if "secretRef" in source and source["secretRef"]["name"] not in SECRETS:
                    yield f"{name}: nobody makes the Secret {source['secretRef']['name']}."
            for variable in container.get("env", []):
                secret = variable.get("valueFrom", {}).get("secretKeyRef", {}).get("name")
                if secret and secret not in SECRETS:
                    yield f"{name}: nobody makes the Secret {secret}."
    labels = [template["metadata"]["labels"] for template in templates.values()]
    ports = {port["name"] for template in templates.values() for port in _ports(template)}
    for each in objects:
        spec = each.get("spec") or {}
        selector = spec.get("selector", {}) if each["kind"] in ("Service", "PodDisruptionBudget") else {}
        wanted = selector.get("matchLabels", selector)
        if wanted and not any(wanted.items() <= given.items() for given in labels):
            yield f"{each['kind']} {each['metadata']['name']}: it selects no pod."
        if each["kind"] == "Service" and not {port["targetPort"] for port in spec["ports"]} <= ports:
            yield f"Service {each['metadata']['name']}: no container has its target port."


def _pod_problems(template: Object) -> Iterator[str]:
    pod = template["spec"]
    volumes = {volume["name"] for volume in pod.get("volumes", [])}
    for volume in pod.get("volumes", []):
        if "hostPath" in volume:
            yield f"volume {volume['name']} is a path of the node."
        yield from _quantity_problems({"sizeLimit": volume.get("emptyDir", {}).get("sizeLimit", "1Gi")})
    context = pod.get("securityContext", {})
    if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
        yield "it may run as root."
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "it has no seccomp profile."
    if any(pod.get(shared) for shared in ("hostNetwork", "hostPID", "hostIPC")):
        yield "it shares the node's namespaces."
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        yield from (f"container {container['name']}: {sentence}" for sentence in _container_problems(container))
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in volumes:
                yield f"container {container['name']} mounts {mount['name']}, which is no volume."


def _container_problems(container: Object) -> Iterator[str]:
    own = container.get("securityContext", {})
    if own.get("privileged") or own.get("allowPrivilegeEscalation") is not False:
        yield "it may gain privileges."
    if own.get("capabilities", {}).get("drop") != ["ALL"] or own["capabilities"].get("add"):
        yield "it keeps capabilities."
    if own.get("readOnlyRootFilesystem") is not True:
        yield "its root may be written."
    if container["image"].partition(":")[2] in ("", "latest"):
        yield f"its image {container['image']} names no version."
    resources = container.get("resources", {})
    if not {"cpu", "memory"} <= resources.get("requests", {}).keys():
        yield "it does not request cpu and memory."
    if "memory" not in resources.get("limits", {}):
        yield "it has no limit of memory."
    for quantities in resources.values():
        yield from _quantity_problems(quantities)
    names = {port["name"] for port in container.get("ports", [])}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        if probe in container and container[probe]["httpGet"]["port"] not in names:
            yield f"its {probe} asks a port that it does not have."


def _job_problems(spec: Object) -> Iterator[str]:
    pod = spec["template"]["spec"]
    if pod.get("restartPolicy") != "Never":
        yield f"its restartPolicy is {pod.get('restartPolicy')}."
    for needed in ("backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"):
        if needed not in spec:
            yield f"it has no {needed}."
    containers = {container["name"] for container in pod["containers"]}
    for rule in spec.get("podFailurePolicy", {}).get("rules", []):
        named = rule.get("onExitCodes", {}).get("containerName")
        if named is not None and named not in containers:
            yield f"its podFailurePolicy names {named}, which is no container."


def _policy_problems(spec: Object) -> Iterator[str]:
    """A rule of ingress that admits everybody, the pods of trainings included."""
    for rule in spec.get("ingress", []):
        peers = rule.get("from", [])
        for selector in (each.get("namespaceSelector", each.get("podSelector")) for each in peers):
            if selector is not None and not (selector.get("matchLabels") or selector.get("matchExpressions")):
                yield "it admits every namespace or pod."
        if not peers:
            yield "it admits everybody."


def _quantity_problems(quantities: Object) -> Iterator[str]:
    for name, amount in quantities.items():
        if not _QUANTITY.fullmatch(str(amount)):
            yield f"{name}: {amount!r} is no quantity."


def _is_cron(text: str) -> bool:
    fields = text.split()
    if len(fields) != len(_CRON_RANGES):
        return False
    for field, (least, most) in zip(fields, _CRON_RANGES, strict=True):
        for part in field.split(","):
            found = re.fullmatch(r"(\*|\d+(?:-\d+)?)(?:/[1-9]\d*)?", part)
            if not found:
                return False
            numbers = [int(number) for number in re.findall(r"\d+", found[1])]
            if any(not least <= number <= most for number in numbers) or numbers != sorted(numbers):
                return False
    return True


def _ports(template: Object) -> list[Object]:
    return [port for container in template["spec"]["containers"] for port in container.get("ports", [])]
