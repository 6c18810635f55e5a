"""A project in a real Label Studio with easy series, the person who annotates it, and what the server made of it."""

import json
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import onnxruntime

from examples.demo.client import Client
from shared.labelling.snapshots import AnnotationState, take_snapshot, utc_text
from tests.e2e.series import (
    LABELS,
    Axis,
    Json,
    Recording,
    Segment,
    label_config,
    make_recordings,
    read_regions,
    regions,
)

TRAINING_SECONDS = 600  # a stuck loop fails the test; how long it really took is printed
UNTRAINED = "untrained"


class Reference(NamedTuple):
    """State of a project's annotations: what a model has been trained on, or what Label Studio holds."""

    tasks: int
    annotations: int
    newest: str
    digest: str


class Project:
    """A project of `count` recordings, not connected to a backend yet."""

    def __init__(self, user: Client, seed: int, count: int, labels: int, axis: Axis) -> None:
        self.user = user
        self.axis = axis
        self.labels = LABELS[:labels]
        self.recordings = make_recordings(seed, count, self.labels, axis)
        title = f"{axis} axis, {labels} labels, seed {seed}"
        self.id = user.create_project(title, label_config(axis, self.labels))
        self.tasks = user.upload_series(self.id, {each.name: each.csv for each in self.recordings})

    def connect(self, url: str, user: str = "", password: str = "") -> int:
        """Connect a backend; its id."""
        return self.user.connect(self.id, url, user, password)

    def annotate(self, number: int, segments: Sequence[Segment] | None = None) -> int:
        """Submit the reference of a recording, or other segments; the annotation's id."""
        return self.user.annotate(self.tasks[number], self.id, regions(self.recordings[number], segments))

    def correct(self, annotation: int, number: int, segments: Sequence[Segment]) -> None:
        """Change an annotation."""
        self.user.update_annotation(annotation, regions(self.recordings[number], segments))

    def reference(self) -> Reference:
        """What Label Studio holds now, skipped tasks apart."""
        annotation_states = [
            AnnotationState(task["id"], each["id"], utc_text(each["updated_at"]), each["ground_truth"])
            for task in self.user.tasks(self.id)
            for each in task["annotations"]
            if not each["was_cancelled"]
        ]
        snapshot = take_snapshot(annotation_states, "", datetime.now(UTC))
        return Reference(snapshot.tasks, snapshot.annotations, snapshot.newest, snapshot.digest)

    def wait_until_trained(self, models: Path, after: str = UNTRAINED) -> str:
        """Wait until Label Studio is told a version, other than `after`, that was trained on its annotations of now.

        Raises AssertionError when that takes more than TRAINING_SECONDS.
        """
        deadline = time.monotonic() + TRAINING_SECONDS
        reference = self.reference()
        version, trained_on = after, None
        while time.monotonic() < deadline:
            version = self.user.version(self.id)
            card = read_card(models, self.id)
            trained_on = card and read_reference(card)
            if card and version not in (after, UNTRAINED) and version == card["version"] and trained_on == reference:
                return version
            time.sleep(0.5)
        raise AssertionError(f"after {TRAINING_SECONDS} s {version} serves, trained on {trained_on}, not {reference}")

    def predicted(self, version: str, numbers: Iterable[int]) -> tuple[list[Recording], list[list[Segment]]]:
        """Recordings, and the segments that Label Studio now holds for them from `version`."""
        stored = self.user.predictions(self.id, version)
        recordings = [self.recordings[number] for number in numbers]
        results = [stored[self.tasks[number]]["result"] for number in numbers]
        return recordings, [read_regions(*pair) for pair in zip(recordings, results, strict=True)]


def read_card(models: Path, project: int) -> Json | None:
    """What the served model says of itself, read from its file as any ONNX tool would; None if there is no model."""
    path = models / f"model_project_{project}.onnx"
    if not path.exists():
        return None
    metadata = onnxruntime.InferenceSession(path.read_bytes()).get_modelmeta().custom_metadata_map
    return dict(json.loads(metadata["card"]))


def read_reference(card: Json) -> Reference:
    """What a model was trained on."""
    return Reference(*(card["snapshot"][name] for name in Reference._fields))
