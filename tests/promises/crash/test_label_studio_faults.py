"""Label Studio down, failing, refusing, breaking off, redirecting or dripping, at each request (promises 1, 11).

A run that cannot read all there is reads nothing, keeps what waits and says why; a comparison writes nothing.
"""

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from shared.retraining.runs import Runs
from shared.retraining.updates import Updates
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from tests.promises.crash.counting import COUNTS, KINDS, LONG
from tests.promises.crash.live_stack import FAST_RUN, PROJECT
from tests.support.label_studio import RECORDING, REGIONS, LabelStudioDouble
from tests.support.tokens import TOKEN
from tests.support.waiting import NEVER_SECONDS
from tests.support.web_server import Answer, Asked, Web, answer, answer_json, serve
from training.__main__ import main

LIMIT_SECONDS = 2.0  # for one answer here, where one drips: it takes longer
STEP = 1 if LONG else 2  # of the requests at which something goes wrong, every how many-th


class Ground(NamedTuple):
    """A Label Studio with three pages of annotated tasks, one event that waits, and somebody else's host."""

    label_studio: LabelStudioDouble
    web: Web
    elsewhere: Web
    model_dir: str


@pytest.fixture
def ground(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    """Only where an answer drips is the limit short: others are to arrive on a busy machine, too."""
    seconds = LIMIT_SECONDS if "drips" in request.node.name else NEVER_SECONDS
    label_studio = LabelStudioDouble(recording=lambda _: RECORDING)
    for task in range(1, 6):
        label_studio.annotate(task, result=REGIONS)
    with serve(label_studio) as web, serve(lambda asked: answer_json({"id": 1})) as elsewhere:
        for name, value in {**FAST_RUN, "LABEL_STUDIO_API_KEY": TOKEN, "LABEL_STUDIO_HOST": web.url}.items():
            monkeypatch.setenv(name, value)
        small: dict[str, object] = {
            "training.data.tasks.PAGE_SIZE": 2,
            "training.data.tasks.WAITS": (),
            "training.data.tasks.PAGE_SECONDS": seconds,
            "training.data.recordings.WAITS": (),
            "shared.label_studio.client.PAGE_SIZE": 2,
            "shared.label_studio.client.ASK_SECONDS": seconds,
        }
        for target, constant in small.items():
            monkeypatch.setattr(target, constant)
        yield Ground(label_studio, web, elsewhere, str(tmp_path / "models"))


def drip() -> Iterator[bytes]:
    whole = answer(b" " * 2000 + b"{}", Content_Type="application/json")
    for place in range(len(whole)):
        yield whole[place : place + 1]
        time.sleep(LIMIT_SECONDS / 20)


def drip_head() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    for number in itertools.count():
        yield f"X-Header-{number}: {number}\r\n".encode()
        time.sleep(LIMIT_SECONDS / 20)


FAULTS: dict[str, Callable[[Ground], Answer]] = {
    "nobody answers": lambda ground: (),
    "500": lambda ground: answer_json({"detail": "A server error occurred."}, 500),
    "401": lambda ground: answer_json({"detail": "Invalid token."}, 401),
    "502 of a proxy": lambda ground: answer(b"<html>Bad gateway", 502, Content_Type="text/html"),
    "a page to log in": lambda ground: answer(b"<html>Log in", Content_Type="text/html"),
    "half a body": lambda ground: (answer(b'{"tasks": [' + b" " * 2000, Content_Type="application/json")[:400],),
    "JSON of something else": lambda ground: answer_json({"tasks": [{"id": "x"}], "total": "none"}),
    "redirect to another host": lambda ground: answer(b"", 302, Location=f"{ground.elsewhere.url}/api/"),
    "a body that drips": lambda ground: drip(),
    "a head that drips": lambda ground: drip_head(),
}


class At:
    """A fault at the n-th request to the API, and at all after it."""

    def __init__(self, ground: Ground, n: int, kind: str) -> None:
        self._ground = ground
        self._left = n
        self._kind = kind
        self.made = 0

    def __call__(self, asked: Asked) -> Answer | None:
        if not asked.path.startswith("/api/"):
            return None
        self._left -= 1
        if self._left >= 1:
            return None
        self.made += 1
        COUNTS[f"faults of Label Studio: {self._kind}"] += 1
        return FAULTS[self._kind](self._ground)


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_reads_all_or_nothing(
    ground: Ground, kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for n in range(1, 50, STEP):
        monkeypatch.setenv("MODEL_DIR", f"{ground.model_dir}-{n}")
        storage = open_storage(f"{ground.model_dir}-{n}")
        Updates(storage).add(PROJECT, "ANNOTATION_CREATED", 1.0)
        ground.label_studio.fault = fault = At(ground, n, kind)
        code = main(["run", "--project", str(PROJECT)])
        ground.label_studio.fault = lambda asked: None
        last = Runs(storage).last_ended(PROJECT)
        assert last is not None
        if not fault.made:
            assert code == 0
            break
        assert code == 75
        assert last.reason
        assert len(Updates(storage).of(PROJECT)) == 1
        assert ModelStore(storage).model_info(PROJECT) is None
    else:
        raise AssertionError("no end")
    assert n > 3, "pages were to be read"
    assert ground.elsewhere.asked == [], "the token went elsewhere"


@pytest.mark.parametrize("kind", KINDS)
def test_a_comparison_that_was_not_answered_whole_writes_nothing(
    ground: Ground, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(1, 50, STEP):
        monkeypatch.setenv("MODEL_DIR", f"{ground.model_dir}-{n}")
        storage = open_storage(f"{ground.model_dir}-{n}")
        ground.label_studio.fault = fault = At(ground, n, kind)
        code = main(["reconcile", "--project", str(PROJECT)])
        ground.label_studio.fault = lambda asked: None
        if not fault.made:
            assert code == 0
            assert len(Updates(storage).of(PROJECT)) == 1
            break
        assert code == 75
        assert Updates(storage).of(PROJECT) == []
    else:
        raise AssertionError("no end")
    assert n > 3, "pages were to be read"
    assert ground.elsewhere.asked == [], "the token went elsewhere"


def test_label_studio_that_is_down_is_waited_for(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_DIR", ground.model_dir)
    storage = open_storage(ground.model_dir)
    Updates(storage).add(PROJECT, "ANNOTATION_CREATED", 1.0)
    with monkeypatch.context() as patch:
        patch.setenv("LABEL_STUDIO_HOST", "http://127.0.0.1:9")
        assert main(["run", "--project", str(PROJECT)]) == 75
        assert main(["reconcile", "--project", str(PROJECT)]) == 75
    COUNTS["faults of Label Studio: down"] += 2
    assert len(Updates(storage).of(PROJECT)) == 1
    assert main(["run", "--project", str(PROJECT)]) == 0
    assert Updates(storage).of(PROJECT) == []
