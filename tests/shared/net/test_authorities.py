import os
import ssl
from pathlib import Path

import pytest

from inference.__main__ import main
from shared.errors import SettingsError
from shared.net.authorities import VARIABLE, trust
from tests.support.web_server import CERTIFICATE

OURS = CERTIFICATE / "ca.pem"


def subjects(context: ssl.SSLContext) -> set[str]:
    return {str(each["subject"]) for each in context.get_ca_certs()}


def test_our_authority_is_trusted_besides_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Path(__file__).parents[2] / "promises" / "kubernetes" / "certificate" / "cert.pem"
    monkeypatch.setenv(VARIABLE, str(other))
    before = subjects(ssl.create_default_context(cafile=str(other)))
    trust(str(OURS))
    found = subjects(ssl.create_default_context(cafile=os.environ[VARIABLE]))
    assert before < found
    assert any("Authority of these tests" in each for each in found - before)


def test_without_the_setting_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    trust("")
    assert VARIABLE not in os.environ


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_file_without_certificates_is_refused(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match="expected a file of certificates in PEM"):
        trust(str(path))
    monkeypatch.setenv("CA_FILE", str(path))
    assert main(["models", "list"]) == 2
    assert "CA_FILE" in capsys.readouterr().err
