"""Which service the store's client asks for credentials, with the variables that the clouds' webhooks put into pods.

No cloud is reached: a proxy that refuses everything notes who was asked.
"""

from collections.abc import Mapping
from pathlib import Path

import pytest

from shared.errors import StoreError
from shared.store.bucket import ObjectStorage
from tests.support.forward_proxy import forward_proxy

AMAZON = {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/segmenter", "AWS_REGION": "eu-central-1"}
AZURE = {
    "AZURE_STORAGE_ACCOUNT_NAME": "models",
    "AZURE_CLIENT_ID": "00000000-0000-0000-0000-000000000001",
    "AZURE_TENANT_ID": "00000000-0000-0000-0000-000000000002",
    "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.com/",
}


@pytest.mark.parametrize(
    ("address", "variables", "token", "asked"),
    [
        ("s3://models/a", AMAZON, "AWS_WEB_IDENTITY_TOKEN_FILE", "CONNECT sts.eu-central-1.amazonaws.com:443"),
        ("az://models/a", AZURE, "AZURE_FEDERATED_TOKEN_FILE", "CONNECT login.microsoftonline.com:443"),
        ("gs://models/a", {}, "", "GET http://metadata.google.internal/"),
    ],
)
def test_the_identity_of_a_pod_is_exchanged_at_its_cloud(
    address: str, variables: Mapping[str, str], token: str, asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "GOOGLE_SERVICE_ACCOUNT_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if token:
        (tmp_path / "token").write_text("a token of the cluster")
        monkeypatch.setenv(token, str(tmp_path / "token"))
    with forward_proxy({}) as proxy:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises(StoreError):
            ObjectStorage(address, retry_seconds=0.5).get("projects/1.json")
        assert proxy.asked
        assert proxy.asked[0].startswith(asked), proxy.asked
