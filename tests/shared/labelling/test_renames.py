"""Tests of shared.labelling.renames: what is offered, and what a confirmed rename does."""

import pytest

from shared.labelling.label_config import LabelConfig, parse_label_config
from shared.labelling.regions import from_regions
from shared.labelling.renames import suggest_renames, with_aliases
from shared.labelling.time_axis import TimeAxis
from tests.support.label_studio import CONFIG

REGION = {
    "from_name": "label",
    "to_name": "ts",
    "type": "timeserieslabels",
    "value": {"start": 1, "end": 5, "timeserieslabels": ["Running"]},
}


def configured(*labels: str) -> LabelConfig:
    """A configuration with these Label tags; `value=alias` for one with an alias."""
    tags = [each.partition("=") for each in labels]
    written = "".join(
        f'<Label value="{value}"' + (f' alias="{alias}"/>' if alias else "/>") for value, _, alias in tags
    )
    return parse_label_config(
        f'<View><TimeSeriesLabels name="label" toName="ts">{written}</TimeSeriesLabels>'
        '<TimeSeries name="ts" value="$csv"><Channel column="x"/></TimeSeries></View>'
    )


@pytest.mark.parametrize(
    ("before", "now", "offered"),
    [
        (["Running", "Walk"], ["Pumping", "Walk"], [("Running", "Pumping")]),
        (["Running", "Walk", "Sit"], ["Pumping", "Walk", "Lie"], [("Running", "Pumping"), ("Sit", "Lie")]),
        (["Running", "Walk"], ["Walk", "Running"], []),  # another order, or names swapped: nothing tells
        (["Running", "Walk"], ["Walk"], []),
        (["Running", "Walk"], ["Running", "Walk", "Sit"], []),
        (["Running", "Walk"], ["Sit", "Pumping", "Walk"], []),  # one of the two may be the new name
        (["Running", "Walk"], ["Pumping", "Walk", "Sit"], [("Running", "Pumping")]),
        (["Run", "Walk", "Sit"], ["Move", "Sit"], [("Run", "Move"), ("Walk", "Move")]),
        (["Running", "Walk"], ["Walk", "running "], [("Running", "running ")]),
        (["Fast  run", "Walk"], ["fast Run", "Walk"], [("Fast  run", "fast Run")]),
        (["Running", "Walk"], ["Running=run", "Walk"], []),  # the page takes both names
        (["run", "Walk"], ["Running=jog", "Walk"], [("run", "jog")]),
    ],
)
def test_a_label_that_is_gone_is_offered_as_the_new_one_that_took_its_place(
    before: list[str], now: list[str], offered: list[tuple[str, str]]
) -> None:
    assert suggest_renames(before, configured(*now), {}) == offered


def test_what_was_confirmed_is_offered_again_only_when_its_new_label_is_gone() -> None:
    aliases = {"Running": "Pumping"}
    assert suggest_renames(["Running"], configured("Pumping"), aliases) == []
    assert suggest_renames(["Running"], configured("Jogging"), aliases) == [("Running", "Jogging")]


def test_an_offer_stays_open_after_a_training_until_it_is_confirmed_or_undone() -> None:
    earlier = [("Running", "Pumping")]
    assert suggest_renames(["Pumping"], configured("Pumping"), {}, earlier) == earlier
    assert suggest_renames(["Pumping"], configured("Pumping"), {"Running": "Pumping"}, earlier) == []
    assert suggest_renames(["Pumping"], configured("Running"), {}, earlier) == [("Pumping", "Running")]
    assert suggest_renames(["Pumping"], configured("Jogging"), {}, earlier) == [("Pumping", "Jogging")]


def test_a_confirmed_rename_counts_and_is_part_of_the_fingerprint() -> None:
    config = parse_label_config(CONFIG)
    renamed = with_aliases(config, {"Running": "Run", "Other": "Gone", "Run": "X"})
    assert renamed.fingerprint != config.fingerprint
    axis = TimeAxis.of_rows(10)
    assert [each.label for each in from_regions([REGION], axis, renamed).segments] == ["Run"]
    assert from_regions([REGION], axis, config).segments == []
    assert with_aliases(config, {}) is config
