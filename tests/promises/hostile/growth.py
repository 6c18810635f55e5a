"""Inputs of a size n, generated, and what is done with them. Two sizes grow together in each: work for each pair shows.

A generator makes an input and returns the work on it, which alone is timed.
"""

import json
from collections.abc import Callable, Mapping

import msgspec

from inference.serving.protocol import decode_object, decode_predict
from inference.serving.webhooks import parse_event
from shared.errors import SegmenterError
from shared.label_studio.request import Reply
from shared.labelling.label_config import LabelConfig, parse_label_config
from shared.labelling.regions import from_regions, to_regions
from shared.labelling.segments import Segment
from shared.labelling.time_axis import TimeAxis
from shared.recordings.csv_header import read_layout
from shared.recordings.series import read_series
from shared.retraining.updates import Updates
from shared.store.report import HeldOut, StoredSegment
from tests.support.memory_storage import MemoryStorage

Work = Callable[[], object]


def config(n: int) -> LabelConfig:
    """A configuration of n labels and n channels."""
    tags = "".join(f'<Label value="label {i}"/>' for i in range(n))
    channels = "".join(f'<Channel column="c{i}"/>' for i in range(n))
    return parse_label_config(
        f'<View><TimeSeriesLabels name="l" toName="t">{tags}</TimeSeriesLabels>'
        f'<TimeSeries name="t" value="$v">{channels}</TimeSeries></View>'
    )


def _parse(xml: str) -> Work:
    def work() -> object:
        try:
            return parse_label_config(xml)
        except SegmenterError as error:
            return str(error)

    return work


def tags_without_a_target(n: int) -> Work:
    """With n controls, none of which names one of n time series: each refusal could list them all."""
    objects = "".join(f'<TimeSeries name="t{i}" value="$v"><Channel column="a"/></TimeSeries>' for i in range(n))
    controls = '<TimeSeriesLabels name="l" toName="x"/>' * n
    return _parse(f"<View>{controls}{objects}</View>")


def tags_of_one_large_target(n: int) -> Work:
    """With n controls of one time series of n channels that cannot be served: each could read it again."""
    labels = "".join(
        f'<TimeSeriesLabels name="l{i}" toName="t"><Label value="a"/></TimeSeriesLabels>' for i in range(n)
    )
    channels = '<Channel column="a"/>' * n
    return _parse(f'<View>{labels}<TimeSeries name="t" value="$v">{channels}<Channel/></TimeSeries></View>')


def tags_of_a_long_name(n: int) -> Work:
    """One served pair with a name of 20 n characters, and n tags that are not: each sentence could quote the name."""
    name = "x" * 20 * n
    pair = f'<TimeSeriesLabels name="{name}" toName="t"><Label value="a"/></TimeSeriesLabels>'
    series = '<TimeSeries name="t" value="$v"><Channel column="a"/></TimeSeries>'
    others = '<Choices name="c" toName="t"/>' * n
    return _parse(f"<View>{pair}{series}{others}</View>")


def nested_tags(n: int) -> Work:
    """With n controls within one another, without a label: each could look through all that it holds."""
    head, tail = '<TimeSeriesLabels name="l" toName="t">', "</TimeSeriesLabels>"
    series = '<TimeSeries name="t" value="$v"><Channel column="a"/></TimeSeries>'
    return _parse(f"<View>{head * n}{tail * n}{series}</View>")


def channels_of_columns(n: int) -> Work:
    """With n channels of n columns, by name."""
    found = config(n)
    names = ",".join(f"c{i}" for i in reversed(range(n)))
    table = memoryview(f"{names}\n{'1,' * (n - 1)}1\n".encode())
    return lambda: read_layout(table, found)


def channels_of_json(n: int) -> Work:
    """With n channels of n columns of JSON."""
    found = config(n)
    table = json.dumps({f"C{i}": [0.5] for i in reversed(range(n))}).encode()
    return lambda: read_series(table, found)


def labels_of_regions(n: int) -> Work:
    """With n regions of n labels, the last ones first."""
    found, axis = config(n), TimeAxis.of_rows(n)
    regions = [
        {
            "type": "timeserieslabels",
            "from_name": "l",
            "value": {"start": i, "end": i, "timeserieslabels": [f"label {i}"]},
        }
        for i in reversed(range(n))
    ]

    def work() -> object:
        parsed = from_regions(regions, axis, found)
        assert len(parsed.segments) == n
        return parsed

    return work


def segments_of_labels(n: int) -> Work:
    """With n segments of n labels, as regions."""
    found, axis = config(n), TimeAxis.of_rows(n)
    segments = [Segment(i, i, f"label {i}", 0.5) for i in range(n)]
    return lambda: to_regions(segments, axis, found)


def tasks_of_a_batch(n: int) -> Work:
    """A batch of n tasks, each with a large value for its number."""
    body = json.dumps({"tasks": [{"id": i, "data": {"v": "x" * 20}} for i in range(n)]}).encode()
    return lambda: decode_predict(body)


def annotations_of_an_event(n: int) -> Work:
    """An event of n annotations and n tasks."""
    event = {"action": "ANNOTATIONS_CREATED", "annotations": [{"project": 3}] * n, "tasks": [{"id": 1}] * n}
    body = json.dumps(event).encode()
    return lambda: parse_event(body)


def updates_of_projects(n: int) -> Work:
    """With n updates of n projects, listed."""
    storage = MemoryStorage()
    updates = Updates(storage)
    for project in range(n):
        updates.add(project + 1, "ANNOTATION_CREATED", 1.0)
    return updates.waiting


def records_of_a_model(n: int) -> Work:
    """A record of n held-out segments."""
    segment = msgspec.to_builtins(StoredSegment(0, 1, "a", 0.5))
    record = json.dumps({"task": "1", "rows": n, "true": [segment] * n, "predicted": [segment] * n}).encode()

    return lambda: msgspec.json.decode(record, type=HeldOut)


def answers_of_label_studio(n: int) -> Work:
    """A list of n things and one sentence of 20 n characters."""
    body = json.dumps({"detail": "x" * 20 * n, "tasks": [{"id": i} for i in range(n)]}).encode()
    return lambda: (Reply(400, {}, body).detail, decode_object(body))


GENERATORS: Mapping[str, tuple[Callable[[int], Work], int]] = {  # and a size at which the work takes milliseconds
    "tags without a target": (tags_without_a_target, 125),
    "tags of one large target": (tags_of_one_large_target, 125),
    "tags of a long name": (tags_of_a_long_name, 250),
    "nested tags": (nested_tags, 250),
    "channels of columns": (channels_of_columns, 1000),
    "channels of JSON": (channels_of_json, 250),
    "labels of regions": (labels_of_regions, 400),
    "segments of labels": (segments_of_labels, 1000),
    "tasks of a batch": (tasks_of_a_batch, 2000),
    "annotations of an event": (annotations_of_an_event, 4000),
    "updates of projects": (updates_of_projects, 500),
    "records of a model": (records_of_a_model, 1000),
    "answers of Label Studio": (answers_of_label_studio, 1000),
}
