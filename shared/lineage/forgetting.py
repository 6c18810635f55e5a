"""Forget a task: what a store holds of one recording goes, and what has learned from it is named.

A model cannot unlearn. Reports, logs, records and the networks kept for later runs lose the task at once; kept versions
that learned from it are listed, and deleted on demand. In those that stay, the card names the task.
"""

from collections.abc import Iterable

import msgspec

from shared.errors import ConflictError, ModelError, RefusedError, StoreError
from shared.labelling.label_config import LabelConfig
from shared.lineage.fits import KeptFits
from shared.lineage.mentions import Mentions
from shared.model_file.several import read_cards
from shared.reporting import render_report
from shared.retraining.runs import Runs
from shared.store import keys
from shared.store.models import ModelStore, Version
from shared.store.report import ReportFile, read_report
from shared.store.storage import Storage

ATTEMPTS = 5  # to change an object that others change at the same time


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a task. Versions: newest first."""

    task: str
    learned: tuple[str, ...]  # kept versions that learned from it
    unclear: tuple[str, ...]  # kept versions that do not say what they learned from
    deleted: tuple[str, ...]  # of both
    serves: str  # of both: the version that serves, or served until now; "" if it is none of them
    networks: int  # that were kept for later runs
    changed: int  # reports, records and logs

    @property
    def sentence(self) -> str:
        """For people."""
        if not (self.changed or self.networks or self.learned or self.unclear):
            return f"Nothing in the store names task {self.task}."
        found = (
            f"Task {self.task} is forgotten. Reports, records and logs changed: {self.changed}; networks kept for "
            f"later trainings and deleted: {self.networks}."
        )
        if self.learned or self.unclear:
            found += f" Kept versions that learned from it: {', '.join(self.learned) or 'none'}"
            found += f"; that do not say what they learned from: {', '.join(self.unclear)}" if self.unclear else ""
            found += ". They are deleted." if self.deleted else ". Delete them with --versions."
        return found


def forget_task(storage: Storage, project: int, task: str, *, versions: bool = False) -> Forgotten:
    """Forget a task of a project. versions: also delete kept versions that learned from it, or may have.

    Raises RefusedError while a training runs, which may have read it.
    """
    if Runs(storage).state(project).active is not None:
        raise RefusedError(
            f"A training of project {project} runs, and may have read task {task}: wait for its end or stop it, then "
            "forget the task."
        )
    return _Forgetting(storage, project, task).execute(versions=versions)


class _Forgetting:
    def __init__(self, storage: Storage, project: int, task: str) -> None:
        self._storage = storage
        self._project = project
        self._task = task
        self._store = ModelStore(storage)
        self._mentions = Mentions(task)
        self._changed = 0

    def execute(self, *, versions: bool) -> Forgotten:
        kept = self._store.versions(self._project)
        reports = {each.name: self._report(each.name) for each in kept}
        known = {name: self._learned(report) for name, report in reports.items()}
        self._mentions = Mentions(self._task, self._names(report for report in reports.values() if report))
        info = self._store.model_info(self._project)
        serving = info.version if info else ""
        if serving:
            known.setdefault(serving, None)
        concerned = [name for name, learned in known.items() if learned is not False]
        for each in kept:
            if versions and each.name in concerned:
                self._delete(each)
            else:
                self._clean(each, reports[each.name])
        if versions and serving in concerned:
            self._storage.delete([keys.model(self._project), keys.weights(self._project)])
        self._clean_records()
        return Forgotten(
            task=self._task,
            learned=tuple(name for name in concerned if known[name]),
            unclear=tuple(name for name in concerned if not known[name]),
            deleted=tuple(concerned if versions else ()),
            serves=serving if serving in concerned else "",
            networks=KeptFits(self._storage, self._project).forget(self._task),
            changed=self._changed,
        )

    def _report(self, version: str) -> ReportFile | None:
        data = self._store.file(self._project, version, "report.json")
        try:
            return None if data is None else read_report(data, version)
        except ModelError:
            return None

    def _learned(self, report: ReportFile | None) -> bool | None:
        """Whether a version learned from the task; None where that is not known."""
        if report is None:
            return None
        learned = [self._learned_series(each) for each in report.parts]
        return True if True in learned else None if None in learned else False

    def _learned_series(self, report: ReportFile) -> bool | None:
        if report.learned_from is not None:
            return self._task in report.learned_from
        if any(each.task == self._task for each in report.held_out):
            return True
        return False if len(report.held_out) >= report.metrics.recordings else None

    def _names(self, reports: Iterable[ReportFile]) -> set[str]:
        """What the task's recording and its group are called; not the name of a group that has others in it."""
        found: set[str] = set()
        for report in (part for each in reports for part in each.parts):
            others = {each.group for each in report.held_out if each.task != self._task}
            for each in report.held_out:
                if each.task == self._task:
                    found.add(each.name.partition(" (")[2].removesuffix(")"))
                    found |= {each.group} - others
        return found - {""}

    def _clean(self, version: Version, report: ReportFile | None) -> None:
        """Take the task out of a version's reports. One that cannot be read or drawn again is deleted."""
        if report is None:
            self._storage.delete([self._key(version.name, each) for each in ("report.json", "report.html")])
            return
        parts = [self._without_task(each) for each in report.parts]
        if all(map(_says_the_same, parts, report.parts)):
            return
        clean = msgspec.structs.replace(parts[0], others=tuple(parts[1:]))
        config = self._config(version.name)
        if config is None:
            self._storage.delete([self._key(version.name, "report.html")])
        else:
            self._storage.put(self._key(version.name, "report.html"), render_report(clean, config))
        self._storage.put(self._key(version.name, "report.json"), msgspec.json.encode(clean))  # last: done
        self._changed += 1

    def _without_task(self, report: ReportFile) -> ReportFile:
        """The part of a report about one series."""
        held_out = tuple(each for each in report.held_out if each.task != self._task)
        errors = tuple(each for each in report.label_errors if each.task != self._task)
        notes = tuple(each for each in report.metrics.notes if not self._mentions.within(each))
        learned_from = report.learned_from
        if learned_from is None and len(report.held_out) >= report.metrics.recordings:
            learned_from = tuple(each.task for each in report.held_out)
        return msgspec.structs.replace(
            report,
            held_out=held_out,
            label_errors=errors,
            learned_from=learned_from,
            metrics=msgspec.structs.replace(report.metrics, notes=notes),
        )

    def _config(self, version: str) -> LabelConfig | None:
        try:
            model = self._store.load_version(self._project, version)
            if model is None:
                return None
            first, *others = (card.label_config for card in read_cards(model.data))
            return msgspec.structs.replace(first, others=tuple(others))
        except ModelError:
            return None

    def _delete(self, version: Version) -> None:
        # The model first: without one, the other files do not count as a version.
        self._storage.delete([self._key(version.name, "onnx")])
        self._storage.delete([self._key(version.name, suffix) for suffix in version.files])

    def _clean_records(self) -> None:
        for key in self._storage.keys(keys.runs(self._project)):
            if key.endswith((".json", ".txt")):
                self._clean_record(key)

    def _clean_record(self, key: str) -> None:
        for _ in range(ATTEMPTS):
            found = self._storage.get(key)
            clean = None if found is None else self._cleaned(key, found.data)
            if found is None or clean is None:
                return
            try:
                self._storage.put(key, clean, if_match=found.tag)
            except ConflictError:
                continue
            self._changed += 1
            return
        raise StoreError(f"{key} kept changing; forget task {self._task} again.")

    def _cleaned(self, key: str, data: bytes) -> bytes | None:
        """A record without the task, None if it does not name it."""
        if key.endswith(".txt"):
            text = data.decode(errors="replace")
            clean = self._mentions.without_lines(text)
            return clean.encode() if clean != text else None
        try:
            value = msgspec.json.decode(data)
        except msgspec.DecodeError:  # damaged: its own readers say so
            return None
        without = self._mentions.without(value)
        if key == keys.operators(self._project) and isinstance(value, list) and len(without) == len(value):
            pairs = zip(value, without, strict=True)  # who asked for forgetting it stays
            without = [own if own == {**own, "action": "forget"} else clean for own, clean in pairs]
        return msgspec.json.encode(without) if without != value else None

    def _key(self, version: str, suffix: str) -> str:
        return keys.version(self._project, version, suffix)


def _says_the_same(one: ReportFile, other: ReportFile) -> bool:
    return (one.held_out, one.label_errors, one.metrics.notes) == (
        other.held_out,
        other.label_errors,
        other.metrics.notes,
    )
