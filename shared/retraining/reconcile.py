"""Reconciling: compare Label Studio's annotations with those of the last finished run, and write an update where they
differ. An event that was lost is thus only late. Reconciling never trains.

An unchanged project costs two small requests. All annotations are listed if counts or times differ, and until they have
been listed once some time after the snapshot: an annotation that was being saved while the snapshot was taken has an
older time than the newest annotation in it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from shared.errors import LabelConfigError, LabelStudioError, RecordError, RefusedError
from shared.label_studio.client import LabelStudio
from shared.label_studio.messages import AnnotationTotals, Project
from shared.labelling.label_config import parse_label_config
from shared.labelling.renames import with_aliases
from shared.labelling.snapshots import Snapshot, same_annotations, take_snapshot
from shared.retraining.runs import RunRecord, RunState
from shared.retraining.updates import RECONCILE, Updates
from shared.supervision import beat

SETTLE_SECONDS = 60.0  # a save takes Label Studio about a second
TRUST_SECONDS = 3600.0  # a snapshot this old has been listed by a dozen passes of some process

State = Literal["unchanged", "changed", "waiting", "training", "empty", "gone", "unservable", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of a comparison."""

    project: int
    state: State  # "changed": an update was written; "unknown": Label Studio did not answer
    sentence: str  # for people


class Reconciler:
    """Compares projects with their last finished runs. Remembers which snapshots were compared in full."""

    def __init__(
        self,
        label_studio: LabelStudio,
        updates: Updates,
        state_of: Callable[[int], RunState],
        last_snapshot: Callable[[RunRecord | None], Snapshot | None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        aliases: Callable[[int], Mapping[str, str]] = lambda _: {},
        remembered: Callable[[int], RunState | None] = lambda _: None,
    ) -> None:
        """`last_snapshot`: to compare with, after the run that ended last. `remembered`: a state that may be a minute
        old; where it shows a difference, `state_of` is asked.
        """
        self._label_studio = label_studio
        self._updates = updates
        self._state_of = state_of
        self._last_snapshot = last_snapshot
        self.remembered = remembered
        self._aliases = aliases
        self._now = now
        self._listed: dict[int, Snapshot] = {}

    @property
    def has_token(self) -> bool:
        """Whether Label Studio can be asked about projects."""
        return self._label_studio.has_token

    def look_up(self, project: int) -> Project | None:
        """A project as Label Studio has it, None if it has none of this id. Raises LabelStudioError."""
        return self._label_studio.project(project)

    def compare_all(self, projects: Iterable[int]) -> list[Finding]:
        """Compare each of `projects`. Raises LabelStudioError if Label Studio is unreachable, StoreError."""
        projects = list(projects)
        if projects:
            self._label_studio.whoami()
        return [self.compare(project) for project in projects]

    def compare(self, project: int) -> Finding:
        """Compare one project and write an update if its annotations are not those of the last finished run.

        Raises StoreError.
        """
        beat()
        try:
            remembered = self.remembered(project)
            if remembered is not None and remembered.active is None and remembered.abandoned is None:
                finding = self._compare(project, remembered, may_write=False)
                if finding is not None:
                    return finding
            state = self._state_of(project)
            if state.active is not None:
                return Finding(project, "training", "A run is in progress; annotations it misses are found after it.")
            finding = self._compare(project, state, may_write=True)
            assert finding is not None  # noqa: S101  None where it may not write
            return finding
        except (LabelStudioError, RecordError, RefusedError) as error:
            return Finding(project, "unknown", str(error))

    def _compare(self, project: int, state: RunState, *, may_write: bool) -> Finding | None:
        """Compare with the last finished run of this state; None if an update is due that may not be written."""
        last = self._last_snapshot(state.last)
        found = self._label_studio.project(project)
        if found is None:
            return Finding(
                project, "gone", "Label Studio no longer has this project, or the token's user may not see it."
            )
        try:
            config = parse_label_config(found.label_config)
            if last is None or last.fingerprint != config.fingerprint:  # the record of renamed labels is rarely needed
                config = with_aliases(config, self._aliases(project))
        except LabelConfigError as error:
            return Finding(project, "unservable", str(error))
        fingerprint = config.fingerprint
        totals = self._label_studio.annotation_totals(project)
        if not totals.annotations:
            return Finding(project, "empty", "It has no annotations to learn from.")
        known = last is not None and last.fingerprint == fingerprint and self._is_settled(project, last)
        if last and known and _is_same(totals, last):
            return Finding(project, "unchanged", "Its annotations are those of the last finished run.")
        if not may_write:
            return None
        current = take_snapshot(self._label_studio.annotation_states(project), fingerprint, self._now())
        if last and same_annotations(current, last):
            if self._seconds_since(last) >= SETTLE_SECONDS:
                self._listed[project] = last
            return Finding(project, "unchanged", "Its annotations are those of the last finished run, one by one.")
        return self._report(project, current, last)

    def _is_settled(self, project: int, last: Snapshot) -> bool:
        return self._listed.get(project) == last or self._seconds_since(last) >= TRUST_SECONDS

    def _seconds_since(self, snapshot: Snapshot) -> float:
        return (self._now() - datetime.fromisoformat(snapshot.taken_at)).total_seconds()

    def _report(self, project: int, current: Snapshot, last: Snapshot | None) -> Finding:
        """Write an update for the changed annotations that no waiting update covers."""
        missed = max(1, abs(current.annotations - (last.annotations if last else 0)))
        missed -= sum(update.weight for update in self._updates.of(project))
        if missed <= 0:
            return Finding(project, "waiting", "Its annotations changed; updates for them are waiting already.")
        job = f"{project}-{current.digest[:16]}-{current.fingerprint}"
        self._updates.add(project, RECONCILE, self._now().timestamp(), job=job, weight=missed)
        before = f"{last.annotations} annotations when the last run finished" if last else "no finished run"
        return Finding(project, "changed", f"{current.annotations} annotations now, {before}: an update was written.")


def _is_same(totals: AnnotationTotals, last: Snapshot) -> bool:
    counts = (totals.tasks, totals.annotations) == (last.tasks, last.annotations)
    return counts and totals.newest == last.newest and totals.since <= last.newest
