"""Kept versions that a candidate must not be worse than."""

from shared.labelling.label_config import LabelConfig
from shared.model_file.card import ModelCard, decode_card
from shared.model_file.onnx_file import read_metadata
from shared.model_file.several import model_of_series
from shared.store.models import ModelStore
from shared.store.report import read_held_out, read_number
from shared.store.storage import Storage
from training.judging.gate import Reference

MOST_REFERENCES = 5  # newest accepted versions


def load_references(
    store: ModelStore, project: int, project_created: str, config: LabelConfig, *, alone: bool = True
) -> list[Reference]:
    """Accepted versions of the same project, series and channels, but for the one that a roll back turned down.

    config: of one series; alone: whether the project has no other.
    """
    rolled_back = store.rolled_back(project)
    versions = [each for each in store.versions(project) if each.accepted][:MOST_REFERENCES]
    found = []
    for name, serves in ((each.name, each.current) for each in versions):
        model = store.load_version(project, name)
        if model is None or model.model_info.mismatch(project_created):
            continue
        data = model_of_series(model.data, config.to_name, alone=alone)
        if data is None:
            continue
        card = read_card(data)
        if card.label_config.channels == config.channels and not (rolled_back and rolled_back.version == name):
            report = store.file(project, name, "report.json")
            labels = frozenset(config.synonyms.get(label, label) for head in card.heads for label in head.labels)
            held_out = read_held_out(report, config.to_name) if report else {}
            found.append(Reference(name, held_out, data, config.synonyms, labels, serves))
    return found


def next_number(store: ModelStore, project: int) -> int:
    """Number of the next version: beyond those of the kept ones, which are counted where they have none."""
    versions = store.versions(project)
    reports = (store.file(project, each.name, "report.json") for each in versions)
    return 1 + max([len(versions), *(read_number(report) for report in reports if report is not None)])


def serving_heads(storage: Storage, project: int, config: LabelConfig) -> tuple[tuple[str, ...], ...]:
    """Labels of each head of ranges of the model that serves a project, which a training keeps where it can.

    config: of the series; the first one with `others`.
    """
    champion = ModelStore(storage, keep_versions=1).current(project)
    data = model_of_series(champion.data, config.to_name, alone=not config.others) if champion else None
    return read_card(data).range_labels if data else ()


def read_card(data: bytes) -> ModelCard:
    """The card of a model file. Raises ModelError."""
    return decode_card(read_metadata(data)["card"])
