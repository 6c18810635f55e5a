"""The version stands in pyproject.toml; the manifests follow (`make version`), everything else reads it."""

import re
import subprocess

from tests.promises.kubernetes.rendering import overlay, pod_templates
from tests.support.paths import ROOT, VERSION

TYPED = {"pyproject.toml", "CHANGELOG.md"}  # and the tags of the manifests
RECORDED = ("tests/golden/", "constraints.txt")
CHART = ROOT / "k8s" / "helm" / "Chart.yaml"


def test_it_is_typed_nowhere_else() -> None:
    found = subprocess.run(
        ["git", "grep", "-nIE", rf"(^|[^0-9.]){re.escape(VERSION)}($|[^0-9.])", "--", ".", ":!docs/*.md"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    ).stdout.splitlines()  # fmt: skip
    others = [
        line
        for line in found
        if line.partition(":")[0] not in TYPED
        and not line.startswith(RECORDED)
        and not re.search(r"newTag: |golden/|Chart\.yaml:\d+:(version|appVersion): ", line)
    ]
    assert found
    assert others == []


def test_the_manifests_follow() -> None:
    for _, template in pod_templates(overlay("prod")):
        for container in template["spec"]["containers"]:
            assert container["image"].endswith(f":{VERSION}")
    for path in (ROOT / "k8s").rglob("kustomization.yaml"):
        assert set(re.findall(r"newTag: (\S+)", path.read_text())) <= {VERSION}, f"{path}: run make version"
    assert re.findall(r"(?m)^(?:version|appVersion): (\S+)$", CHART.read_text()) == [VERSION, VERSION], (
        "run make version"
    )


def test_make_and_the_images_read_it() -> None:
    printed = subprocess.run(["make", "-s", "version-number"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == VERSION
    for kind in ("serve", "train"):
        assert 'org.opencontainers.image.version="${VERSION}"' in (ROOT / f"Dockerfile.{kind}").read_text()
    assert "VERSION=$tag" in (ROOT / "k8s" / "images" / "build").read_text()


def test_the_changelog_has_it() -> None:
    assert f"\n## [{VERSION}] - " in (ROOT / "CHANGELOG.md").read_text()
