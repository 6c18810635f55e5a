"""Kept versions that a candidate must not be worse than."""

from shared.labelling.label_config import LabelConfig
from shared.model_file.card import ModelCard, decode_card
from shared.model_file.onnx_file import read_metadata
from shared.store.models import ModelStore
from shared.store.report import read_held_out
from training.judging.gate import Reference

MOST_REFERENCES = 5  # newest accepted versions


def load_references(store: ModelStore, project: int, project_created: str, config: LabelConfig) -> list[Reference]:
    """Accepted versions of the same project, labels and channels, but for the one that a roll back turned down."""
    rolled_back = store.rolled_back(project)
    names = [each.name for each in store.versions(project) if each.accepted][:MOST_REFERENCES]
    found = []
    for name in names:
        model = store.load_version(project, name)
        if model is None or model.model_info.mismatch(project_created):
            continue
        known = read_card(model.data).label_config
        same = set(known.labels) == set(config.labels) and known.channels == config.channels
        if same and not (rolled_back and rolled_back.version == name):
            report = store.file(project, name, "report.json")
            found.append(Reference(name, read_held_out(report) if report else {}, model.data))
    return found


def read_card(data: bytes) -> ModelCard:
    """The card of a model file. Raises ModelError."""
    return decode_card(read_metadata(data)["card"])
