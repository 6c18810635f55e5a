"""Several label sets on one series, some names in more than one of them."""

import msgspec

from shared.labelling.label_config import LabelConfig, parse_label_config
from shared.labelling.regions import from_regions, to_regions
from shared.labelling.renames import with_aliases
from shared.labelling.segments import Segment
from shared.labelling.time_axis import TimeAxis

ACTIVITY = '<TimeSeriesLabels name="activity" toName="ts"><Label value="Run"/><Label value="Rest"/></TimeSeriesLabels>'
STATE = (
    '<TimeSeriesLabels name="state" toName="ts">'
    '<Label value="R" alias="Rest"/><Label value="Noise"/></TimeSeriesLabels>'
)
SERIES = '<TimeSeries name="ts" value="$csv"><Channel column="a"/></TimeSeries>'
AXIS = TimeAxis.of_rows(100)


def config(*tags: str) -> LabelConfig:
    return parse_label_config(f"<View>{''.join(tags)}</View>")


BOTH = config(ACTIVITY, STATE, SERIES)


def region(control: str, label: str, first: int = 10) -> dict[str, object]:
    value = {"start": first, "end": first + 9, "instant": False, "timeserieslabels": [label]}
    return {"from_name": control, "to_name": "ts", "type": "timeserieslabels", "value": value}


def test_names_that_two_sets_have_are_told_apart() -> None:
    assert BOTH.labels == ("Run", "Rest (activity)", "Rest (state)", "Noise")
    assert BOTH.label_sets == {"activity": {"Run", "Rest (activity)"}, "state": {"Rest (state)", "Noise"}}
    assert not BOTH.left_out
    odd = config(ACTIVITY, STATE.replace("Noise", "Rest (activity)"), SERIES)
    assert len(set(odd.labels)) == 4


def test_regions_carry_the_names_and_tags_that_people_gave_them() -> None:
    segments = [Segment(10, 19, label) for label in BOTH.labels]
    regions = to_regions(segments, AXIS, BOTH)
    assert [(each["from_name"], each["value"]["timeserieslabels"]) for each in regions] == [
        ("activity", ["Run"]),
        ("activity", ["Rest"]),
        ("state", ["Rest"]),
        ("state", ["Noise"]),
    ]
    assert len({each["id"] for each in regions}) == 4
    assert from_regions(regions, AXIS, BOTH).segments == segments


def test_a_label_of_another_set_is_unknown_and_doubtful_for_its_own_set_alone() -> None:
    found = from_regions([region("state", "Run"), region("state", "R"), region("lost", "Run")], AXIS, BOTH)
    assert found.segments == [Segment(10, 19, "Rest (state)")]
    (unclear,) = found.unclear
    assert unclear.among == {"Rest (state)", "Noise"}
    assert [each.kind for each in found.left_out] == ["unknown-label", "other-control"]


def test_what_was_learned_before_the_second_set_came_is_found_under_its_new_name() -> None:
    alone = config(ACTIVITY, SERIES)
    assert alone.labels == ("Run", "Rest")
    assert not alone.sets
    assert BOTH.synonyms["Rest"] == "Rest (activity)"
    assert "Run" not in BOTH.synonyms


def test_the_fingerprint_changes_with_the_sets_and_not_with_their_order() -> None:
    other = STATE.replace("Noise", "Gap")
    assert config(STATE, ACTIVITY, SERIES).fingerprint == BOTH.fingerprint
    assert len({each.fingerprint for each in (BOTH, config(ACTIVITY, SERIES), config(ACTIVITY, other, SERIES))}) == 3


def test_an_alias_that_an_operator_confirmed_counts_in_its_own_set() -> None:
    renamed = with_aliases(BOTH, {"Artefact": "Noise"})
    assert from_regions([region("state", "Artefact")], AXIS, renamed).segments == [Segment(10, 19, "Noise")]
    assert not from_regions([region("activity", "Artefact")], AXIS, renamed).segments


def test_a_set_that_cannot_work_is_named_and_stops_no_other() -> None:
    found = config(ACTIVITY, '<TimeSeriesLabels name="empty" toName="ts"/>', ACTIVITY, STATE, SERIES)
    assert [each.from_name for each in found.sets] == ["activity", "state"]
    assert ["no Label tag" in found.left_out[0], "another tag has its name" in found.left_out[1]] == [True, True]


def test_a_configuration_comes_back_from_the_json_of_a_card() -> None:
    assert msgspec.json.decode(msgspec.json.encode(BOTH), type=LabelConfig) == BOTH


def test_thousands_of_sets_are_read_in_a_moment() -> None:
    tags = [f'<TimeSeriesLabels name="{n}" toName="ts"><Label value="A"/></TimeSeriesLabels>' for n in range(5000)]
    found = config(*tags, SERIES)
    assert len(set(found.labels)) == len(found.label_sets) == 5000
