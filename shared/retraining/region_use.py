"""What people made of the predictions that they annotated from: `runs/{id}/region-use.json`, an entry an annotation.

Label Studio deletes old predictions, and reading one takes a request: what was compared once is kept.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from shared.store import keys
from shared.store.report import RegionUse
from shared.store.storage import Storage, read_record

MOST = 10_000  # annotations of a project, the newest; about 200 bytes each
REMEDY = "Delete it: what people made of predictions is compared again then."


class Uses(NamedTuple):
    """Numbers of regions."""

    unchanged: int = 0
    moved: int = 0
    relabelled: int = 0
    deleted: int = 0
    added: int = 0


class AnnotationUse(msgspec.Struct, frozen=True, array_like=True):
    """What became of the regions of a prediction in one annotation.

    uses: by the label that was predicted, of added regions by theirs.
    """

    annotation: int
    updated_at: str
    person: str
    version: str
    uses: dict[str, Uses]


class RegionUses:
    """What was compared, of a store's projects."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def of(self, project: int) -> dict[int, AnnotationUse]:
        """By annotation. Raises RecordError if they cannot be read."""
        found = read_record(self._storage, keys.region_use(project), list[AnnotationUse], REMEDY) or []
        return {each.annotation: each for each in found}

    def replace(self, project: int, uses: Iterable[AnnotationUse]) -> None:
        """Keep these, and none else."""
        newest = sorted(uses, key=lambda each: (each.updated_at, each.annotation))[-MOST:]
        self._storage.put(keys.region_use(project), msgspec.json.encode(newest))


def summarise(uses: Iterable[AnnotationUse]) -> tuple[RegionUse, ...]:
    """Sums over all, and by version, label, person and month."""
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * len(Uses._fields))
    annotations: dict[tuple[str, str], set[int]] = defaultdict(set)
    for each in uses:
        for label, counts in each.uses.items():
            for group in (
                ("all", ""),
                ("version", each.version),
                ("label", label),
                ("person", each.person),
                ("month", each.updated_at[:7]),
            ):
                annotations[group].add(each.annotation)
                sums[group] = [one + other for one, other in zip(sums[group], counts, strict=True)]
    return tuple(
        RegionUse(by=by, name=name, annotations=len(annotations[by, name]), **Uses(*sums[by, name])._asdict())
        for by, name in sorted(sums)
    )
