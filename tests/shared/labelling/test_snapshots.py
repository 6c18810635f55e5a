"""Tests of shared.labelling.snapshots: equal digests, equal reference."""

from datetime import UTC, datetime, timedelta, timezone

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from shared.labelling.snapshots import AnnotationState, Snapshot, same_annotations, take_snapshot, utc_text

NOW = datetime(2026, 11, 24, tzinfo=UTC)
STATES = st.builds(
    AnnotationState,
    st.integers(1, 5),
    st.integers(1, 5),
    st.datetimes(datetime(2020, 1, 1), datetime(2020, 1, 2)).map(utc_text),  # noqa: DTZ001
    st.booleans(),
)


@given(st.lists(STATES), st.randoms())
def test_order_and_time_of_listing_change_nothing(states: list[AnnotationState], shuffle: object) -> None:
    mixed = sorted(states, key=hash)
    one, other = take_snapshot(states, "f", NOW), take_snapshot(mixed, "f", NOW + timedelta(1))
    assert same_annotations(one, other)
    assert (one.tasks, one.annotations, one.newest) == (other.tasks, other.annotations, other.newest)


@given(st.lists(STATES, min_size=1, unique=True), STATES, st.sampled_from(AnnotationState._fields))
def test_a_difference_in_any_one_field_is_seen(
    states: list[AnnotationState], other: AnnotationState, field: str
) -> None:
    changed = [states[0]._replace(**{field: getattr(other, field)}), *states[1:]]
    same = same_annotations(take_snapshot(states, "f", NOW), take_snapshot(changed, "f", NOW))
    assert same == (set(states) == set(changed))


def test_an_annotation_less_is_seen() -> None:
    state = AnnotationState(1, 1, "", False)
    assert not same_annotations(take_snapshot([state], "f", NOW), take_snapshot([], "f", NOW))


def test_another_label_configuration_is_another_reference() -> None:
    assert not same_annotations(take_snapshot([], "f", NOW), take_snapshot([], "g", NOW))


def test_a_time_is_the_same_however_it_is_written() -> None:
    expected = "2026-11-24T03:12:04.105000+00:00"
    moment = datetime(2026, 11, 24, 3, 12, 4, 105000, tzinfo=UTC)
    for time in (
        "2026-11-24T03:12:04.105Z",
        "2026-11-24T03:12:04.105000+00:00",
        "2026-11-24T04:12:04.105+01:00",
        moment,
        moment.astimezone(timezone(timedelta(hours=-5))),
        moment.replace(tzinfo=None),
    ):
        assert utc_text(time) == expected
    assert utc_text(None) == utc_text("") == ""


def test_snapshots_name_their_rules_and_those_that_name_none_are_outdated() -> None:
    snapshot = take_snapshot([], "f", NOW)
    assert not snapshot.is_outdated
    older = msgspec.json.encode(snapshot).replace(b',"rules":2', b"")
    assert msgspec.json.decode(older, type=Snapshot).is_outdated
    assert same_annotations(msgspec.json.decode(older, type=Snapshot), snapshot)
