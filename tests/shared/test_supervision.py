"""Threads that do not die silently."""

import threading

import pytest

from shared.supervision import beat, hanging, supervised
from tests.support.waiting import NEVER_SECONDS, wait_until


class PanicError(BaseException):
    """No Exception: what obstore raises where its Rust code panics."""


@pytest.mark.parametrize("error", [PanicError("panicked"), ValueError("unexpected"), MemoryError()])
def test_work_that_raises_is_logged_and_restarted(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("shared.supervision.RESTART_SECONDS", 0.01)
    begun: list[int] = []

    def work() -> None:
        begun.append(1)
        if len(begun) < 3:
            raise error

    thread = supervised("swap", work, threading.Event())
    thread.start()
    thread.join(NEVER_SECONDS)
    assert len(begun) == 3
    assert caplog.text.count("Thread 'swap' failed") == 2


def test_it_is_not_restarted_once_it_should_end() -> None:
    ended = threading.Event()

    def work() -> None:
        ended.set()
        raise ValueError

    thread = supervised("swap", work, ended)
    thread.start()
    thread.join(NEVER_SECONDS)
    assert not thread.is_alive()


def test_work_that_stands_still_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.supervision.HANGING_SECONDS", 0.05)
    ended, gate = threading.Event(), threading.Event()

    def hang() -> None:
        beat(0.0)
        gate.wait(NEVER_SECONDS)

    def wait() -> None:
        beat(3600.0)
        gate.wait(NEVER_SECONDS)

    def wait_for_anybody() -> None:
        beat(None)
        gate.wait(NEVER_SECONDS)

    threads = [supervised(work.__name__, work, ended) for work in (hang, wait, wait_for_anybody)]
    for thread in threads:
        thread.start()
    wait_until(lambda: hanging(threads))
    assert hanging(threads).keys() == {"hang"}
    ended.set()
    gate.set()
    for thread in threads:
        thread.join(NEVER_SECONDS)
    assert hanging(threads) == {}, "what has ended does not hang"


def test_a_beat_outside_of_supervised_threads_does_nothing() -> None:
    beat()
    assert hanging([threading.current_thread()]) == {}
