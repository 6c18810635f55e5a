"""The first decoding of a type by several threads; in processes of their own, as it may end them."""

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from benchmarks.material import make_card
from shared.json_decoding import decode_json
from shared.model_file.card import encode_card

ROOT = Path(__file__).parents[2]
THREADS = """
import sys, threading, time
from shared.model_file.card import decode_card

def read(number):
    start.wait()
    end = time.perf_counter() + number * 2.5e-4
    while time.perf_counter() < end:
        pass
    found.append(decode_card(card))

card, found, start = sys.argv[1], [], threading.Barrier(8)
sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=read, args=(number,)) for number in range(8)]
for each in threads:
    each.start()
for each in threads:
    each.join()
print(len(found))
"""


@pytest.mark.parametrize("attempt", range(3))
def test_threads_may_read_the_first_model_cards_at_once(attempt: int) -> None:
    card = encode_card(make_card("ranges", number=attempt))
    command = [sys.executable, "-c", THREADS, card]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "8\n"), done.stderr


def test_every_type_is_decoded_by_a_decoder_that_was_made_alone() -> None:
    found = [
        path.relative_to(ROOT)
        for folder in ("shared", "inference", "training")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"json\.decode\([^)]*type=|msgspec\.convert\(", path.read_text())
    ]
    assert found == []


def test_what_is_not_of_the_type_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_json(b'"1"', int)
    assert decode_json(b'"1"', int, strict=False) == 1
