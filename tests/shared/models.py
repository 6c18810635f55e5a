"""Model files with a card and a seal, and no graph: all that a store looks at."""

import msgspec

from shared.graph_file import add_metadata, seal
from shared.model_card import Snapshot


def snapshot(state: int) -> Snapshot:
    """Snapshot of the annotations in their `state`-th state; later states are newer."""
    return Snapshot(
        taken_at=f"2026-11-23T{state // 60:02d}:{state % 60:02d}:00.000000+00:00",
        newest="",
        tasks=state,
        annotations=state,
        digest=f"{state:064x}",
        fingerprint="0" * 16,
    )


def version_name(number: int) -> str:
    """Name of the `number`-th version; later ones sort after earlier ones."""
    return f"20261123T{number // 3600:02d}{number // 60 % 60:02d}{number % 60:02d}Z-{number:06x}"


def model_file(number: int, *, project: int = 7, state: int | None = None, created: str = "") -> bytes:
    """Version `number` of a project, trained on annotations in `state` (default: `number`)."""
    card = {
        "version": version_name(number),
        "project": project,
        "project_created": created,
        "snapshot": snapshot(number if state is None else state),
    }
    return seal(add_metadata(b"", {"card": msgspec.json.encode(card).decode()}))
