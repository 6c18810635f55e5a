"""Of several series: what becomes of the whole where one is worse, or of no use."""

from types import SimpleNamespace
from typing import Any, cast

from tests.support.graphs import make_config
from training.commands.assemble import _verdict
from training.commands.run import _without_useless
from training.commands.series_run import TrainedSeries
from training.judging.gate import Verdict

GOOD, WORSE = Verdict(True, "Against v1: +0.01."), Verdict(False, "its balanced accuracy -0.300 against v1")


def trained(name: str, verdict: Verdict, *, is_new: bool = False) -> TrainedSeries:
    config = make_config()
    data = SimpleNamespace(config=SimpleNamespace(to_name=name, sets=config.sets))
    nothing = cast(Any, None)
    return TrainedSeries(cast(Any, data), nothing, nothing, nothing, verdict, is_new, nothing)


def test_no_series_may_get_clearly_worse() -> None:
    assert _verdict([trained("acc", GOOD), trained("lux", GOOD)]).accepted
    verdict = _verdict([trained("acc", GOOD), trained("lux", WORSE)])
    assert not verdict.accepted
    assert verdict.reason == "of the series 'lux', its balanced accuracy -0.300 against v1"
    assert _verdict([trained("acc", WORSE)]) == WORSE, "a project with one series hears what it heard before"


def test_a_first_model_of_no_use_is_left_out_unless_it_is_all_there_is() -> None:
    acc, lux = trained("acc", GOOD), trained("lux", WORSE, is_new=True)
    assert _without_useless([acc, lux]) == [acc]
    assert _without_useless([lux]) == [lux]
    worse = trained("lux", WORSE)
    assert _without_useless([acc, worse]) == [acc, worse], "it serves already: the whole is rejected"
