"""Tests of shared.labelling.renames: what is offered, and what a confirmed rename does."""

from shared.labelling.label_config import parse_label_config
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


def test_a_label_that_is_gone_and_a_new_one_at_its_place_are_offered() -> None:
    assert suggest_renames(("Running", "Walk"), ("Pumping", "Walk"), {}) == [("Running", "Pumping")]
    assert suggest_renames(("Running", "Walk"), ("Pumping", "Walk"), {"Running": "Pumping"}) == []
    assert suggest_renames(("Running", "Walk"), ("Walk", "Running"), {}) == []
    assert suggest_renames(("Running", "Walk"), ("Walk",), {}) == []


def test_a_confirmed_rename_counts_and_is_part_of_the_fingerprint() -> None:
    config = parse_label_config(CONFIG)
    renamed = with_aliases(config, {"Running": "Run", "Other": "Gone", "Run": "X"})
    assert renamed.fingerprint != config.fingerprint
    axis = TimeAxis.of_rows(10)
    assert [each.label for each in from_regions([REGION], axis, renamed).segments] == ["Run"]
    assert from_regions([REGION], axis, config).segments == []
    assert with_aliases(config, {}) is config
