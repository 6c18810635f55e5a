"""Recordings that wait behind a gate until a test lets them go."""

from collections.abc import Iterator

import pytest

from tests.promises.load.gate import Gate
from tests.support.web_server import Web, serve


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()


@pytest.fixture
def web(gate: Gate) -> Iterator[Web]:
    with serve(gate) as web:
        yield web
        gate.open()
