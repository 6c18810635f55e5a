"""Ten ways to break a manifest that a real API server refuses, each seen without one, and nothing else blamed."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.promises.kubernetes.rendering import Object, find, overlay
from tests.promises.kubernetes.rules import problems


def change(kind: str, name: str, edit: Callable[[Any], None]) -> list[str]:
    """What the checks say of the overlay prod after an edit."""
    objects = overlay("prod-rwx")
    edit(find(objects, kind, name))
    return problems(objects)


def container(found: Object) -> Any:
    spec = found["spec"]
    return (spec["template"] if "template" in spec else spec["jobTemplate"]["spec"]["template"])["spec"]["containers"][
        0
    ]


def job(found: Object) -> Any:
    return found["spec"]["jobTemplate"]["spec"]


def test_an_unknown_field_is_seen() -> None:
    (sentence,) = change("Deployment", "server", lambda found: found["spec"].update(replicaz=2))
    assert "replicaz" in sentence


def test_a_removed_version_of_an_api_is_seen() -> None:
    (sentence,) = change("CronJob", "train", lambda found: found.update(apiVersion="batch/v1beta1"))
    assert "batch/v1beta1" in sentence


def test_a_bad_quantity_is_seen() -> None:
    (sentence,) = change(
        "CronJob", "train", lambda found: container(found)["resources"]["requests"].update(memory="256 MB")
    )
    assert "256 MB" in sentence


def test_a_selector_that_is_not_the_templates_labels_is_seen() -> None:
    (sentence,) = change(
        "Deployment",
        "server",
        lambda found: found["spec"]["selector"]["matchLabels"].update({"app.kubernetes.io/component": "serving"}),
    )
    assert "selector" in sentence


def test_a_missing_required_field_is_seen() -> None:
    (sentence,) = change("Service", "segmenter", lambda found: found["spec"]["ports"][0].pop("port"))
    assert "port" in sentence


@pytest.mark.parametrize(
    "edit",
    [
        lambda found: container(found)["securityContext"].update(privileged=True),
        lambda found: container(found).pop("securityContext"),
        lambda found: found["spec"]["template"]["spec"].pop("securityContext"),
        lambda found: container(found)["securityContext"].update(readOnlyRootFilesystem=False),
    ],
)
def test_a_privileged_or_missing_security_context_is_seen(edit: Callable[[Any], None]) -> None:
    assert change("Deployment", "server", edit)


def test_a_job_that_restarts_always_is_seen() -> None:
    (sentence,) = change(
        "CronJob", "train", lambda found: job(found)["template"]["spec"].update(restartPolicy="Always")
    )
    assert "restartPolicy" in sentence


@pytest.mark.parametrize("schedule", ["*/15 * * *", "*/15 * * * 9", "70 * * * *", "* * * * mondays"])
def test_a_schedule_of_four_fields_or_none_is_seen(schedule: str) -> None:
    (sentence,) = change("CronJob", "reconcile", lambda found: found["spec"].update(schedule=schedule))
    assert "schedule" in sentence


def test_a_mount_without_a_volume_is_seen() -> None:
    (sentence,) = change("CronJob", "train", lambda found: job(found)["template"]["spec"]["volumes"].pop())
    assert "mounts tmp" in sentence


def test_a_failure_policy_that_names_no_container_is_seen() -> None:
    (sentence,) = change(
        "CronJob",
        "train",
        lambda found: job(found)["podFailurePolicy"]["rules"][0]["onExitCodes"].update(containerName="trainer"),
    )
    assert "trainer" in sentence


@pytest.mark.parametrize("needed", ["backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"])
def test_a_job_without_limits_is_seen(needed: str) -> None:
    (sentence,) = change("CronJob", "train", lambda found: job(found).pop(needed))
    assert needed in sentence


def test_requests_that_are_missing_are_seen() -> None:
    assert change("CronJob", "reconcile", lambda found: container(found)["resources"].pop("requests"))


def test_names_of_nothing_are_seen() -> None:
    def forget(found: Object) -> None:
        found["metadata"]["name"] = "models-of-old"

    assert change("PersistentVolumeClaim", "models", forget)
    assert change("ServiceAccount", "train", forget)
