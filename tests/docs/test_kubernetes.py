"""docs/kubernetes.md is held against manifests, commands and settings."""

import re

from shared.command_line import COMMANDS
from shared.label_studio.webhook_address import accepts_webhook
from shared.settings import Settings
from tests.promises.kubernetes.rendering import COMPONENTS, OVERLAYS, find, overlay
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "kubernetes.md").read_text()
COMMAND_LINES = re.findall(r"(?:^|`)((?:kubectl|make|docker) [^`\n]*)", PAGE, re.MULTILINE)


def test_each_path_that_it_names_exists() -> None:
    made_by_hand = {"k8s/secret.env", "k8s/store-credentials.env"}
    for path in set(re.findall(r"\b(?:k8s|tests)/[\w./-]*[\w]", PAGE)) - made_by_hand:
        assert (ROOT / path).exists(), path


def test_each_overlay_and_component_stands_in_a_table() -> None:
    for name in (*OVERLAYS, *COMPONENTS):
        assert f"| `{name}` |" in PAGE


def test_each_program_that_it_names_exists() -> None:
    for module, verb in set(re.findall(r"python -m (inference|training) (\w+)", PAGE)):
        assert COMMANDS[verb].package == module, verb
    makefile = (ROOT / "Makefile").read_text()
    assert all(f"\n{target}:" in makefile for target in re.findall(r"^make ([\w-]+)", PAGE, re.MULTILINE))


def test_its_commands_ask_for_objects_that_exist() -> None:
    objects = overlay("prod")
    namespace = find(objects, "Namespace", "time-series-segmenter")["metadata"]["name"]
    named = [line for line in COMMAND_LINES if line.startswith("kubectl") and not re.search(" -[fk] ", line)]
    assert len(named) > 10
    for line in named:
        assert f"-n {namespace} " in line, line
    assert find(objects, "Deployment", "server")
    for url in re.findall(r"http://segmenter[\w.-]*:9090", PAGE):
        assert url == f"http://segmenter.{namespace}.svc.cluster.local:9090"
        assert accepts_webhook(url)


def test_the_first_table_of_commands_has_six() -> None:
    block = PAGE.partition("## Six commands")[2].split("```")[1]
    assert len(block.strip().splitlines()) == 6


def test_each_setting_that_it_names_exists() -> None:
    known = {name.upper() for name in Settings().environment()}
    of_label_studio = {"SSRF_PROTECTION_ENABLED", "ML_BLOCK_LOCAL_IP"}
    of_others = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL"}
    of_others |= {"GOOGLE_SERVICE_ACCOUNT_KEY", "AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY"}
    others = {"TORCH_INDEX", "TEST_OLD_CODE"}  # of builds and tests
    others |= {"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "PREANNOTATE_PROJECT"}
    for name in re.findall(r"`([A-Z]+(?:_[A-Z]+)+)(?:=[^`]*)?`", PAGE):
        assert name in known | of_label_studio | of_others | others, name
