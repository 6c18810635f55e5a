"""Which projects to train now: a decision from waiting updates, the state of runs, and the clock.

Level-triggered, as a controller of Kubernetes: called every few seconds and after each update, it looks at the whole
state and remembers nothing. An event that is lost, doubled or late changes when a run starts, not whether.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from shared.retraining.runs import RunState
from shared.retraining.updates import RECONCILE, START_TRAINING, Update
from shared.settings import Settings

FIRST_WAIT = 30.0  # seconds after a first failure: Label Studio or the store restarting takes about as long
LONGEST_WAIT = 3600.0
NEW_UPDATES_WAIT = 60.0  # an annotator is at work: one attempt a minute
SHORT_SECONDS = 60.0  # a training that took no longer may start beside one that takes longer
FIRST_SECONDS = 30.0  # what a project's first training is expected to take: most are of a few recordings
WINDOW = 8  # projects that are compared by what their trainings cost: each costs a few reads
SET_BACK_SECONDS = 60.0  # an end less far in the future was recorded during this very pass, not by a wrong clock


class Launch(NamedTuple):
    """A run to start."""

    project: int
    number: int
    reason: str  # for people


def decide(
    waiting: Mapping[int, Sequence[Update]],
    state_of: Callable[[int], RunState | None],
    now: float,
    settings: Settings,
    *,
    running: Collection[int] = (),
) -> list[Launch]:
    """Runs to start now: projects whose train button was pressed first, then short ones that have waited for long.

    `waiting` comes from the store, `now` from its clock. `running` are the projects that this launcher trains already,
    whether or not their runs are recorded yet. `state_of` looks up the runs of a project. It is called only for
    projects with enough updates, WINDOW after WINDOW, until all free places are filled. A project with an abandoned run
    is not launched: back-off counts it only once its end is recorded. Nor is one whose records cannot be read (None).
    """
    places = max(0, settings.max_concurrent_runs - len(running))
    found: list[Launch] = []
    ahead = in_order(waiting, settings, running)
    while ahead and len(found) < places:
        window, ahead = ahead[:WINDOW], ahead[WINDOW:]
        due: dict[Launch, RunState] = {}
        for project in window:
            state = state_of(project)
            launch = None if state is None else due_launch(project, waiting[project], state, now, settings)
            if launch is not None and state is not None:
                due[launch] = state
        found += by_urgency(due, waiting, now)[: places - len(found)]
    return found


def by_urgency(due: Mapping[Launch, RunState], waiting: Mapping[int, Sequence[Update]], now: float) -> list[Launch]:
    """Runs in the order in which they are started: button, then (waited + cost) / cost, then who has waited longest.

    So what is short goes first, and nothing waits for ever: "highest response ratio next" (Brinch Hansen, 1971).
    """

    def key(launch: Launch) -> tuple[bool, float, float, int]:
        updates = waiting[launch.project]
        oldest = min(update.at for update in updates)
        cost = expected_seconds(due[launch])
        return not _pressed(updates), -(max(0.0, now - oldest) + cost) / cost, oldest, launch.project

    return sorted(due, key=key)


def expected_seconds(state: RunState) -> float:
    """What a project's training is expected to take: as long as the last one."""
    return max(1.0, state.last.took) if state.last and state.last.took else FIRST_SECONDS


def is_long(state: RunState, now: float) -> bool:
    """Whether the run in progress keeps others waiting: it takes more than SHORT_SECONDS, or is expected to."""
    begun = state.active.started_at if state.active and state.active.started_at else now
    return max(now - begun, expected_seconds(state)) > SHORT_SECONDS


def due_launch(
    project: int, updates: Sequence[Update], state: RunState, now: float, settings: Settings
) -> Launch | None:
    """The run of a project with enough updates, None if it is not to be started now."""
    if state.active is None and state.abandoned is None and is_due(updates, state, now, settings):
        return Launch(project, state.next_number, _reason(updates))
    return None


def in_order(waiting: Mapping[int, Sequence[Update]], settings: Settings, running: Collection[int]) -> list[int]:
    """Projects with enough updates that are not running: whose button was pressed first, then the oldest update."""
    enough = [
        (project, updates)
        for project, updates in waiting.items()
        if project not in running and _is_enough(updates, settings)
    ]
    enough.sort(key=lambda each: (not _pressed(each[1]), min(update.at for update in each[1]), each[0]))
    return [project for project, _ in enough]


def due_at(updates: Sequence[Update], state: RunState, settings: Settings) -> float | None:
    """When a project may be trained [seconds since the epoch]; 0: at once, None: too few updates wait."""
    if not _is_enough(updates, settings):
        return None
    last = state.last
    if last is None or last.failures == 0 or last.ended_at is None:
        return 0.0
    if any(update.action == START_TRAINING and update.job not in last.train_jobs for update in updates):
        return 0.0
    wait = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(last.failures - 1, 20))
    if len(updates) > last.waiting_updates:  # a failed run deletes no updates, so a higher count means new ones
        wait = min(wait, NEW_UPDATES_WAIT)
    return last.ended_at + wait


def is_due(updates: Sequence[Update], state: RunState, now: float, settings: Settings) -> bool:
    """Whether a project whose runs have this state may be trained now."""
    due = due_at(updates, state, settings)
    if due is None:
        return False
    ended_at = state.last.ended_at if state.last else None
    set_back = ended_at is not None and now < ended_at - SET_BACK_SECONDS
    return now >= due or set_back  # waiting for a time that a wrong clock had shown could take years


def _is_enough(updates: Sequence[Update], settings: Settings) -> bool:
    return bool(updates) and (_pressed(updates) or _count(updates) >= settings.start_training_each_n_updates)


def _pressed(updates: Sequence[Update]) -> bool:
    return any(update.action == START_TRAINING for update in updates)


def _count(updates: Sequence[Update]) -> int:
    """Changed annotations: those of events, or those found by reconciling, which counts the same ones again."""
    arrived = sum(update.weight for update in updates if update.action != RECONCILE)
    return max([arrived, *(update.weight for update in updates if update.action == RECONCILE)])


def _reason(updates: Sequence[Update]) -> str:
    if _pressed(updates):
        return "the train button was pressed"
    count = _count(updates)
    return f"{count} update{'' if count == 1 else 's'} waiting"
