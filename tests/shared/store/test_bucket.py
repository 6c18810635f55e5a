"""What only a bucket can do; the verbs are tested in test_storage.py."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from shared.errors import StoreError
from shared.store.bucket import ObjectStorage
from shared.store.opening import open_storage
from tests.support.paths import ROOT

pytestmark = pytest.mark.s3


def test_an_address_opens_a_bucket(bucket: str) -> None:
    storage = open_storage(bucket + "/")
    storage.put("a/b", b"1")
    assert storage.address == bucket
    assert open_storage(bucket).keys() == ["a/b"]


def test_two_prefixes_of_one_bucket_are_two_stores(bucket: str) -> None:
    one, other = ObjectStorage(f"{bucket}/one"), ObjectStorage(f"{bucket}/other")
    one.put("a", b"1", create=True)
    other.put("a", b"2", create=True)
    assert one.keys() == ["a"]
    other.delete(["a"])
    assert one.keys() == ["a"]


def test_wrong_credentials_are_named_without_the_secret(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-this-one")
    storage = ObjectStorage(bucket)
    for verb in (lambda: storage.get("a"), lambda: storage.put("a", b""), storage.keys):
        with pytest.raises(StoreError, match="check the credentials") as caught:
            verb()
        assert "not-this-one" not in str(caught.value)


def test_a_line_end_in_a_credential_is_left_out(
    bucket: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, f"{os.environ[name]}\n")
    ObjectStorage(bucket).put("a", b"1")
    assert caplog.text.count("AWS_ACCESS_KEY_ID begins or ends with a blank") == 1
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in caplog.text


def test_a_panic_of_obstore_is_an_error_of_the_store(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a\nb")
    storage = ObjectStorage(bucket)
    for verb in (lambda: storage.get("a"), lambda: storage.put("a", b""), storage.keys):
        with pytest.raises(StoreError, match="check the credentials"):
            verb()


def test_a_bucket_that_does_not_exist_is_named(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = ObjectStorage("s3://no-such-bucket/models")
    with pytest.raises(StoreError, match="no-such-bucket"):
        storage.put("a", b"1", if_match='"0"|')


def test_a_store_that_is_unreachable_is_an_error_and_not_an_empty_store(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{unused.getsockname()[1]}")
        storage = ObjectStorage(bucket, retry_seconds=0.2)
        for verb in (lambda: storage.get("a"), lambda: storage.head("a"), lambda: storage.put("a", b""), storage.keys):
            with pytest.raises(StoreError, match="check MODEL_DIR, the endpoint and the network"):
                verb()


def test_a_lost_answer_to_our_own_write_is_no_conflict(bucket: str) -> None:
    """As a retry sees it: the object is there already, and it is ours."""
    storage = ObjectStorage(bucket)
    tag = storage.put("a", b"ours", create=True)
    assert storage.put("a", b"ours", create=True) == tag
    newer = storage.put("a", b"newer", if_match=tag)
    assert storage.put("a", b"newer", if_match=tag) == newer


def test_the_clock_is_the_stores_and_looked_at_once_a_minute(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = ObjectStorage(bucket)
    first = storage.now()
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert abs(storage.now() - first) < 60
    storage.delete(["clock/now"])
    storage.now()
    assert storage.keys() == []


@pytest.mark.parametrize("address", ["gs://bucket/models", "az://container/models"])
def test_other_clouds_are_opened_by_their_addresses(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
    monkeypatch.setenv("GOOGLE_SKIP_SIGNATURE", "true")
    assert open_storage(address).address == address


def test_a_folder_needs_nothing_of_obstore(tmp_path: Path) -> None:
    program = (
        "import sys; from shared.store.opening import open_storage; from shared.store.models import ModelStore\n"
        "ModelStore(open_storage(sys.argv[1])).model_info(7); assert 'obstore' not in sys.modules"
    )
    root = ROOT
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, cwd=root)
