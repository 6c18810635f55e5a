import numpy as np
import pytest

from shared.model_file.choices import ChoiceModel, Decision, LearnedTag
from shared.segmentation.choices import choose
from shared.segmentation.choices.classifier import USUAL, scaled


def decision(options: tuple[str, ...], weight: float, temperature: float = 1.0) -> Decision:
    """The second option is the likelier the more the first of two features is above its centre."""
    return Decision(
        options=options,
        weights=((0.0,) * 4, (weight, 0.0, 0.0, 0.0)),
        bias=(0.0, 0.0),
        temperature=temperature,
        recordings=10,
        accuracy=1.0,
        standard_error=0.0,
        commonest=0.5,
    )


def model(*tags: LearnedTag) -> ChoiceModel:
    return ChoiceModel(center=(10.0, 0.0), scale=(2.0, 0.0), tags=tags)


def test_features_are_counted_in_spreads_and_unknown_ones_say_nothing() -> None:
    center, scale = np.array([10.0, 0.0, 5.0]), np.array([2.0, 0.0, 1.0])
    found = scaled(np.array([14.0, 3.0, np.nan]), center, scale)
    assert found.tolist() == [2, 0, 0, 2 - USUAL, 0, 0]
    assert scaled(np.array([1e300, 0, -1e300]), center, scale)[:3].tolist() == [4, 0, -4]


def test_the_likeliest_option_is_chosen_with_its_probability() -> None:
    tag = LearnedTag(from_name="quality", decisions=(decision(("bad", "good"), 1.0),))
    (good,) = choose(model(tag), np.array([14.0, 0.0]))
    (bad,) = choose(model(tag), np.array([6.0, 0.0]))
    assert (good.choices, bad.choices) == (("good",), ("bad",))
    assert good.score == bad.score == pytest.approx(1 / (1 + np.exp(-2)))
    cool = LearnedTag(from_name="quality", decisions=(decision(("bad", "good"), 1.0, temperature=0.5),))
    assert choose(model(cool), np.array([14.0, 0.0]))[0].score == pytest.approx(1 / (1 + np.exp(-4)))


def test_any_number_is_chosen_where_a_tag_allows_it_and_the_score_is_of_all() -> None:
    noise, gap = decision(("", "noise"), 1.0), decision(("", "gap"), -0.5)
    tag = LearnedTag(from_name="seen", multiple=True, decisions=(noise, gap))
    (found,) = choose(model(tag), np.array([14.0, 0.0]))
    assert found.choices == ("noise",)
    assert found.score == pytest.approx(1 / (1 + np.exp(-2)) / (1 + np.exp(-1)))
    nothing = LearnedTag(from_name="seen", multiple=True, decisions=(decision(("", "noise"), -1.0),))
    assert choose(model(nothing), np.array([14.0, 0.0])) == []
