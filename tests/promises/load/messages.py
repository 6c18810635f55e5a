"""Bodies that Label Studio sends, for one project."""

import json
from typing import Any

PROJECT = 3
CONFIG = (
    '<View><TimeSeriesLabels name="label" toName="ts"><Label value="Run"/><Label value="Walk"/></TimeSeriesLabels>'
    '<TimeSeries name="ts" valueType="{kind}" value="$csv_url"><Channel column="value"/></TimeSeries></View>'
)
VALUES = [0.0] * 60 + [1.0] * 20 + [0.0] * 120  # Run where the value is high


def batch(*values: Any, kind: str = "json") -> bytes:
    """Body of /predict with a task for each value of `csv_url`: values by channel, or (kind "url") a URL."""
    tasks = [{"id": number, "data": {"csv_url": value}, "project": PROJECT} for number, value in enumerate(values, 1)]
    return json.dumps(
        {"tasks": tasks, "project": f"{PROJECT}.1795475439", "label_config": CONFIG.format(kind=kind)}
    ).encode()


def event(project: int = PROJECT) -> bytes:
    """Body of /webhook after an annotation was created."""
    return json.dumps({"action": "ANNOTATION_CREATED", "project": {"id": project}}).encode()
