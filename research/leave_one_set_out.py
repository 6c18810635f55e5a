"""Constants of decoding, chosen on all sets but one and shown on that one: predictions decoded again, nothing fitted.

`python -m research.leave_one_set_out --cache FOLDER`: a folder of `python -m research.honesty draw --counts 99`, one or
more seeds of each set. The figure of a set is the mean of macro F1 and, where it has ranges, segment F1@50 over all
recordings out of fold, over its seeds. Sets of the same patients (`mitbih`, `mitbih_long`) never choose for each other.
"""

import argparse
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from msgspec.structs import replace as with_fields

from research.honesty_tables import Draw
from shared.model_file.card import Head, InstantHead, RangeHead
from shared.segmentation import duration_filter, event_labelling, label_sequence_prior
from training.judging.evaluate import decode, score
from training.planning.decoding_parameters import DURATION_SHARE
from training.planning.event_label_prior import GAP_NOISE


class Constant(NamedTuple):
    """A constant of decoding, with the values tried. where: a module that has it, or how a head changes by it."""

    name: str
    where: Any
    shipped: float
    values: tuple[float, ...]
    ranges: bool  # or instants


def with_threshold(head: Head, value: float) -> Head:
    """A head whose events need so much evidence."""
    return with_fields(head, threshold=(value,) * len(head.labels)) if isinstance(head, InstantHead) else head


def with_least_durations(head: Head, value: float) -> Head:
    """A head whose least durations are another share of the training segments' 5th percentile."""
    if not isinstance(head, RangeHead):
        return head
    return with_fields(head, min_rows=tuple(max(1, int(each * value / DURATION_SHARE)) for each in head.min_rows))


def with_gap_noise(head: Head, value: float) -> Head:
    """A head with another variance added to log gaps."""
    if not isinstance(head, InstantHead):
        return head
    more = value - GAP_NOISE
    gaps = tuple((one, other, a + more, both, b + more) for one, other, a, both, b in head.event_gaps)
    return with_fields(head, event_gaps=gaps)


CONSTANTS = (
    Constant("least duration, share of the 5th percentile", with_least_durations, 0.5, (0.25, 0.5, 0.75), True),
    Constant("SURE", duration_filter, duration_filter.SURE, (2, 3, 4), True),
    Constant("SURE_SHARE", duration_filter, duration_filter.SURE_SHARE, (0.4, 0.6, 0.75, 0.9), True),
    Constant("EVIDENCE", label_sequence_prior, label_sequence_prior.EVIDENCE, (1, 1.5, 2, 3, 4), True),
    Constant("SURPRISE", label_sequence_prior, label_sequence_prior.SURPRISE, (0.005, 0.02, 0.1), True),
    Constant("LOUD", label_sequence_prior, label_sequence_prior.LOUD, (2, 3, 4, 5), True),
    Constant("threshold of events", with_threshold, 0.3, (0.1, 0.2, 0.3, 0.4, 0.5), False),
    Constant("BLOCK", event_labelling, event_labelling.BLOCK, (20, 30, 40), False),
    Constant("GAP_NOISE", with_gap_noise, GAP_NOISE, (0.02, 0.05, 0.1, 0.2), False),
)
PATIENTS = {"mitbih_long": "mitbih"}  # sets that share them


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m research.leave_one_set_out", description=__doc__.split("\n")[0])
    parser.add_argument("--cache", type=Path, required=True, help="folder for what was predicted")
    files = sorted(parser.parse_args(arguments).cache.glob("*-true.pickle"))
    draws = [each for each in (pickle.loads(file.read_bytes()) for file in files) if not each.others]
    names = sorted({each.name for each in draws})
    print("| constant, shipped | " + " | ".join(names) + " |")
    print("|---|" + "---|" * len(names))
    for constant in CONSTANTS:
        found = {name: figures(constant, [each for each in draws if each.name == name]) for name in names}
        cells = [cell(name, constant, found) for name in names]
        print(f"| {constant.name}, {constant.shipped:g} | " + " | ".join(cells) + " |", flush=True)


def cell(name: str, constant: Constant, found: dict[str, dict[float, float]]) -> str:
    """The value that the other sets choose: its figure here (that of the shipped value; worst and best of all)."""
    own = PATIENTS.get(name, name)
    others = [each for other, each in found.items() if each and PATIENTS.get(other, other) != own]
    if not found[name] or not others:
        return ""

    def merit(value: float) -> tuple[float, bool]:
        return round(float(np.mean([each[value] for each in others])), 4), value == constant.shipped

    chosen = max(constant.values, key=merit)
    worst, best = min(found[name].values()), max(found[name].values())
    return f"{chosen:g}: {found[name][chosen]:.3f} ({found[name][constant.shipped]:.3f}; {worst:.3f}, {best:.3f})"


def figures(constant: Constant, draws: Sequence[Draw]) -> dict[float, float]:
    """The mean figure of a set's draws under each value; {} where the constant has no part in it."""
    some = [each for each in draws if (each.kinds.ranges if constant.ranges else each.kinds.instants)]
    found = {}
    for value in constant.values if some else ():
        with set_to(constant, value) as change:
            found[value] = float(np.mean([figure(each, change) for each in some]))
    return found


@contextmanager
def set_to(constant: Constant, value: float) -> Iterator[Callable[[Head], Head]]:
    """While it lasts decoding has this value; given is how heads change by it."""
    if callable(constant.where):
        yield lambda head: constant.where(head, value)
        return
    with mock.patch.object(constant.where, constant.name, type(constant.shipped)(value)):
        yield lambda head: head


def figure(draw: Draw, change: Callable[[Head], Head]) -> float:
    """Macro F1, and segment F1@50 where there are ranges: their mean."""
    again = []
    for each in draw.held_out:
        heads = tuple(map(change, each.heads))
        again.append(replace(each, heads=heads, segments=tuple(decode(heads, each.probabilities))))
    metrics = score(again, draw.kinds, draw.tolerance).metrics()
    return float(np.mean([metrics[name] for name in ("macro_f1", "segment_f1_50") if name in metrics]))


if __name__ == "__main__":
    main()
