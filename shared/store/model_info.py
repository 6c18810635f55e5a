"""What a model file says of itself, read from its bytes alone: no session, no onnx."""

from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from shared.errors import ModelError
from shared.labelling.snapshots import Snapshot
from shared.model_file.onnx_file import check_seal, checksum, read_metadata
from shared.store.keys import is_version


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a model file says of itself, read without making a session of it."""

    version: str
    sha256: str
    tag: str  # of the object in the store
    project_created: str = ""
    snapshot: Snapshot | None = None
    refused: str = ""  # why its bytes are no model of ours; version and the rest are empty then

    def mismatch(self, created: str) -> str:
        """Why this model is not one of the project created at `created`, "" if it is or if either side is unknown."""
        if not created or not self.project_created or created == self.project_created:
            return ""
        return (
            f"Model {self.version} belongs to a project of the same number that was created at {self.project_created}, "
            f"this one at {created}: another Label Studio database. It is not used; annotate and train anew."
        )


class StoredModel(NamedTuple):
    """A model file and what it says of itself."""

    data: bytes
    model_info: ModelInfo


class _Card(msgspec.Struct):
    """The part of a model card that the store goes by."""

    version: str
    project: int
    snapshot: Snapshot
    project_created: str = ""


def read_model_info(data: bytes, tag: str, project: int) -> ModelInfo:
    """What a model file says of itself. Raises ModelError if it is damaged or belongs to another project."""
    check_seal(data)
    try:
        card = msgspec.json.decode(read_metadata(data).get("card", ""), type=_Card)
    except msgspec.DecodeError as error:
        raise ModelError(f"A model file carries no model card that can be read ({error}); train again.") from error
    if not is_version(card.version):
        raise ModelError(f"A model card gives {card.version[:50]!r} for a version, which none has; train again.")
    if card.project != project:
        raise ModelError(f"A model file is of project {card.project}, expected was {project}; put the right one there.")
    try:
        moment(card.snapshot)
    except ValueError as error:
        raise ModelError(
            f"A model card gives no time of its snapshot that can be read ({error}); train again."
        ) from error
    return ModelInfo(
        version=card.version,
        sha256=checksum(data),
        tag=tag,
        project_created=card.project_created,
        snapshot=card.snapshot,
    )


def moment(snapshot: Snapshot) -> datetime:
    """When a snapshot was taken: what tells older from newer ones. Raises ValueError if it does not say."""
    taken_at = datetime.fromisoformat(snapshot.taken_at)
    return taken_at if taken_at.tzinfo else taken_at.replace(tzinfo=UTC)
