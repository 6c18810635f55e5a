"""What the ablation changes, one thing at a time: fields of the recipes, constants, settings, number of networks."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from unittest import mock

from training.fitting import fit, network
from training.fitting import onnx_graph as graph
from training.planning import decoding_parameters as heads
from training.planning import event_label_prior as event_label_prior
from training.planning import label_sequence_prior as label_sequence_prior
from training.planning.plan import Plan
from training.planning.recipe import ExpertRecipe

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Variant:
    """A change of what is shipped.

    recipe, experts: fields of the recipes. steps: factor of the schedule's steps. constants: by module and name.
    settings: fields. networks: what predicts; `folds` is the mean of three networks, each fitted on two thirds of the
    recordings, instead of one fitted on all.
    """

    recipe: Fields = field(default_factory=dict)
    experts: Fields = field(default_factory=dict)
    constants: tuple[tuple[Any, str, Any], ...] = ()
    settings: Fields = field(default_factory=dict)
    steps: float = 1.0
    networks: Literal["one", "folds"] = "one"

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Constants as this variant wants them."""
        with ExitStack() as stack:
            for module, name, value in self.constants:
                stack.enter_context(mock.patch.object(module, name, value))
            if self.experts:
                changed = replace(ExpertRecipe(), **self.experts)
                stack.enter_context(mock.patch.object(fit, "EXPERTS", changed))
            yield

    def plan(self, plan: Plan) -> Plan:
        """The plan under this variant's recipe."""
        return replace(plan, recipe=replace(plan.recipe, **self.recipe))


def mix(lstm: float, expert: float) -> tuple[tuple[Any, str, Any], ...]:
    """Shares of the opinions that make a range model."""
    return tuple(
        (module, name, value)
        for module in (network, graph)
        for name, value in (("LSTM_SHARE", lstm), ("EXPERT_SHARE", expert))
    )


COMMON = {
    "as shipped": Variant(),
    "half the steps": Variant(steps=0.5),
    "twice the steps": Variant(steps=2.0),
    "no windows as parts": Variant(recipe={"parts": 0.0}),
    "no class weights": Variant(settings={"use_class_weights": False}),
    "networks of three folds": Variant(networks="folds"),
}
RANGES = COMMON | {
    "labels by rows alone": Variant(constants=((label_sequence_prior, "LEAST_RECORDINGS", 10**9),)),
    "LSTM alone": Variant(constants=mix(1.0, 0.0)),
    "experts alone": Variant(constants=mix(0.0, 0.5)),
    "LSTM .6, experts .2 each": Variant(constants=mix(0.6, 0.2)),
    "no time warp": Variant(recipe={"warp": 0.0}),
    "noise .2": Variant(recipe={"noise": 0.2}),
    "gain and level .2": Variant(recipe={"gain": 0.2, "offset": 0.2}),
    "weight decay .01": Variant(recipe={"weight_decay": 0.01}),
    "averaged weights": Variant(recipe={"averaging": 0.98}),
    "always a balanced half": Variant(recipe={"rare": 10.0}),
    "no downsampling": Variant(constants=((heads, "STEMS", (1,)),)),
    "served as short as fitted": Variant(constants=((heads, "RANGE_MULTIPLE", 1),)),
    "half the hidden units": Variant(settings={"hidden_size": 32}),
    "experts without dropout": Variant(constants=((network, "FEATURE_DROPOUT", 0.0), (network, "HIDDEN_DROPOUT", 0.0))),
    "experts twice as long": Variant(experts={"steps": 2 * ExpertRecipe().steps}),
}
INSTANTS = COMMON | {
    "labels event by event": Variant(constants=((event_label_prior, "LEAST_RECORDINGS", 10**9),)),
    "last weights": Variant(recipe={"averaging": 0.0}),
    "no bound on inflation": Variant(recipe={"most_inflation": 1e9}),
    "no balanced half": Variant(recipe={"rare": 0.0}),
    "no gain, no level": Variant(recipe={"gain": 0.0, "offset": 0.0}),
    "no noise": Variant(recipe={"noise": 0.0}),
    "gain, level, noise half as large": Variant(recipe={"gain": 0.2, "offset": 0.2, "noise": 0.1}),
    "time warp .3": Variant(recipe={"warp": 0.3}),
    "weight decay .3": Variant(recipe={"weight_decay": 0.3}),
    "fitted on windows as long as served": Variant(recipe={"most_fit_rows": 10**9}),
    "targets half as wide": Variant(constants=((heads, "WIDTH_SHARE", 0.05),)),
    "threshold .5": Variant(constants=((heads, "THRESHOLD", 0.5),)),
    "half the hidden units": Variant(settings={"hidden_size": 32}),
}
