from typing import Any

from shared.labelling.choice_results import Chosen, from_results, to_results, under_tags
from shared.labelling.choice_tags import ChoiceTag, Visibility

QUALITY = ChoiceTag(from_name="quality", choices=("good", "bad"), synonyms={"poor": "bad"})
SEEN = ChoiceTag(from_name="seen", choices=("noise", "gap"), multiple=True)
WHY = ChoiceTag(from_name="why", choices=("loose", "off"), condition=Visibility("quality", ("bad",)))
TAGS = (QUALITY, SEEN, WHY)


def result(tag: str, *choices: Any, **more: Any) -> dict[str, Any]:
    return {"type": "choices", "from_name": tag, "to_name": "ts", "value": {"choices": list(choices)}, **more}


def test_choices_are_read_by_tag_and_those_of_others_are_not() -> None:
    results = [
        result("quality", "poor"),
        result("seen", "noise"),
        result("seen", "gap"),
        result("sure", "yes"),
        result("why", "loose", to_name="lux"),
        {"type": "timeserieslabels", "from_name": "label"},
        None,
    ]
    chosen, left_out = from_results(results, TAGS, "ts")
    assert chosen == {"quality": {"bad"}, "seen": {"noise", "gap"}}
    assert left_out == []


def test_two_choices_where_one_is_meant_and_unknown_ones_say_nothing_of_their_tag() -> None:
    results = [
        result("quality", "good", "bad"),
        result("seen", "noise", "hum"),
        {"type": "choices", "from_name": "why"},
    ]
    chosen, left_out = from_results(results, TAGS, "ts")
    assert chosen == {}
    assert [(each.kind, each.topic) for each in left_out] == [("unknown-choice", "'hum'")]


def test_results_are_what_the_page_shows_and_reads_back() -> None:
    nested = ChoiceTag(from_name="n", choices=("A / x",), multiple=True, paths={"A / x": ("A", "x")})
    chosen = [Chosen("quality", ("bad",), 0.87654), Chosen("n", ("A / x",), 0.5)]
    first, second = to_results(chosen, (QUALITY, nested), "ts")
    assert first == {
        "id": first["id"],
        "from_name": "quality",
        "to_name": "ts",
        "type": "choices",
        "value": {"choices": ["bad"]},
        "score": 0.8765,
    }
    assert second["value"] == {"choices": [["A", "x"]]}
    assert to_results(chosen, (QUALITY, nested), "ts")[0]["id"] == first["id"]
    read, _ = from_results([first, second], (QUALITY, nested), "ts")
    assert read == {"quality": {"bad"}, "n": {"A / x"}}


def test_a_tag_is_answered_only_where_the_page_shows_it() -> None:
    why = Chosen("why", ("loose",))
    bad, good = Chosen("quality", ("poor",)), Chosen("quality", ("good",))
    assert [each.from_name for each in under_tags([why, bad], TAGS)[0]] == ["quality", "why"]
    assert under_tags([why, good], TAGS)[0] == [good]
    assert under_tags([why], TAGS)[0] == []


def test_renamed_choices_are_answered_by_their_names_of_today_and_deleted_ones_are_named() -> None:
    found, missing = under_tags([Chosen("quality", ("poor",)), Chosen("seen", ("noise", "hum"))], TAGS)
    assert found == [Chosen("quality", ("bad",))]
    assert missing == [("seen", "hum")]
    assert under_tags([Chosen("gone", ("x",))], TAGS) == ([], [])
