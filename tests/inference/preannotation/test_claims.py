import msgspec
import pytest

from inference.preannotation.claims import ClaimLostError, claim_range, read_range
from inference.preannotation.records import Batch, RangeRecord
from shared.errors import ConflictError
from shared.store.storage import Storage

KEY = "runs/1/preannotation/p/000000.json"


def test_a_range_is_claimed_by_one_and_after_its_release_by_the_next_with_what_was_sent(storage: Storage) -> None:
    first = claim_range(storage, KEY)
    assert first
    assert claim_range(storage, KEY) is None
    batch = Batch((1, 2), storage.now())
    with first:
        first.update(sent=batch, pushed=3)
    second = claim_range(storage, KEY)
    assert second
    assert (second.record.sent, second.record.pushed) == (batch, 3)


def test_the_holder_of_a_claim_that_was_taken_over_finds_out_at_its_next_write(storage: Storage) -> None:
    claim = claim_range(storage, KEY)
    assert claim
    found = storage.get(KEY)
    assert found
    other = msgspec.structs.replace(claim.record, token="other")
    storage.put(KEY, msgspec.json.encode(other), if_match=found.tag)
    with pytest.raises(ClaimLostError):
        claim.update(sent=None)
    assert read_range(storage, KEY) == other


def test_a_claim_is_not_lost_with_the_answer_to_a_write(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = claim_range(storage, KEY)
    assert claim
    put = type(storage).put

    def answer_gets_lost(self: Storage, key: str, data: bytes, *, create: bool = False, if_match: str | None) -> str:
        put(self, key, data, create=create, if_match=if_match)
        monkeypatch.undo()
        raise ConflictError("the request was repeated")

    monkeypatch.setattr(type(storage), "put", answer_gets_lost)
    claim.update(pushed=5)
    claim.update(pushed=6)
    found = read_range(storage, KEY)
    assert found
    assert found.pushed == 6


@pytest.mark.parametrize(("age", "taken"), [(59.0, False), (61.0, True), (-61.0, True)])
def test_a_claim_expires(storage: Storage, age: float, taken: bool) -> None:
    record = RangeRecord(token="other", holder="elsewhere", renewed_at=storage.now() - age)
    storage.put(KEY, msgspec.json.encode(record), create=True)
    assert (claim_range(storage, KEY) is not None) == taken
