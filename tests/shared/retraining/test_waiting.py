from shared.retraining.updates import Update, Updates
from shared.retraining.waiting import WaitingUpdates
from tests.support.counted_storage import Counted


class Slow(Updates):
    """Lets an update arrive while the others are being listed."""

    arriving: Update | None = None
    spool: WaitingUpdates

    def waiting(self) -> dict[int, list[Update]]:
        found = super().waiting()
        if self.arriving is not None:
            self.spool.add(self.arriving)
        return found


def test_an_event_costs_no_listing() -> None:
    storage = Counted()
    waiting = WaitingUpdates(Updates(storage))
    waiting.look()
    storage.asked.clear()
    update = Updates(storage).add(7, "ANNOTATION_CREATED", 1.0)
    waiting.add(update)
    assert waiting.recent(1e9) == {7: [update]}
    assert waiting.of(7) == [update]
    assert storage.asked == {}


def test_what_others_added_and_removed_is_known_after_the_next_listing() -> None:
    storage = Counted()
    updates = Updates(storage)
    waiting = WaitingUpdates(updates)
    first = updates.add(7, "ANNOTATION_CREATED", 1.0)
    waiting.add(first)
    second = updates.add(8, "ANNOTATION_CREATED", 2.0)
    updates.remove([first])
    assert waiting.look() == {8: [second]}


def test_what_arrives_during_a_listing_is_not_forgotten() -> None:
    storage = Counted()
    updates = Slow(storage)
    updates.spool = waiting = WaitingUpdates(updates)
    updates.arriving = Updates(Counted()).add(7, "ANNOTATION_CREATED", 1.0)
    assert waiting.look() == {7: [updates.arriving]}
    assert waiting.of(7) == [updates.arriving]
