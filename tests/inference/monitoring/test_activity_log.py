from inference.monitoring.activity_log import DOUBTS, EVENTS, TASKS, ActivityLog, HourlyRequests
from shared.doubts import Doubt


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def test_an_hour_ago_is_forgotten() -> None:
    clock = Clock()
    activity_log = ActivityLog(clock)
    activity_log.request(200)
    clock.now += 1800
    activity_log.request(503)
    assert activity_log.last_hour() == HourlyRequests(requests=2, errors=1)
    clock.now += 1801
    assert activity_log.last_hour() == HourlyRequests(requests=1, errors=1)


def test_a_task_is_either_skipped_or_scored_by_what_came_last() -> None:
    activity_log = ActivityLog()
    activity_log.skip(3, 7, "No model yet.")
    assert [each.reason for each in activity_log.skipped(3)] == ["No model yet."]
    activity_log.answered(3, 7)
    assert activity_log.skipped(3) == []


def test_doubts_about_a_task_are_those_of_its_last_answer() -> None:
    activity_log = ActivityLog()
    activity_log.doubt(3, 7, [Doubt(kind="outliers", sentence="x" * 1000)] * 20)
    activity_log.doubt(3, 8, [])
    (task,) = activity_log.doubtful(3)
    assert (task.task, len(task.doubts), len(task.doubts[0].sentence)) == ("7", DOUBTS, 500)
    activity_log.doubt(3, 7, [])
    assert activity_log.doubtful(3) == []
    assert activity_log.doubtful(4) == []


def test_memory_is_bounded() -> None:
    activity_log = ActivityLog()
    for number in range(2 * EVENTS):
        activity_log.note(number % 2, "ANNOTATION_CREATED", "Written down.")
        activity_log.skip(1, number, "A reason.")
        activity_log.doubt(1, number, [Doubt(kind="outliers", sentence="A doubt.")])
    assert len(activity_log.events(0, EVENTS)) + len(activity_log.events(1, EVENTS)) == EVENTS
    assert len(activity_log.skipped(1)) == len(activity_log.doubtful(1)) == TASKS


def test_events_that_name_no_project_are_reported_with_each() -> None:
    activity_log = ActivityLog()
    activity_log.note(1, "ANNOTATION_CREATED", "One.")
    activity_log.note(2, "ANNOTATION_CREATED", "Two.")
    activity_log.note(None, "TASKS_DELETED", "Any.")
    assert [each.effect for each in activity_log.events(1, 10)] == ["Any.", "One."]
