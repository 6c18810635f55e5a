"""The decision alone, case by case. The whole loop: tests/shared/retraining/test_loop.py."""

import msgspec
import pytest

from shared.retraining.runs import RunRecord, RunState
from shared.retraining.scheduler import (
    FIRST_SECONDS,
    LONGEST_WAIT,
    SHORT_SECONDS,
    decide,
    due_at,
    expected_seconds,
    is_long,
)
from shared.retraining.updates import RECONCILE, START_TRAINING, Update
from shared.settings import Settings

NOW = 1_000_000.0


def update(
    project: int = 7, action: str = "ANNOTATION_CREATED", at: float = 1.0, weight: int = 1, job: str = "j"
) -> Update:
    return Update(at=at, key=f"updates/{project}/{at}", project=project, action=action, weight=weight, job=job)


def idle(last: RunRecord | None = None) -> RunState:
    return RunState(active=None, last=last, next_number=1 + (last.number if last else 0))


def failed(
    failures: int = 1, *, ago: float = 0.0, waiting_updates: int = 1, train_jobs: tuple[str, ...] = ()
) -> RunState:
    record = RunRecord(
        project=7,
        number=failures,
        outcome="failed",
        ended_at=NOW - ago,
        failures=failures,
        waiting_updates=waiting_updates,
        train_jobs=train_jobs,
    )
    return idle(record)


def launched(
    updates: list[Update], state: RunState, *, each: int = 1, running: tuple[int, ...] = (), now: float = NOW
) -> list[tuple[int, int]]:
    settings = Settings(start_training_each_n_updates=each)
    found = decide({7: updates} if updates else {}, {7: state}.__getitem__, now, settings, running=running)
    return [(launch.project, launch.number) for launch in found]


def test_one_update_starts_a_run_under_the_next_number() -> None:
    assert launched([update()], idle()) == [(7, 1)]
    assert launched([update()], idle(RunRecord(project=7, number=4, outcome="published"))) == [(7, 5)]


def test_nothing_waits_nothing_runs() -> None:
    assert launched([], idle()) == []


def test_a_project_that_is_being_trained_waits() -> None:
    active = RunState(active=RunRecord(project=7, number=1), last=None, next_number=1)
    assert launched([update(), update(action=START_TRAINING)], active) == []
    assert launched([update()], idle(), running=(7,)) == []


def test_updates_below_the_threshold_wait_and_a_button_does_not() -> None:
    assert launched([update(at=1), update(at=2)], idle(), each=3) == []
    assert launched([update(at=1), update(at=2), update(at=3)], idle(), each=3) == [(7, 1)]
    assert launched([update(weight=3)], idle(), each=3) == [(7, 1)]
    assert launched([update(action=START_TRAINING)], idle(), each=3) == [(7, 1)]


def test_what_reconciling_found_is_not_counted_twice() -> None:
    found = update(action=RECONCILE, weight=2)
    assert launched([update(), update(), found], idle(), each=3) == []
    assert launched([update(action=RECONCILE, weight=3), update()], idle(), each=3) == [(7, 1)]


@pytest.mark.parametrize(("failures", "wait"), [(1, 30), (2, 60), (3, 120), (4, 240), (30, LONGEST_WAIT)])
def test_failures_back_off_exponentially(failures: int, wait: float) -> None:
    assert launched([update()], failed(failures, ago=wait - 1)) == []
    assert launched([update()], failed(failures, ago=wait)) == [(7, failures + 1)]


def test_new_updates_allow_one_try_a_minute() -> None:
    assert launched([update(), update()], failed(10, ago=59)) == []
    assert launched([update(), update()], failed(10, ago=60)) == [(7, 11)]
    assert launched([update(), update()], failed(1, ago=30)) == [(7, 2)]


def test_a_button_resets_the_back_off_once() -> None:
    pressed = update(action=START_TRAINING, job="7-new")
    assert launched([pressed], failed(10)) == [(7, 11)]
    assert launched([pressed], failed(10, train_jobs=("7-new",))) == []


def test_a_wrong_clock_that_was_put_right_delays_nobody() -> None:
    assert launched([update()], failed(1, ago=-1e9)) == [(7, 2)]


def test_a_permanent_failure_does_not_delay_new_annotations() -> None:
    last = RunRecord(project=7, number=3, outcome="failed", exit_code=2, ended_at=NOW, failures=0)
    assert launched([update()], idle(last)) == [(7, 4)]


def test_the_button_goes_first_then_who_waits_longest_up_to_the_limit() -> None:
    waiting = {
        1: [update(1, at=30)],
        2: [update(2, at=10)],
        3: [update(3, START_TRAINING, at=40)],
        4: [update(4, at=20)],
    }
    states = {project: idle() for project in waiting}
    order = [launch.project for launch in decide(waiting, states.__getitem__, NOW, Settings(max_concurrent_runs=10))]
    assert order == [3, 2, 4, 1]
    some = decide(waiting, states.__getitem__, NOW, Settings(max_concurrent_runs=3), running=(9,))
    assert [launch.project for launch in some] == [3, 2]
    assert decide(waiting, states.__getitem__, NOW, Settings(max_concurrent_runs=1), running=(9, 8)) == []


def test_people_are_told_when_a_run_is_due() -> None:
    assert due_at([update()], idle(), Settings()) == 0
    assert due_at([update()], failed(2), Settings()) == NOW + 60
    assert due_at([update()], idle(), Settings(start_training_each_n_updates=2)) is None
    reasons = [
        decide({7: updates}, {7: idle()}.__getitem__, NOW, Settings())[0].reason
        for updates in ([update()], [update(), update()], [update(action=START_TRAINING)])
    ]
    assert reasons == ["1 update waiting", "2 updates waiting", "the train button was pressed"]


def took(seconds: float) -> RunState:
    """A project whose last training took so long."""
    return idle(RunRecord(project=7, number=3, outcome="published", exit_code=0, ended_at=NOW - 1000, took=seconds))


def test_what_is_short_goes_first_and_what_is_long_does_not_wait_for_ever() -> None:
    """A training of ten minutes that has waited for one, beside short ones that have just come."""
    one = Settings(max_concurrent_runs=1)
    states = {1: took(600.0), 2: took(10.0)}

    def first(waited: float) -> int:
        waiting = {1: [update(1, at=NOW - waited)], 2: [update(2, at=NOW - 5)]}
        return decide(waiting, states.__getitem__, NOW, one)[0].project

    assert [first(waited) for waited in (60, 250, 350, 3600)] == [2, 2, 1, 1]


def test_the_button_goes_before_what_is_short() -> None:
    waiting = {1: [update(1, START_TRAINING, at=NOW)], 2: [update(2, at=NOW - 500)]}
    states = {1: took(600.0), 2: took(1.0)}
    assert decide(waiting, states.__getitem__, NOW, Settings(max_concurrent_runs=1))[0].project == 1


def test_a_first_training_is_expected_to_be_short() -> None:
    assert expected_seconds(idle()) == FIRST_SECONDS
    assert expected_seconds(took(400.0)) == 400.0
    assert expected_seconds(took(0.2)) == 1.0


def test_a_run_is_long_once_it_goes_on_for_long_or_where_the_last_one_did() -> None:
    def going(since: float, state: RunState) -> RunState:
        active = RunRecord(project=7, number=4, started_at=NOW - since)
        return msgspec.structs.replace(state, active=active)

    assert not is_long(going(5, idle()), NOW)
    assert is_long(going(SHORT_SECONDS + 1, took(10.0)), NOW)
    assert is_long(going(5, took(400.0)), NOW)
    assert is_long(took(400.0), NOW)  # launched, not begun yet
