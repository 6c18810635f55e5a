"""A bucket with a certificate of one's own authority, through a proxy: a real S3 server behind TLS."""

import pytest

from shared.errors import StoreError
from shared.net.authorities import VARIABLE, trust
from shared.store.bucket import ObjectStorage
from tests.support.forward_proxy import forward_proxy
from tests.support.proxy import Proxy
from tests.support.seaweed import BUCKET, Seaweed
from tests.support.web_server import CERTIFICATE, serve


@pytest.mark.s3
def test_ca_file_and_proxy_reach_the_bucket(seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with serve(Proxy(seaweed.port), secure=True) as web:
        hosts = {"data.example.org:443": web.port}
        for name, value in {**seaweed.environment, "AWS_ENDPOINT_URL": "https://data.example.org"}.items():
            monkeypatch.setenv(name, value)
        with forward_proxy(hosts) as proxy:
            monkeypatch.setenv("https_proxy", proxy.url)
            monkeypatch.setenv("no_proxy", "")
            with pytest.raises(StoreError):
                ObjectStorage(f"s3://{BUCKET}/a", retry_seconds=1).put("projects/1.json", b"{}")
            monkeypatch.setenv(VARIABLE, "")  # so that it is restored after the test
            monkeypatch.delenv(VARIABLE)
            trust(str(CERTIFICATE / "ca.pem"))
            storage = ObjectStorage(f"s3://{BUCKET}/a", retry_seconds=1)
            storage.put("projects/1.json", b"{}", create=True)
            found = storage.get("projects/1.json")
            assert found
            assert found.data == b"{}"
            assert set(proxy.asked) == {"CONNECT data.example.org:443"}
            monkeypatch.setenv("no_proxy", "example.org")
            with pytest.raises(StoreError):  # directly: nobody here looks the name up
                ObjectStorage(f"s3://{BUCKET}/a", retry_seconds=1).get("projects/1.json")
