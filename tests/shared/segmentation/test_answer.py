import msgspec
import numpy as np
import pytest

from shared.doubts import UNSURE_SCORE, Doubt, Effect
from shared.errors import SeriesError
from shared.labelling.choice_tags import ChoiceTag
from shared.labelling.time_axis import TimeAxis
from shared.model_file.card import KnownRecordings
from shared.model_file.choices import ChoiceModel, Decision, LearnedTag
from shared.recordings.series import Series
from shared.segmentation.answer import answer_series
from shared.segmentation.choices import feature_count
from shared.segmentation.given import GivenSegments
from shared.segmentation.segmenter import Segmenter
from tests.support.graphs import make_config, make_model

VALUES = np.zeros((400, 1))
VALUES[100:180], VALUES[250:300] = 5, -5  # Run, Walk


def series(*doubts: Doubt) -> Series:
    return Series(VALUES, TimeAxis.of_rows(len(VALUES)), doubts)


def test_an_answer_without_doubts_is_what_the_model_found() -> None:
    segmenter = Segmenter.load(make_model(kind="threshold"))
    found = answer_series(segmenter, series(), make_config())
    assert [each.label for each in found.segments] == ["Run", "Walk"]
    assert found.score == segmenter.segment(series()).score > 0.9
    assert found.doubts == ()


def test_doubts_of_the_recording_reach_the_answer() -> None:
    note = Doubt(kind="unreadable-cells", sentence="3 cells hold no number.")
    found = answer_series(Segmenter.load(make_model(kind="threshold")), series(note), make_config())
    assert found.doubts == (note,)
    assert found.score > 0.9


@pytest.mark.parametrize("terminated", [None, False, True])
def test_a_missing_last_line_break_is_reported_only_where_all_training_recordings_had_one(
    terminated: bool | None,
) -> None:
    note = Doubt(kind="unterminated", sentence="The last line, '1,2', does not end with a line break.")
    one_channel = {"varied": (True,), "filled": (True,), "scales": ((0.0,),) * 3}
    card = None if terminated is None else known(terminated=terminated, **one_channel)
    segmenter = Segmenter.load(make_model(kind="threshold"))
    segmenter.card = msgspec.structs.replace(segmenter.card, known=card)
    found = answer_series(segmenter, series(note), make_config())
    assert found.doubts == ((note,) if terminated else ())
    assert found.score > 0.9


def test_segments_whose_label_is_gone_are_reported_and_lower_the_score() -> None:
    found = answer_series(Segmenter.load(make_model(kind="threshold")), series(), make_config(("Running", "Walk")))
    assert [each.label for each in found.segments] == ["Walk"]
    (doubt,) = found.doubts
    assert (doubt.kind, doubt.share) == ("missing-label", 0.5)
    assert "1 of 2 segments" in doubt.sentence
    assert "'Run'" in doubt.sentence
    assert found.score == UNSURE_SCORE


def test_a_label_that_was_given_an_alias_later_is_kept_under_it() -> None:
    config = msgspec.structs.replace(make_config(("R", "Walk")), synonyms={"Run": "R"})
    found = answer_series(Segmenter.load(make_model(kind="threshold")), series(), config)
    assert [each.label for each in found.segments] == ["R", "Walk"]
    assert found.doubts == ()


def known(**changes: object) -> KnownRecordings:
    card = KnownRecordings(
        recordings=5, rows=(100, 1000), missing_share=0.0, varied=(True, True), filled=(True, True),
        scales=((0.0, 0.0),) * 3, scale_limit=100.0,
    )  # fmt: skip
    return msgspec.structs.replace(card, **changes)


def two_channels(known: KnownRecordings | None) -> Segmenter:
    return Segmenter.load(make_model(channels=("value", "other"), kind="threshold", known=known))


def half_empty() -> Series:
    reason = Doubt(kind="unreadable-cells", sentence="Channel 'other': 400 of 400 cells hold no number.")
    return Series(np.hstack([VALUES, np.full_like(VALUES, np.nan)]), TimeAxis.of_rows(len(VALUES)), (reason,))


@pytest.mark.parametrize("card", [None, known(), known(accuracy_without=(0.4, 0.8), chance=0.5)])
def test_a_channel_without_values_is_ignored_reported_and_lowers_the_score(card: KnownRecordings | None) -> None:
    config = make_config(channels=("value", "other"))
    found = answer_series(two_channels(card), half_empty(), config)
    assert found.segments
    assert [doubt.kind for doubt in found.doubts] == ["unreadable-cells", "empty-channel"]
    assert (
        found.doubts[1].sentence == "Channel 'other' holds no value. The cells are missing; the other channels answer."
    )
    assert found.score <= UNSURE_SCORE


def test_a_channel_that_never_had_values_is_not_missed() -> None:
    found = answer_series(two_channels(known(filled=(True, False))), half_empty(), make_config())
    assert [doubt.kind for doubt in found.doubts] == ["unreadable-cells"]


def test_an_answer_no_better_than_chance_is_none() -> None:
    needed = two_channels(known(accuracy_without=(0.9, 0.5), chance=0.5))
    with pytest.raises(SeriesError, match="Without 'other' the model did no better than chance"):
        answer_series(needed, half_empty(), make_config())


def test_fewer_than_half_of_the_channels_are_too_few() -> None:
    nothing = Series(np.full((50, 2), np.nan), TimeAxis.of_rows(50))
    with pytest.raises(SeriesError, match="Only 0 of 2 channels have values: 'value', 'other' hold no value"):
        answer_series(two_channels(None), nothing, make_config())


def test_a_recording_unlike_the_known_ones_lowers_the_score() -> None:
    (doubt,) = answer_series(two_channels(known(scale_limit=0.1)), wave(50.0), make_config()).doubts
    assert doubt.kind == "value-range"
    assert doubt.effect is Effect.UNSURE


def wave(size: float) -> Series:
    values = size * np.sin(np.arange(800).reshape(400, 2) / 30)
    return Series(values, TimeAxis.of_rows(400))


@pytest.mark.parametrize("step", [0.5, 1.0, 2.0])
def test_a_recording_of_another_rate_is_resampled_and_its_segments_are_put_back(step: float) -> None:
    card = known(varied=(True,), filled=(True,), scales=((0.0,),) * 3, log_step=0.0, step_limit=0.3)
    segmenter = Segmenter.load(make_model(kind="threshold"))
    config = msgspec.structs.replace(segmenter.card.label_config, time_column="time")
    segmenter.card = msgspec.structs.replace(segmenter.card, known=card, label_config=config)
    rows = np.arange(0, len(VALUES), step).astype(int)
    changed = Series(VALUES[rows], TimeAxis(np.arange(len(rows), dtype=np.float64) * step))
    found = answer_series(segmenter, changed, make_config())
    bounds = [(each.first * step, (each.last + 1) * step) for each in found.segments]
    assert np.array(bounds) == pytest.approx(np.array([(100, 180), (250, 300)]), abs=2)
    assert [doubt.kind for doubt in found.doubts] == ([] if step == 1 else ["sampling-rate"])
    assert (found.score <= UNSURE_SCORE) == (step != 1)


def chooses_by_length() -> ChoiceModel:
    """The longer a recording is than 100 rows, the likelier it is long."""
    count = feature_count(channels=1, classes=3)
    place = count - 3 - 1  # the logarithm of the rows, in front of the classes
    row = tuple(8.0 if number == place else 0.0 for number in range(2 * count))
    decision = Decision(
        options=("short", "long"),
        weights=((0.0,) * (2 * count), row),
        bias=(0.0, 0.0),
        recordings=20,
        accuracy=1.0,
        standard_error=0.0,
        commonest=0.5,
    )
    tag = LearnedTag(from_name="length", decisions=(decision,))
    return ChoiceModel(center=(float(np.log(100)),) * count, scale=(1.0,) * count, tags=(tag,))


def test_choices_stand_beside_the_segments_and_leave_the_score_as_it_is() -> None:
    without = Segmenter.load(make_model(kind="threshold"))
    segmenter = Segmenter.load(make_model(kind="threshold", choices=chooses_by_length()))
    length = ChoiceTag(from_name="length", choices=("short", "long"))
    config = msgspec.structs.replace(make_config(), choice_tags=(length,))
    found = answer_series(segmenter, series(), config)
    assert [(each.from_name, each.choices) for each in found.chosen] == [("length", ("long",))]
    assert found.chosen[0].score > 0.99
    assert found[:3] == answer_series(without, series(), config)[:3]
    short = Series(VALUES[:50], TimeAxis.of_rows(50))
    assert answer_series(segmenter, short, config).chosen[0].choices == ("short",)
    # nothing is chosen in an open task, nor where the configuration has no such tag
    assert answer_series(segmenter, series(), config, given=GivenSegments((), ())).chosen == ()
    assert answer_series(segmenter, series(), make_config()).chosen == ()
    renamed = msgspec.structs.replace(length, choices=("short", "extended"))
    gone = answer_series(segmenter, series(), msgspec.structs.replace(config, choice_tags=(renamed,)))
    assert gone.chosen == ()
    assert [doubt.kind for doubt in gone.doubts] == ["missing-choice"]
    assert gone.score == found.score
