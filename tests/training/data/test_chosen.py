import numpy as np

from shared.labelling.choice_tags import ChoiceTag
from shared.labelling.time_axis import TimeAxis
from shared.recordings.series import Series
from training.data.annotations import AnnotatedSeries
from training.data.chosen import choice_counts, chosen_recordings, majority

QUALITY = ChoiceTag(from_name="quality", choices=("good", "bad", "odd"))
SEEN = ChoiceTag(from_name="seen", choices=("noise", "gap"), multiple=True)


def marked(*chosen: dict[str, set[str]], machine_made: bool = False) -> AnnotatedSeries:
    series = Series(np.zeros((4, 1)), TimeAxis.of_rows(4))
    votes = tuple({tag: frozenset(choices) for tag, choices in one.items()} for one in chosen)
    return AnnotatedSeries(
        "1", "task 1", "task 1", series, ((),) * len(chosen), machine_made=machine_made, chosen=votes
    )


def test_more_than_half_of_those_who_chose_decide() -> None:
    good, bad = frozenset({"good"}), frozenset({"bad"})
    assert majority(QUALITY, [good]) == {"good": True, "bad": False, "odd": False}
    assert majority(QUALITY, [good, good, bad]) == {"good": True, "bad": False, "odd": False}
    assert majority(QUALITY, [good, bad]) == {}
    assert majority(SEEN, [frozenset({"noise", "gap"}), frozenset({"noise"})]) == {"noise": True}


def test_recordings_without_a_choice_or_that_nobody_looked_at_say_nothing() -> None:
    some = [marked({}), marked({"quality": {"good"}}, machine_made=True), marked({"quality": {"bad"}}, {})]
    (found,) = chosen_recordings(some, (QUALITY, SEEN))
    assert found.answers == {"quality": {"good": False, "bad": True, "odd": False}}
    assert chosen_recordings(some, ()) == []


def test_counts_name_choices_and_where_annotators_differ() -> None:
    some = [
        marked({"quality": {"good"}, "seen": {"noise", "gap"}}),
        marked({"quality": {"good"}}, {"quality": {"bad"}}),
    ]
    assert choice_counts(chosen_recordings(some, (QUALITY, SEEN))) == [
        "quality: good 1 recordings; annotators differ on 1.",
        "seen: noise 1, gap 1 recordings.",
    ]
