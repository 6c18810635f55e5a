"""Whether decoding loses a rare short class that the rows show: simulated rows, F1 of the class before and after.

`python -m research.rare_classes [--before]`. Recordings of three long classes, between background or not, and a rare
one of 10 to 30 rows in half of them: alone, in a pair, or shortly before or after another segment. Parameters of
decoding are learned from 14 recordings; rows of 10 others are simulated: gain for the true class, noise of a standard
deviation that neighbours share by a correlation. `--before`: rows are sure at 3 nats only, and are never made louder.
"""

import argparse
from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from shared.labelling.segments import Segment
from shared.labelling.time_axis import TimeAxis
from shared.model_file.card import RangeHead
from shared.recordings.series import Series
from shared.segmentation import duration_filter, label_sequence_prior
from shared.segmentation.range_decoder import RangeDecoder
from training.data.annotations import AnnotatedSeries, choose_label_kinds, label_rows
from training.planning.decoding_parameters import learn_heads

LABELS = ("a", "b", "c", "rare")
RARE = len(LABELS)
ROWS, LEARNED_FROM, EVALUATED, WORLDS = 3000, 14, 10, 6
LEVELS = ((6, 1.2, 0.5), (4, 1.5, 0.8), (2.5, 0.8, 0.9), (2, 0.6, 0.9), (2, 0.4, 0.95), (1.5, 0.3, 0.97))
BLUR = 5  # rows
RELUCTANCE = 0.3  # nats against the rare class

Integers = NDArray[np.int64]
Floats = NDArray[np.float32]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m research.rare_classes", description=__doc__.split("\n")[0])
    parser.add_argument("--before", action="store_true", help="rows are sure by one measure in every recording")
    if parser.parse_args(arguments).before:
        duration_filter.SURE_SHARE, label_sequence_prior.LOUD = float("inf"), 1e-9
    print("| | gain, noise, correlation | rare, by rows | without prior | with prior | macro F1, by rows | decoded |")
    print("|---|---|---|---|---|---|---|")
    for background in (True, False):
        for level in LEVELS:
            found = np.mean([measure(seed, background, *level) for seed in range(WORLDS)], axis=0)
            cells = [f"{each:.3f}" for each in found[[0, 2, 4, 1, 5]].tolist()]
            name = "background between" if background else "no background"
            print(f"| {name} | {', '.join(map(str, level))} | " + " | ".join(cells) + " |", flush=True)


def measure(seed: int, background: bool, gain: float, noise: float, correlation: float) -> list[float]:
    """F1 of the rare class and mean F1 of all: by rows, without prior, with it."""
    random = np.random.default_rng(seed)
    head = learn([draw(random, background) for _ in range(LEARNED_FROM)])
    true = [draw(random, background) for _ in range(EVALUATED)]
    rows = [simulate(random, each, gain, noise, correlation) for each in true]
    without = replace(head, label_sequence_prior=None)
    ways = [[each.argmax(axis=1) for each in rows]] + [[decode(way, each) for each in rows] for way in (without, head)]
    classes = range(0 if background else 1, 1 + len(LABELS))
    found = []
    for way in ways:
        f1 = {each: class_f1(np.concatenate(true), np.concatenate(way), each) for each in classes}
        found += [f1[RARE], float(np.mean(list(f1.values())))]
    return found


def draw(random: np.random.Generator, background: bool) -> Integers:
    """The class of every row of a recording."""
    parts: list[tuple[int, float]] = []
    while sum(rows for _, rows in parts) < ROWS:
        label = int(random.integers(1, RARE))
        if background:
            parts.append((0, 98 + random.gamma(2, 100)))
        elif parts and parts[-1][0] == label:
            label = label % (RARE - 1) + 1
        parts.append((label, 80 + random.gamma(2, 60)))
    if random.random() < 0.5:
        hosts = [place for place, (label, _) in enumerate(parts[:-1]) if place and (label == 0) == background]
        place = int(random.choice(hosts))
        host, rows = parts[place]
        lengths = random.integers((12, 12, 12), (31, 40, 31)).tolist()
        rare: list[tuple[int, float]] = list(zip((RARE, host, RARE), lengths, strict=True))
        kinds = ([(host, rows / 2), *rare, (host, rows / 2)], [(host, rows), *rare[:2]], [*rare[1:], (host, rows)])
        parts[place : place + 1] = kinds[int(random.integers(3))]
    return np.concatenate([np.full(int(rows), label, np.int64) for label, rows in parts])


def learn(recordings: Sequence[Integers]) -> RangeHead:
    """What decoding learns from these annotations."""
    layered = []
    for number, classes in enumerate(recordings):
        series = Series(np.zeros((len(classes), 1)), TimeAxis.of_rows(len(classes)))
        firsts = np.flatnonzero(np.diff(classes, prepend=-1)).tolist()
        segments = tuple(
            Segment(first, end - 1, LABELS[classes[first] - 1])
            for first, end in zip(firsts, [*firsts[1:], len(classes)], strict=True)
            if classes[first]
        )
        layered.append(AnnotatedSeries(str(number), str(number), str(number), series, (segments,)))
    kinds = choose_label_kinds(layered, LABELS)
    (head,) = learn_heads([label_rows(each, kinds, "background", 0) for each in layered], kinds)
    if not isinstance(head, RangeHead):
        raise TypeError("the simulated labels are ranges")
    return head


def simulate(random: np.random.Generator, classes: Integers, gain: float, noise: float, correlation: float) -> Floats:
    """Probabilities [rows, classes]."""
    wanted = np.eye(1 + len(LABELS))[classes]
    padded = np.pad(wanted, ((BLUR // 2, BLUR // 2), (0, 0)), "edge")
    blurred = np.lib.stride_tricks.sliding_window_view(padded, BLUR, axis=0).mean(axis=-1)
    state, own = random.normal(size=1 + len(LABELS)), np.sqrt(1 - correlation**2)
    drift = np.empty_like(wanted)
    for row, fresh in enumerate(random.normal(size=wanted.shape)):
        state = correlation * state + own * fresh
        drift[row] = state
    logits = gain * blurred + noise * drift
    logits[:, RARE] -= RELUCTANCE
    raised = np.exp(logits)
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)


def decode(head: RangeHead, probabilities: Floats) -> Integers:
    """The class of every row after decoding."""
    decoder = RangeDecoder(head)
    decoder.add(probabilities)
    found = np.zeros(len(probabilities), np.int64)
    for each in decoder.finish():
        found[each.first : each.last + 1] = 1 + LABELS.index(each.label)
    return found


def class_f1(true: Integers, found: Integers, label: int) -> float:
    """F1 of rows of one class."""
    hits = np.count_nonzero((true == label) & (found == label))
    return float(2 * hits / max(np.count_nonzero(true == label) + np.count_nonzero(found == label), 1))


if __name__ == "__main__":
    main()
