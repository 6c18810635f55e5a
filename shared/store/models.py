"""Models of a store: the one that serves, kept versions, publishing, rolling back.

`model_project_{id}.onnx` serves; `versions/{id}/` keeps the last models with their weights (`.pt`) and reports,
including those that the gate rejected. `.rejected` holds the reason; a version that has ever served has none. A version
exists once its `.onnx`, written last, does.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from shared.errors import ConflictError, ModelError, RefusedError, StoreError
from shared.model_file.onnx_file import MAX_BYTES
from shared.store import keys
from shared.store.lease import Lease
from shared.store.model_info import TAIL, ModelInfo, StoredModel, moment, read_model_info, read_tail
from shared.store.projects import KnownProjects
from shared.store.publication import Commit, RolledBack, accept, put_model, read_rolled_back
from shared.store.storage import Stat, Storage

NO_FILE = "no file"  # tag where a link or a folder is in the place of a file
ATTEMPTS = 3  # a rollback during a publication makes it start again
UNFINISHED = "Its training ended before it could be published."
IMPORTED = "Imported from a file and not evaluated here; promote it to let it serve."
REPORTS = ("report.json", "report.html")


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A kept model."""

    name: str
    accepted: bool  # serves or has served; rejected candidates are kept for inspection or promotion
    current: bool
    files: tuple[str, ...]  # suffixes: onnx, pt, report.json, …


class Publication(NamedTuple):
    """Result of publishing."""

    published: bool
    reason: str  # why it was not, "" if it was


class ModelStore:
    """Models in a store. Written by a trainer that holds the lease, or by a person who rolls back."""

    def __init__(self, storage: Storage, *, keep_versions: int = 10) -> None:
        self._storage = storage
        self._keep_versions = keep_versions
        self._model_infos: dict[int, ModelInfo] = {}

    # Reading

    def current(self, project: int) -> StoredModel | None:
        """The model that serves a project. Raises ModelError if its bytes are damaged."""
        return self._read(keys.model(project), project)

    def model_info(self, project: int) -> ModelInfo | None:
        """Version and checksum of the model that serves. Reads the file only if its tag has changed."""
        try:
            status = self._storage.head(keys.model(project))
        except RefusedError as error:  # a link or a folder in its place
            return ModelInfo(version="", sha256="", tag=NO_FILE, refused=str(error))
        if status is None:
            self._model_infos.pop(project, None)
            return None
        known = self._model_infos.get(project)
        if known is not None and status.tag == known.tag:
            return known
        try:
            found = self._read(keys.model(project), project, status)
        except ModelError as error:
            model_info = ModelInfo(version="", sha256="", tag=status.tag, refused=str(error))
        else:
            if found is None:
                return None
            model_info = found.model_info
        self._model_infos[project] = model_info
        return model_info

    def glance(self, project: int) -> ModelInfo | None:
        """Model info from the file's last bytes, its checksum unverified: what serves is verified before it does.

        A file of 1 MB for each of 10,000 projects is more than a server should read to list them.
        """
        try:
            found = self._storage.get(keys.model(project), last=TAIL)
            info = None if found is None else read_tail(found.data, found.tag, project)
        except (ModelError, RefusedError):
            info = None
        return info or self.model_info(project)

    def projects(self) -> list[int]:
        """Projects with a model, from one listing."""
        return sorted(self.marks())

    def marks(self) -> dict[int, str]:
        """Projects with a model, each with a mark of its file, from one listing."""
        matches = ((keys.MODEL.fullmatch(key), mark) for key, mark in self._storage.marks("", deep=False).items())
        return {int(match[1]): mark for match, mark in matches if match}

    def versions(self, project: int) -> list[Version]:
        """Kept models, newest first, from one listing."""
        model_info = self.model_info(project)
        return [
            Version(
                name=name,
                accepted="rejected" not in files,
                current=model_info is not None and name == model_info.version,
                files=tuple(files),
            )
            for name, files in sorted(self._files(project).items(), reverse=True)
            if "onnx" in files
        ]

    def load_version(self, project: int, version: str) -> StoredModel | None:
        """A kept model. Raises ModelError if its bytes are damaged, RefusedError on an invalid version name."""
        return self._read(keys.version(project, version, "onnx"), project)

    def file(self, project: int, version: str, suffix: str) -> bytes | None:
        """Bytes of a file kept with a version: pt, report.json, report.html or rejected (the reason)."""
        if suffix not in ("pt", "rejected", *REPORTS):
            raise RefusedError(f"A version has no file {suffix[:50]!r}; expected pt, rejected or {', '.join(REPORTS)}.")
        found = self._storage.get(keys.version(project, version, suffix))
        return None if found is None else found.data

    def size(self, project: int, version: str) -> int:
        """Bytes of a version's model file, 0 if it is gone."""
        status = self._storage.head(keys.version(project, version, "onnx"))
        return 0 if status is None else status.size

    def rolled_back(self, project: int) -> RolledBack | None:
        """The newest snapshot rejected by a rollback: only newer annotations or the train button train again."""
        return read_rolled_back(self._storage, project)

    # Publishing: by the trainer that holds the lease

    def publish(
        self,
        lease: Lease,
        data: bytes,
        weights: bytes | None = None,
        *,
        reports: Mapping[str, bytes] | None = None,
        again: bool = False,
    ) -> Publication:
        """Keep a version and let it serve, unless a newer model serves or a rollback rejected its annotations.

        `again`: a person asked for this run (START_TRAINING), so a snapshot rejected by a rollback may serve. A
        refused candidate is kept as a rejected version. Raises ModelError if `data` is no model of this
        project, LeaseHeldError if somebody else holds the lease, StoreError.
        """
        project = lease.project
        candidate = read_model_info(data, "", project)
        kept = False
        for _ in range(ATTEMPTS):
            current = self.model_info(project)
            reason = self._reason_against(project, candidate, current, again=again)
            if reason:
                self._store_version(project, candidate.version, data, weights, reports, rejected=reason)
                lease.settle()
                return Publication(published=False, reason=reason)
            if not kept:
                self._store_version(project, candidate.version, data, weights, reports, rejected=UNFINISHED)
                kept = True
            lease.commit(Commit(version=candidate.version, replaces=current.tag if current else ""))
            try:
                put_model(self._storage, project, data, current.tag if current else "")
            except ConflictError:
                continue
            accept(self._storage, project, candidate.version)
            lease.settle()
            self._prune(project, candidate.version)
            return Publication(published=True, reason="")
        raise StoreError(f"The model of project {project} kept changing while {candidate.version} was published.")

    def reject(
        self,
        lease: Lease,
        data: bytes,
        weights: bytes | None = None,
        *,
        reason: str,
        reports: Mapping[str, bytes] | None = None,
    ) -> None:
        """Keep a candidate that the gate rejected, for inspection or promotion."""
        candidate = read_model_info(data, "", lease.project)
        lease.renew()
        self._store_version(lease.project, candidate.version, data, weights, reports, rejected=reason)
        self._prune(lease.project, candidate.version)

    # Rolling back: by a person, at any time

    def roll_back(self, project: int, version: str | None = None) -> str:
        """Let a kept version serve again and return its name. Default: the last accepted one before the current.

        The snapshot of the replaced model is stored as rejected by a rollback. Any kept version can be named,
        including a rejected one (promotion). Raises RefusedError if there is no such version, ModelError if its bytes
        are damaged.
        """
        for _ in range(ATTEMPTS):
            current = self.model_info(project)
            target = self._named(project, version) if version else self._before(project, current)
            self._record_rollback(project, current, target.model_info)
            try:
                put_model(self._storage, project, target.data, current.tag if current else "")
            except ConflictError:
                continue
            accept(self._storage, project, target.model_info.version)
            return target.model_info.version
        raise StoreError(f"The model of project {project} kept changing; look at its versions and try again.")

    def import_version(self, project: int, data: bytes) -> str:
        """Keep a model read from a file and return its version; `roll_back` to it lets it serve.

        Raises ModelError if it is not a model of this project, RefusedError if another model has its name.
        """
        model_info = read_model_info(data, "", project)
        kept = self._storage.get(keys.version(project, model_info.version, "onnx"))
        if kept is None:
            self._store_version(project, model_info.version, data, None, None, rejected=IMPORTED)
        elif kept.data != data:
            raise RefusedError(
                f"Project {project} already keeps another model named {model_info.version}; delete that first."
            )
        return model_info.version

    def delete(self, project: int) -> int:
        """Delete everything stored for a project and return the number of objects. A run in progress stops."""
        doomed = [keys.model(project), keys.weights(project), keys.known(project)]
        for folder in (keys.runs(project), keys.updates(project), keys.versions(project), keys.fits(project)):
            doomed += self._storage.keys(folder)
        present = [key for key in doomed if self._storage.head(key) is not None]
        self._storage.delete(doomed)
        self._model_infos.pop(project, None)
        return len(present)

    def _read(self, key: str, project: int, status: Stat | None = None) -> StoredModel | None:
        """A model file of at most MAX_BYTES. Raises ModelError if it is larger, or not a model of this project."""
        try:
            status = status or self._storage.head(key)
            if status is not None and status.size > MAX_BYTES:
                raise ModelError(
                    f"{self._storage.address}/{key} has {status.size} bytes, at most {MAX_BYTES} are read: it is not "
                    "a model; restore it, roll back or train again."
                )
            found = self._storage.get(key)
        except RefusedError as error:  # a link or a folder in its place
            raise ModelError(str(error)) from error
        return None if found is None else StoredModel(found.data, read_model_info(found.data, found.tag, project))

    def _reason_against(self, project: int, candidate: ModelInfo, current: ModelInfo | None, *, again: bool) -> str:
        ours = candidate.snapshot
        if ours is None:
            raise ModelError(f"Model {candidate.version} names no snapshot; train again.")
        rolled_back = self.rolled_back(project)
        now = datetime.fromtimestamp(self._storage.now(), UTC)  # later times were written by a wrong clock
        if rolled_back is not None and not again:
            if rolled_back.snapshot.digest == ours.digest:
                return (
                    f"a model of the same annotations, {rolled_back.version}, was rejected by a rollback; annotate "
                    "more, or press the train button"
                )
            if moment(ours) < moment(rolled_back.snapshot) <= now:
                return (
                    f"a model of newer annotations, {rolled_back.version}, was rejected by a rollback in the meantime"
                )
        if current is None or current.snapshot is None or candidate.mismatch(current.project_created):
            return ""
        if moment(ours) < moment(current.snapshot) <= now:
            return f"{current.version} already serves and was trained on newer annotations"
        return ""

    def _store_version(
        self,
        project: int,
        version: str,
        data: bytes,
        weights: bytes | None,
        reports: Mapping[str, bytes] | None,
        *,
        rejected: str,
    ) -> None:
        files = {suffix: content for suffix, content in (reports or {}).items() if suffix in REPORTS}
        files["rejected"] = rejected.encode()
        if weights is not None:
            files["pt"] = weights
        for suffix, content in files.items():
            self._storage.put(keys.version(project, version, suffix), content)
        self._storage.put(keys.version(project, version, "onnx"), data)

    def _named(self, project: int, version: str) -> StoredModel:
        """A kept version. Raises RefusedError if there is none, or if it is of a project of an earlier database."""
        found = self.load_version(project, version)
        if found is None:
            raise RefusedError(
                f"Project {project} keeps no version {version}; kept are: {self._kept(project) or 'none'}."
            )
        known = KnownProjects(self._storage).get(project)
        mismatch = found.model_info.mismatch(known.created) if known else ""
        if mismatch:  # the server would refuse it, and answer untrained
            raise RefusedError(mismatch)
        return found

    def _before(self, project: int, current: ModelInfo | None) -> StoredModel:
        for each in self.versions(project):
            if (
                each.accepted
                and not each.current
                and (not current or not current.version or each.name < current.version)
            ):
                found = self.load_version(project, each.name)
                if found is not None and not (current and found.model_info.mismatch(current.project_created)):
                    return found
        raise RefusedError(
            f"Project {project} has no accepted version older than {current.version if current else 'now'}; "
            f"kept are: {self._kept(project) or 'none'}."
        )

    def _kept(self, project: int) -> str:
        return ", ".join(each.name for each in self.versions(project))

    def _record_rollback(self, project: int, current: ModelInfo | None, target: ModelInfo) -> None:
        known = self.rolled_back(project)
        served = None if current is None else current.snapshot
        newest = known
        if current is not None and served is not None and (known is None or moment(served) > moment(known.snapshot)):
            newest = RolledBack(version=current.version, snapshot=served, at=self._storage.now())
        if newest is None:
            return
        if target.snapshot is not None and moment(target.snapshot) >= moment(newest.snapshot):
            self._storage.delete([keys.rolled_back(project)])  # forward again: nothing is rejected any more
        elif newest is not known:
            self._storage.put(keys.rolled_back(project), msgspec.json.encode(newest))

    def _prune(self, project: int, newest: str) -> None:
        """Delete versions beyond KEEP_VERSIONS, accepted and rejected counted separately, and incomplete ones."""
        files = self._files(project)
        model_info = self.model_info(project)
        spared = {newest, model_info.version if model_info else newest}
        kept = {True: 0, False: 0}
        for name in sorted(files, reverse=True):
            accepted = "rejected" not in files[name]
            whole = "onnx" in files[name]
            kept[accepted] += whole
            if name not in spared and (not whole or kept[accepted] > self._keep_versions):
                # The model first: without one, the other files do not count as a version.
                self._storage.delete([keys.version(project, name, "onnx")])
                self._storage.delete([keys.version(project, name, suffix) for suffix in files[name]])

    def _files(self, project: int) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        folder = keys.versions(project)
        for key in self._storage.keys(folder):
            name, _, suffix = key.removeprefix(f"{folder}/").partition(".")
            if keys.is_version(name):
                found.setdefault(name, []).append(suffix)
        return found
