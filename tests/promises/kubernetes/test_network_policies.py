"""Who reaches the server in a cluster, and what the pods reach, as network policies say (promise 13)."""

from collections.abc import Sequence

import pytest

from tests.promises.kubernetes.rendering import Object, overlay, with_components
from tests.promises.kubernetes.rules import rule_problems

OURS = "time-series-segmenter"
SERVER = {"app.kubernetes.io/name": OURS, "app.kubernetes.io/component": "server"}
TRAINING = {"app.kubernetes.io/name": OURS, "app.kubernetes.io/component": "train"}


def selects(selector: Object | None, labels: dict[str, str]) -> bool:
    """Whether a selector matches labels; None matches nothing, {} everything."""
    if selector is None or not (selector.get("matchLabels") or {}).items() <= labels.items():
        return False
    for each in selector.get("matchExpressions", []):
        holds = labels.get(each["key"]) in each["values"]
        if holds != (each["operator"] == "In"):
            return False
    return True


def admits(peer: Object, namespace: str, pod: dict[str, str]) -> bool:
    """Whether a peer of a rule is this pod."""
    if "ipBlock" in peer:
        return False
    if "namespaceSelector" not in peer:
        return namespace == OURS and selects(peer["podSelector"], pod)
    named = {"kubernetes.io/metadata.name": namespace}
    return selects(peer["namespaceSelector"], named) and selects(peer.get("podSelector", {}), pod)


def reaches(objects: Sequence[Object], target: dict[str, str], namespace: str, pod: dict[str, str]) -> bool:
    """Whether a pod of a namespace reaches a pod of ours: some policy admits it, or none selects the target."""
    specs = [each["spec"] for each in objects if each["kind"] == "NetworkPolicy"]
    specs = [each for each in specs if "Ingress" in each["policyTypes"] and selects(each["podSelector"], target)]
    peers = [peer for each in specs for rule in each.get("ingress", []) for peer in rule["from"]]
    return not specs or any(admits(peer, namespace, pod) for peer in peers)


@pytest.mark.parametrize("name", ["dev", "prod", "prod-rwx"])
def test_label_studio_alone_reaches_the_server(name: str) -> None:
    objects = overlay(name)
    assert reaches(objects, SERVER, "label-studio", {"app": "anything"})
    assert reaches(objects, SERVER, OURS, {"app.kubernetes.io/name": "label-studio"})
    for namespace in ("default", "kube-system", "monitoring", "ingress-nginx", "label-studio-2"):
        assert not reaches(objects, SERVER, namespace, {"app.kubernetes.io/name": "label-studio"}), namespace
    assert not reaches(objects, SERVER, OURS, TRAINING)
    assert not reaches(objects, TRAINING, "label-studio", {})


def test_components_admit_what_they_need() -> None:
    objects = with_components("ingress", "monitoring")
    assert reaches(objects, SERVER, "ingress-nginx", {})
    assert reaches(objects, SERVER, "monitoring", {})
    assert not reaches(objects, SERVER, OURS, TRAINING)


def test_with_egress_a_training_reaches_no_internal_address() -> None:
    specs = [each["spec"] for each in with_components("egress") if each["kind"] == "NetworkPolicy"]
    rules = [
        rule
        for spec in specs
        if "Egress" in spec["policyTypes"] and selects(spec["podSelector"], TRAINING)
        for rule in spec["egress"]
    ]
    assert rules
    assert all(rule.get("to") for rule in rules), "a rule without peers allows every address"
    blocks = [peer["ipBlock"] for rule in rules for peer in rule["to"] if "ipBlock" in peer]
    assert {"10.0.0.0/8", "169.254.0.0/16", "192.168.0.0/16"} <= set(blocks[0]["except"])


def test_a_policy_for_everybody_is_a_problem() -> None:
    objects = overlay("prod")
    policy = next(each for each in objects if each["kind"] == "NetworkPolicy" and each["metadata"]["name"] == "server")
    policy["spec"]["ingress"][0]["from"] = [{"namespaceSelector": {}}]
    assert any("admits every namespace" in sentence for sentence in rule_problems(objects))
    assert reaches(objects, SERVER, OURS, TRAINING), "this is what let trainings through"
