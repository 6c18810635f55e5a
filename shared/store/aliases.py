"""Renamed labels of a project, confirmed by an operator: `runs/{id}/aliases.json`."""

from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec
from msgspec.structs import replace

from shared.errors import LabelConfigError, RefusedError
from shared.labelling.label_config import LabelConfig, parse_label_config
from shared.labelling.renames import with_aliases
from shared.store import keys
from shared.store.projects import KnownProjects
from shared.store.storage import Storage, change_record, read_record

REMEDY = "Delete it and confirm the renamed labels again (`tss labels alias`)."


class LabelAlias(msgspec.Struct, frozen=True, kw_only=True):
    """A label that annotations and earlier models have, and the one that it is read as."""

    old: str
    new: str
    by: str  # for people
    at: float  # seconds since the epoch, the store's clock


class LabelAliases:
    """Confirmed renames of a store's projects. No chains: an old label is never the new one of another."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def confirmed(self, project: int) -> list[LabelAlias]:
        """All of a project, in the order of their confirmation. Raises RecordError if they cannot be read."""
        return read_record(self._storage, keys.aliases(project), list[LabelAlias], REMEDY) or []

    def of(self, project: int) -> dict[str, str]:
        """Old label ► new label."""
        return {each.old: each.new for each in self.confirmed(project)}

    def add(self, project: int, old: str, new: str, *, by: str, labels: Sequence[str] = ()) -> None:
        """Confirm a rename; `labels` are those of the configuration, where it is known.

        A confirmation whose old label is a label again has no effect any more and goes; one whose new label is
        renamed now, or renamed back, follows. Raises RefusedError for a rename that makes a chain or a circle, or that
        the configuration speaks against.
        """
        if labels and new not in labels:
            raise RefusedError(f"The configuration has no label {new!r}; it has {', '.join(map(repr, labels))}.")
        if old in labels:
            raise RefusedError(f"{old!r} is a label of the configuration: it cannot be read as {new!r}.")
        if not old or not new or old == new:
            raise RefusedError(f"A label is renamed to another one, not {old!r} to {new!r}.")

        def change(known: list[LabelAlias]) -> list[LabelAlias]:
            valid = [each for each in known if each.old not in labels]
            if labels:  # `old` is no label, so what was read as it is now read as `new`
                valid = [replace(each, new=new) if each.new == old else each for each in valid]
            for each in valid:
                if each.old == new:
                    raise RefusedError(f"{new!r} is read as {each.new!r}: use that, or remove it first. No chains.")
                if each.new == old:
                    raise RefusedError(f"{each.old!r} is read as {old!r}: remove that first. No chains.")
            added = LabelAlias(old=old, new=new, by=by, at=self._storage.now())
            return [*(each for each in valid if each.old != old), added]

        self._change(project, change)

    def remove(self, project: int, old: str) -> None:
        """Undo a confirmation. Raises RefusedError if there is none."""

        def change(known: list[LabelAlias]) -> list[LabelAlias]:
            rest = [each for each in known if each.old != old]
            if len(rest) == len(known):
                raise RefusedError(f"Project {project} reads no label {old!r} as another one.")
            return rest

        self._change(project, change)

    def _change(self, project: int, change: Callable[[list[LabelAlias]], list[LabelAlias]]) -> None:
        change_record(self._storage, keys.aliases(project), list[LabelAlias], lambda known: change(known or []), REMEDY)


def answering_config(storage: Storage, project: int, trained: LabelConfig) -> LabelConfig:
    """The configuration under which the server answers: the project's as last seen, else that of the model; renamed
    labels that were confirmed are read as the new ones.
    """
    known = KnownProjects(storage).get(project)
    with suppress(LabelConfigError):
        trained = parse_label_config(known.label_config) if known and known.label_config else trained
    return with_aliases(trained, LabelAliases(storage).of(project))
