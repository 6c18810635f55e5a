"""What is published of a training: the card of the model file, and the weights for people's own use in PyTorch."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from shared.labelling.snapshots import Snapshot
from shared.model_file.card import KnownRecordings, ModelCard
from shared.settings import Settings
from training.data.training_data import TrainingData
from training.fitting.export import packages
from training.fitting.network import Network
from training.fitting.network_file import decode_network, encode_network
from training.fitting.trainer import FittedModel
from training.judging.step_search import StepSearch
from training.publishing.report import calibrated_heads, make_metrics

CARD_SETTINGS = (
    "train_epochs",
    "sequence_size",
    "hidden_size",
    "balanced_accuracy_threshold",
    "min_class_f1_threshold",
    "use_class_weights",
    "unlabelled",
    "annotators",
    "machine_annotations",
    "overlaps",
    "seed",
)


def make_card(
    draft: ModelCard,
    project: int,
    data: TrainingData,
    search: StepSearch,
    model: FittedModel,
    settings: Settings,
    notes: Sequence[str],
    known: KnownRecordings | None = None,
) -> ModelCard:
    """The card of a new version of `project`. draft: the card of the trainer."""
    now = datetime.now(UTC)
    environment = settings.environment()
    return msgspec.structs.replace(
        draft,
        version=f"{now:%Y%m%dT%H%M%SZ}-{_digest(model, data.snapshot)}",
        created_at=now.isoformat(timespec="seconds"),
        project=project,
        project_created=data.project_created,
        heads=calibrated_heads(draft.heads, search),
        known=known,
        metrics=make_metrics(search, notes),
        snapshot=data.snapshot,
        folds=dict(search.plan.folds),
        settings={name.upper(): environment[name.upper()] for name in CARD_SETTINGS},
        packages=packages(),
        seed=settings.seed,
    )


def make_weights(model: FittedModel, card: ModelCard, others: Sequence[tuple[FittedModel, ModelCard]] = ()) -> bytes:
    """What torch.load(…, weights_only=True) gives back: state of the network, its arguments, the card as JSON.

    others: of further time series; the same of each under the key `others`.
    """
    rest = [
        {
            "states": [each.fit.network.state()],
            "arguments": each.fit.network.arguments,
            "card": msgspec.json.encode(its_card).decode(),
        }
        for each, its_card in others
    ]
    content: dict[str, object] = {"card": msgspec.json.encode(card).decode()}
    return encode_network(model.fit.network, content | ({"others": rest} if rest else {}))


def read_weights(data: bytes) -> Network:
    """The network of a stored `.pt` file, of this version or an older one, in evaluation mode."""
    return decode_network(data)[0]


def _digest(model: FittedModel, snapshot: Snapshot) -> str:
    """Six hex digits that distinguish two models of one second."""
    digest = hashlib.sha256(snapshot.digest.encode())
    for name, value in sorted(model.fit.network.state().items()):
        digest.update(name.encode() + value.numpy().tobytes())
    return digest.hexdigest()[:6]
