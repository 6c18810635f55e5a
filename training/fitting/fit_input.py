"""The digest of everything that decides a fit: equal digests mean equal weights, on one machine.

Also the code: after an upgrade of this program or of its libraries every network is fitted again.
"""

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import msgspec
import numpy as np
import torch

from shared.lineage import LearnedRecording
from shared.settings import Settings
from training.data.annotations import Recording
from training.planning.plan import Plan


class FitInput:
    """Digests under one plan. Recordings are read once, however many fits learn from them."""

    def __init__(self, plan: Plan, settings: Settings, device: str) -> None:
        self._plan = plan
        self._settings = settings
        self._device = device
        self._contents = {id(recording): content_digest(recording) for recording in plan.recordings}

    def learned(self, recordings: Sequence[Recording]) -> list[LearnedRecording]:
        """The recordings, as lineages name them; all of them are of the plan."""
        return [
            LearnedRecording(task=each.key, group=each.group, content=self._contents[id(each)]) for each in recordings
        ]

    def digest(self, recordings: Sequence[Recording], steps: int, seed: int) -> str:
        """Of the fit on these recordings, in this order."""
        plan, settings = self._plan, self._settings
        parts: dict[str, Any] = {
            "program": program_digest(),
            "libraries": [str(np.__version__), str(torch.__version__), platform.machine()],
            "device": [self._device, torch.get_num_threads()],
            "recordings": [[each.task, each.group, each.content] for each in self.learned(recordings)],
            "classes": [plan.kinds.heads, plan.kinds.instants],
            "shape": asdict(plan.shape),
            "recipe": asdict(plan.recipe),
            "steps": [steps, settings.train_epochs],
            "seed": seed,
            "network": [settings.hidden_size, settings.use_class_weights],
        }
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def content_digest(recording: Recording) -> str:
    """Digest of values and labels: hexadecimal."""
    found = hashlib.sha256()
    for each in (recording, *recording.annotators):
        found.update(msgspec.json.encode([each.labels.shape, each.known.shape, each.series.values.shape]))
        for array in (each.labels, each.known):
            found.update(np.ascontiguousarray(array).tobytes())
        found.update(msgspec.json.encode([[event.row, event.label] for event in each.events]))
    found.update(np.ascontiguousarray(recording.series.values).tobytes())
    return found.hexdigest()


@cache
def program_digest() -> str:
    """Digest of the source of `shared` and `training`."""
    found = hashlib.sha256()
    for package in ("shared", "training"):
        _add_sources(found, files(package), package)
    return found.hexdigest()


def _add_sources(found: Any, folder: Traversable, name: str) -> None:
    for each in sorted(folder.iterdir(), key=lambda one: one.name):
        if each.is_dir():
            _add_sources(found, each, f"{name}/{each.name}")
        elif each.name.endswith(".py"):
            found.update(f"{name}/{each.name}\n".encode() + each.read_bytes())
