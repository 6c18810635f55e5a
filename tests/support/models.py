"""Model files with a card and a seal, and no graph: all that a store looks at."""

from datetime import UTC, datetime, timedelta

import msgspec

from shared.labelling.snapshots import RULES, Snapshot
from shared.model_file.onnx_file import add_metadata, seal


def snapshot(state: int) -> Snapshot:
    """Snapshot of the annotations in their `state`-th state; later states are newer."""
    taken_at = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=state)
    return Snapshot(
        taken_at=taken_at.isoformat(timespec="microseconds"),
        newest="",
        tasks=state,
        annotations=state,
        digest=f"{state:064x}",
        fingerprint="0" * 16,
        rules=RULES,
    )


def version_name(number: int) -> str:
    """Name of the `number`-th version; later ones sort after earlier ones."""
    made = datetime(2026, 11, 23, tzinfo=UTC) + timedelta(seconds=number)
    return f"{made:%Y%m%dT%H%M%SZ}-{number:06x}"


def model_file(
    number: int, *, project: int = 7, state: int | None = None, created: str = "", taken: Snapshot | None = None
) -> bytes:
    """Version `number` of a project, trained on annotations in `state` (default: `number`) or on snapshot `taken`."""
    card = {
        "version": version_name(number),
        "project": project,
        "project_created": created,
        "snapshot": taken or snapshot(number if state is None else state),
    }
    return seal(add_metadata(b"", {"card": msgspec.json.encode(card).decode()}))
