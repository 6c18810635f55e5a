"""Stores with small real models, for servers under attack."""

from pathlib import Path

from shared.labelling.snapshots import Snapshot
from shared.store.lease import take_lease
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from tests.support.graphs import make_model

VERSION = "20260101T000000Z-aaaaaa"
VALUES = [0.0] * 60 + [1.0] * 20 + [0.0] * 100  # Run where the value is high


def label_config(value_type: str = "json", *labels: str) -> str:
    """XML of a configuration with one channel."""
    tags = "".join(f'<Label value="{label}"/>' for label in labels or ("Run", "Walk"))
    return (
        f'<View><TimeSeriesLabels name="label" toName="ts">{tags}</TimeSeriesLabels>'
        f'<TimeSeries name="ts" valueType="{value_type}" value="$csv_url"><Channel column="value"/></TimeSeries></View>'
    )


def publish(model_dir: Path, project: int, version: str = VERSION, labels: tuple[str, ...] = ("Run", "Walk")) -> bytes:
    """Publish a model that finds the first label in high values, and return its file."""
    storage = open_storage(str(model_dir))
    day = f"{version[:4]}-{version[4:6]}-{version[6:8]}T00:00:00+00:00"
    snapshot = Snapshot(taken_at=day, newest="", tasks=1, annotations=1, digest=version[-6:], fingerprint="")
    data = make_model(labels, kind="threshold", project=project, version=version, snapshot=snapshot)
    lease = take_lease(storage, project, "test")
    assert ModelStore(storage).publish(lease, data).published
    lease.release()
    return data
