import pytest

from inference.web.login_limit import MOST_OF_ADDRESS, MOST_OF_ALL, WINDOW_SECONDS, LoginLimit


class Clock:
    now = 30 * WINDOW_SECONDS

    def __call__(self) -> float:
        return self.now


def fail(limit: LoginLimit, address: str, times: int) -> None:
    for _ in range(times):
        limit.failed(address)


def test_an_address_that_guesses_is_not_listened_to_for_a_minute() -> None:
    clock = Clock()
    limit = LoginLimit(clock)
    fail(limit, "192.0.2.1", MOST_OF_ADDRESS)
    assert not limit.allows("192.0.2.1", "Basic guess")
    assert limit.allows("192.0.2.2", "Basic guess")
    clock.now += WINDOW_SECONDS
    assert limit.allows("192.0.2.1", "Basic guess")


def test_credentials_that_worked_from_an_address_go_on_working() -> None:
    limit = LoginLimit(Clock())
    limit.succeeded("192.0.2.1", "Basic right")
    fail(limit, "192.0.2.1", MOST_OF_ADDRESS)
    assert limit.allows("192.0.2.1", "Basic right")
    assert not limit.allows("192.0.2.1", "Basic guess")


def test_many_addresses_together_guess_no_faster() -> None:
    limit = LoginLimit(Clock())
    for number in range(MOST_OF_ALL):
        limit.failed(f"192.0.2.{number}")
    assert not limit.allows("198.51.100.1", "Basic guess")


def test_a_slow_drip_of_failures_never_closes_the_door() -> None:
    clock = Clock()
    limit = LoginLimit(clock)
    for _ in range(10 * MOST_OF_ADDRESS):
        assert limit.allows("192.0.2.1", "Basic guess")
        limit.failed("192.0.2.1")
        clock.now += WINDOW_SECONDS / MOST_OF_ADDRESS


def test_the_addresses_of_one_ipv6_network_count_as_one() -> None:
    limit = LoginLimit(Clock())
    for number in range(MOST_OF_ADDRESS):
        limit.failed(f"2001:db8::{number}")
    assert not limit.allows("2001:db8::ffff", "Basic guess")
    assert limit.allows("2001:db8:0:1::1", "Basic guess")


def test_a_failed_login_is_logged_with_its_address(caplog: pytest.LogCaptureFixture) -> None:
    fail(LoginLimit(Clock()), "192.0.2.1", 2 * MOST_OF_ADDRESS)
    assert "192.0.2.1" in caplog.text
    assert len(caplog.records) == MOST_OF_ADDRESS + 1  # a flood of guesses is no flood of lines
