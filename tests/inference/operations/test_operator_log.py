from pathlib import Path

import pytest

from inference.operations import operator_log
from inference.operations.operator_log import Actor, OperatorLog
from shared.errors import RecordError
from shared.store import keys
from shared.store.opening import open_storage
from shared.store.storage import Storage

ANN = Actor(name="ann", address="10.0.0.7")


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return open_storage(str(tmp_path / "models"))


def test_who_did_what_from_where_is_kept_newest_first(storage: Storage) -> None:
    OperatorLog(storage).record(3, ANN, "train", "A training was asked for.")
    OperatorLog(storage).record(3, ANN, "promote", "v2 serves.", {"action": "promote", "version": "v1"})
    newest, oldest = OperatorLog(storage).actions(3)
    assert (newest.by, newest.address, newest.action) == ("ann", "10.0.0.7", "promote")
    assert newest.undo == {"action": "promote", "version": "v1"}
    assert oldest.sentence == "A training was asked for."
    assert OperatorLog(storage).actions(4) == []


def test_only_the_last_actions_are_kept(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator_log, "KEPT", 3)
    for number in range(5):
        OperatorLog(storage).record(3, ANN, "train", str(number))
    assert [each.sentence for each in OperatorLog(storage).actions(3)] == ["4", "3", "2"]


def test_a_damaged_list_is_named_and_replaced_by_the_next_action(storage: Storage) -> None:
    storage.put(keys.operators(3), b"{")
    with pytest.raises(RecordError, match=r"operators\.json cannot be read"):
        OperatorLog(storage).actions(3)
    OperatorLog(storage).record(3, ANN, "train", "A training was asked for.")
    assert len(OperatorLog(storage).actions(3)) == 1
