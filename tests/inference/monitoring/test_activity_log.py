from inference.monitoring.activity_log import EVENTS, TASKS, Hour, Journal


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def test_an_hour_ago_is_forgotten() -> None:
    clock = Clock()
    journal = Journal(clock)
    journal.request(200)
    clock.now += 1800
    journal.request(503)
    assert journal.last_hour() == Hour(requests=2, errors=1)
    clock.now += 1801
    assert journal.last_hour() == Hour(requests=1, errors=1)


def test_a_task_is_either_skipped_or_scored_by_what_came_last() -> None:
    journal = Journal()
    journal.skip(3, 7, "No model yet.")
    assert [each.reason for each in journal.skipped(3)] == ["No model yet."]
    journal.score(3, 7, "v1", 0.25, 2)
    assert journal.skipped(3) == []
    journal.score(3, 8, "v1", 0.125, 1)
    assert [each.task for each in journal.least_sure(3, 10)] == ["8", "7"]


def test_memory_is_bounded() -> None:
    journal = Journal()
    for number in range(2 * EVENTS):
        journal.note(number % 2, "ANNOTATION_CREATED", "Written down.")
        journal.skip(1, number, "A reason.")
    assert len(journal.events(0, EVENTS)) + len(journal.events(1, EVENTS)) == EVENTS
    assert len(journal.skipped(1)) == TASKS


def test_events_that_name_no_project_are_told_with_each() -> None:
    journal = Journal()
    journal.note(1, "ANNOTATION_CREATED", "One.")
    journal.note(2, "ANNOTATION_CREATED", "Two.")
    journal.note(None, "TASKS_DELETED", "Any.")
    assert [each.effect for each in journal.events(1, 10)] == ["Any.", "One."]
