"""No corrupted graph serves, crashes the server or exhausts its memory; the good one answers throughout (promise 3)."""

import random
from contextlib import suppress
from pathlib import Path

import pytest

from shared.errors import ModelError
from shared.segmentation.segmenter import Segmenter
from shared.store.model_info import read_model_info
from tests.promises.hostile.corruption import KINDS, resealed_flips
from tests.promises.hostile.graphs import fill, storm
from tests.support.server import run_server
from tests.support.store import publish_model

pytestmark = pytest.mark.slow

PROJECTS, GRAPHS = 60, 300
BOUND = 1000.0  # MiB above idle: 512 that a first run may take, 60 models, what allocators keep (820 in the long run)


def test_corrupted_graphs_never_serve_and_the_good_ones_answer_throughout(tmp_path: Path) -> None:
    good = fill(tmp_path, PROJECTS)
    with run_server(tmp_path, MODEL_CACHE_SIZE=str(PROJECTS), LOG_LEVEL="error") as server:
        counts = storm(server, tmp_path, good, GRAPHS)
        assert server.alive
    print(
        f"{counts.graphs} corrupted graphs of {len(counts.by_kind)} kinds, {counts.answers} answers of the good ones; "
        f"{counts.before:.0f} MiB before, {counts.peak:.0f} at most, {counts.after:.0f} after"
    )
    assert counts.failed == []
    assert counts.unseen == 0
    assert set(counts.by_kind) == set(KINDS)
    assert counts.graphs == GRAPHS
    assert counts.peak - counts.before < BOUND


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_refused_with_a_sentence(kind: str, tmp_path: Path) -> None:
    good = publish_model(tmp_path, 3)
    for number in range(10):
        data = KINDS[kind](good, random.Random(number))
        assert data != good
        with pytest.raises(ModelError):
            read_model_info(data, "", 3)
            Segmenter.load(data)


def test_flipped_bits_under_a_right_checksum_raise_nothing_unforeseen(tmp_path: Path) -> None:
    good = publish_model(tmp_path, 3)
    for number in range(500):
        with suppress(ModelError):
            Segmenter.load(resealed_flips(good, random.Random(number)))
