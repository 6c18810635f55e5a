"""Version, project and snapshot of a model file, read from its bytes alone: no session, no onnx."""

from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from shared.errors import ModelError
from shared.json_decoding import decode_json
from shared.labelling.snapshots import Snapshot
from shared.model_file.onnx_file import check_seal, checksum, read_metadata
from shared.store.keys import is_version

TAIL = 1 << 16  # bytes at the end of a model file: card and probe of 6 channels take 37 kB
CARD = b"\x0a\x04card\x12"  # key of the metadata entry, and the field of its value


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a model's card that the store needs."""

    version: str
    sha256: str
    tag: str  # of the object in the store
    project_created: str = ""
    snapshot: Snapshot | None = None
    labels: tuple[str, ...] = ()  # of its labelling configuration, in its order
    renames: tuple[tuple[str, str], ...] = ()  # offered while annotations had the old label, not confirmed then
    refused: str = ""  # why the file is not a valid model; the other fields are empty then

    def mismatch(self, created: str) -> str:
        """Why this model does not belong to the project created at `created`; "" if it does, or if that is unknown."""
        if not created or not self.project_created or created == self.project_created:
            return ""
        return (
            f"Model {self.version} belongs to a project of the same number created at {self.project_created}, "
            f"this one at {created}: another Label Studio database. It is not used; annotate, and train again."
        )


class StoredModel(NamedTuple):
    """A model file with its model info."""

    data: bytes
    model_info: ModelInfo


class _Labels(msgspec.Struct):
    """The part of a labelling configuration that renamed labels are found by."""

    labels: tuple[str, ...] = ()


class _Card(msgspec.Struct):
    """The part of a model card that the store reads."""

    version: str
    project: int
    snapshot: Snapshot
    project_created: str = ""
    label_config: _Labels = msgspec.field(default_factory=_Labels)
    renames: tuple[tuple[str, str], ...] = ()


def read_model_info(data: bytes, tag: str, project: int) -> ModelInfo:
    """Model info of a file. Raises ModelError if it is damaged or belongs to another project."""
    check_seal(data)
    return _info(read_metadata(data).get("card", ""), checksum(data), tag, project)


def read_tail(data: bytes, tag: str, project: int) -> ModelInfo | None:
    """The same from a file's last bytes, nothing verified; None where the card does not lie in them.

    Raises ModelError if they are no model's, or another project's.
    """
    start = data.rfind(CARD) + len(CARD)
    size = shift = 0
    while start >= len(CARD) and start < len(data):  # the length of the card, a varint of protobuf
        byte = data[start]
        start, size, shift = start + 1, size | (byte & 0x7F) << shift, shift + 7
        if byte < 0x80:
            return _info(data[start : start + size], checksum(data), tag, project)
    return None


def _info(card_json: bytes | str, sha256: str, tag: str, project: int) -> ModelInfo:
    try:
        card = decode_json(card_json, _Card)
    except msgspec.DecodeError as error:
        raise ModelError(f"The card of a model file cannot be read: {error}; train again.") from error
    if not is_version(card.version):
        raise ModelError(
            f"The version in a model card is {card.version[:50]!r}, expected the form 20261123T231501Z-9f3c2a; "
            "train again."
        )
    if card.project != project:
        raise ModelError(
            f"A model file belongs to project {card.project}, expected {project}; replace it by the right one."
        )
    try:
        moment(card.snapshot)
    except ValueError as error:
        raise ModelError(f"The time of the snapshot in a model card cannot be read: {error}; train again.") from error
    return ModelInfo(
        version=card.version,
        sha256=sha256,
        tag=tag,
        project_created=card.project_created,
        snapshot=card.snapshot,
        labels=card.label_config.labels,
        renames=card.renames,
    )


def moment(snapshot: Snapshot) -> datetime:
    """When a snapshot was taken, for comparing snapshots. Raises ValueError if it is not a time."""
    taken_at = datetime.fromisoformat(snapshot.taken_at)
    return taken_at if taken_at.tzinfo else taken_at.replace(tzinfo=UTC)
