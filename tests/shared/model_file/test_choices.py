from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from shared.errors import ModelError
from shared.model_file.card import decode_card, encode_card
from shared.model_file.choices import ChoiceModel, Decision, LearnedTag
from shared.segmentation.segmenter import Segmenter
from tests.support.graphs import make_card, make_model

GOOD: dict[str, Any] = {
    "options": ["good", "bad"], "weights": [[0.5, 0.1], [-0.5, 0.2]], "bias": [0, 1], "recordings": 9, "accuracy": 1,
    "standard_error": 0, "commonest": 0.5,
}  # fmt: skip


def stored(**changes: Any) -> dict[str, Any]:
    return {"center": [1.0], "scale": [2.0], "tags": [{"from_name": "q", "decisions": [GOOD | changes]}]}


def test_a_card_keeps_its_choices_and_older_ones_have_none() -> None:
    choices = msgspec.convert(stored(), ChoiceModel)
    card = replace(make_card(), choices=choices)
    assert decode_card(encode_card(card)).choices == choices
    older = msgspec.json.decode(encode_card(make_card()))
    del older["choices"]
    assert decode_card(msgspec.json.encode(older)) == make_card()


@pytest.mark.parametrize(
    "changes",
    [
        {"options": ["good", "good"]},
        {"bias": [0]},
        {"weights": [[0.5], [0.5]]},
        {"weights": [[0.5, 1e300], [0.5, 0.5]]},
        {"temperature": 0},
    ],
)
def test_weights_that_cannot_be_used_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(stored(**changes), ChoiceModel)


def test_a_model_whose_choices_need_other_features_is_refused() -> None:
    decision = msgspec.convert(GOOD, Decision)
    tag = LearnedTag(from_name="q", decisions=(decision,))
    choices = ChoiceModel(center=(1.0,), scale=(2.0,), tags=(tag,))
    with pytest.raises(ModelError, match="chooses by 1 features of a recording"):
        Segmenter.load(make_model(choices=choices))
