"""Kept versions that a candidate must not be worse than. What is damaged of them is left out, and stops no training."""

import logging
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from shared.errors import ModelError, RefusedError
from shared.labelling.label_config import LabelConfig
from shared.model_file.card import ModelCard, decode_card
from shared.model_file.onnx_file import read_metadata
from shared.model_file.several import model_of_series
from shared.store.model_info import StoredModel
from shared.store.models import ModelStore, Version
from shared.store.report import ReportFile, read_held_out, read_number, read_report
from shared.store.storage import Storage
from training.judging.gate import Reference

MOST_REFERENCES = 5  # newest accepted versions

T = TypeVar("T")
log = logging.getLogger(__name__)


def unless_damaged(read: Callable[[], T], otherwise: T) -> T:
    """What was read; `otherwise` where its bytes are damaged, or a link or a pipe is in its place."""
    try:
        return read()
    except (ModelError, RefusedError) as error:
        log.warning("Left out, as it cannot be read: %s", error)
        return otherwise


def current_model(store: ModelStore, project: int) -> StoredModel | None:
    """The model that serves; where its file is damaged, the newest accepted version that is not."""
    try:
        return store.current(project)
    except ModelError as error:
        log.warning("The model that serves cannot be read: %s", error)
    for each in store.versions(project):
        found = unless_damaged(partial(store.load_version, project, each.name), None) if each.accepted else None
        if found is not None:
            return found
    return None


def kept_report(store: ModelStore, project: int, version: str) -> ReportFile | None:
    """The report of a kept version; None where it is gone or damaged."""
    return unless_damaged(partial(_report, store, project, version), None)


def _report(store: ModelStore, project: int, version: str) -> ReportFile | None:
    data = store.file(project, version, "report.json")
    return read_report(data) if data else None


def load_references(
    store: ModelStore, project: int, project_created: str, config: LabelConfig, *, alone: bool = True
) -> list[Reference]:
    """Accepted versions of the same project, series and channels, but for the one that a roll back turned down.

    config: of one series; alone: whether the project has no other.
    """
    rolled_back = store.rolled_back(project)
    versions = [each for each in store.versions(project) if each.accepted][:MOST_REFERENCES]
    asked = [each for each in versions if not (rolled_back and rolled_back.version == each.name)]
    read = [partial(_reference, store, project, project_created, config, each, alone=alone) for each in asked]
    return [found for each in read if (found := unless_damaged(each, None)) is not None]


def _reference(
    store: ModelStore, project: int, project_created: str, config: LabelConfig, version: Version, *, alone: bool
) -> Reference | None:
    """One version, None where it is of another project or has other channels. Raises ModelError, RefusedError."""
    model = store.load_version(project, version.name)
    if model is None or model.model_info.mismatch(project_created):
        return None
    data = model_of_series(model.data, config.to_name, alone=alone)
    card = read_card(data) if data is not None else None
    if data is None or card is None or card.label_config.channels != config.channels:
        return None
    report = store.file(project, version.name, "report.json")
    labels = frozenset(config.synonyms.get(label, label) for head in card.heads for label in head.labels)
    held_out = read_held_out(report, config.to_name) if report else {}
    return Reference(version.name, held_out, data, config.synonyms, labels, version.current)


def next_number(store: ModelStore, project: int) -> int:
    """Number of the next version: beyond those of the kept ones, which are counted where they have none."""
    versions = store.versions(project)
    numbers = [unless_damaged(partial(_number, store, project, each.name), 0) for each in versions]
    return 1 + max([len(versions), *numbers])


def _number(store: ModelStore, project: int, version: str) -> int:
    report = store.file(project, version, "report.json")
    return read_number(report) if report is not None else 0


def serving_heads(storage: Storage, project: int, config: LabelConfig) -> tuple[tuple[str, ...], ...]:
    """Labels of each head of ranges of the model that serves a project, which a training keeps where it can.

    config: of the series; the first one with `others`.
    """
    champion = current_model(ModelStore(storage, keep_versions=1), project)
    data = model_of_series(champion.data, config.to_name, alone=not config.others) if champion else None
    return read_card(data).range_labels if data else ()


def read_card(data: bytes) -> ModelCard:
    """The card of a model file. Raises ModelError."""
    return decode_card(read_metadata(data)["card"])
