"""When a network may continue from an earlier one: each case in which it would have seen what it is evaluated on."""

import msgspec
import pytest

from research.continuing import may_continue
from shared.lineage import LearnedRecording


def recording(number: int, **changes: str) -> LearnedRecording:
    found = LearnedRecording(task=str(number), group=f"task {number}", content=f"{number:064x}")
    return msgspec.structs.replace(found, **changes)


ONE, TWO, THREE = recording(1), recording(2), recording(3)


def test_a_network_may_learn_more_recordings() -> None:
    assert may_continue({ONE, TWO}, {ONE, TWO, THREE}, {recording(4)})
    assert may_continue({ONE, TWO}, {ONE, TWO}, {THREE, recording(4)})


@pytest.mark.parametrize(
    ("lineage", "training", "held_out"),
    [
        pytest.param({ONE, TWO}, {ONE, THREE}, {TWO}, id="a recording that it learned is held out now"),
        pytest.param({ONE, TWO}, {ONE}, {THREE}, id="a recording was deleted, or its annotation withdrawn"),
        pytest.param({ONE, TWO}, {ONE, recording(2, content="f" * 64)}, {THREE}, id="an annotation was corrected"),
        pytest.param({ONE, TWO}, {ONE, recording(2, group="subject A")}, {THREE}, id="a recording has another group"),
        pytest.param({ONE}, {ONE, TWO}, {recording(9, content=ONE.content)}, id="the same recording as another task"),
        pytest.param({ONE, THREE}, {ONE, TWO}, {THREE}, id="an ancestor learned what is held out now"),
        pytest.param({recording(1, task="1 rows 0 to 99")}, {ONE, TWO}, {THREE}, id="it learned a part of a recording"),
    ],
)
def test_it_starts_from_scratch_where(
    lineage: set[LearnedRecording], training: set[LearnedRecording], held_out: set[LearnedRecording]
) -> None:
    assert not may_continue(lineage, training, held_out)
