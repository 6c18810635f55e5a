"""Threads that do not die silently."""

import threading

import pytest

from shared.supervision import supervised


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
    thread.join(60)
    assert len(begun) == 3
    assert caplog.text.count("Thread 'swap' failed") == 2


def test_it_is_not_restarted_once_it_should_end() -> None:
    ended = threading.Event()

    def work() -> None:
        ended.set()
        raise ValueError

    thread = supervised("swap", work, ended)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
