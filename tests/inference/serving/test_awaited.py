"""Tests of inference.serving.awaited: a task is awaited for an hour, and again once its recording has arrived."""

from inference.serving.awaited import AWAITED_SECONDS, TASKS, AwaitedTasks


def test_a_task_is_awaited_for_an_hour_from_its_first_failure() -> None:
    now = 5.0
    awaited = AwaitedTasks(lambda: now)
    assert awaited.is_awaited(1, 7)
    now += AWAITED_SECONDS - 1
    assert awaited.is_awaited(1, 7)
    now += 1
    assert not awaited.is_awaited(1, 7)
    assert awaited.is_awaited(2, 7)
    awaited.arrived(1, 7)
    assert awaited.is_awaited(1, 7)


def test_memory_is_bounded() -> None:
    awaited = AwaitedTasks(lambda: 0.0)
    for task in range(TASKS + 5):
        awaited.is_awaited(1, task)
    assert len(awaited._since) == TASKS
