"""How often the gate errs: rejects a candidate that is as good as the champion, accepts one that is worse.

`python -m research.gate_simulation`.
Recordings of SEGMENTS segments are simulated, and what two models make of them: a segment
is wrong as a whole (another label), recordings differ in how hard they are, and both models err on the same segments
for a part, as two fits of one recipe do. The verdicts are those of training/judging/gate.py itself.
"""

import argparse
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.labelling.segments import Segment
from shared.labelling.time_axis import TimeAxis
from shared.recordings.series import Series
from training.data.annotations import AnnotatedSeries, LabelKinds, Recording, label_rows
from training.judging.evaluate import HeldOutPrediction
from training.judging.gate import Reference, pass_gate

RECORDINGS = (3, 5, 10, 20)
WORSE = (0.0, 0.05, 0.10, 0.20)  # of balanced accuracy
LABELS = ("a", "b", "c", "d", "e", "f")
SEGMENTS, ROWS = 6, 50  # of a recording; of a segment: as in `watch`
ERRORS = 0.10  # share of the champion's segments that are wrong
HARD = 3.0  # the smaller, the more recordings differ: errors are drawn from Beta(HARD · errors, HARD · (1 − errors))
COMMON = 0.5  # share of the champion's errors that are errors of the candidate, too
NO_PROBABILITIES = np.zeros((0, 1 + len(LABELS)), np.float32)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m research.gate_simulation", description=__doc__.split("\n")[0])
    parser.add_argument("--draws", type=int, default=400, help="simulated runs for each cell (default: 400)")
    draws = parser.parse_args(arguments).draws
    print(f"Share of candidates that the gate rejects, {draws} simulated runs a cell (standard error at most .025).\n")
    print("| recordings | " + " | ".join(f"{each:.2f} worse" if each else "as good" for each in WORSE) + " |")
    print("|---|" + "---|" * len(WORSE))
    for count in RECORDINGS:
        random = np.random.default_rng(count)
        shares = [np.mean([not accepted(count, worse, random) for _ in range(draws)]) for worse in WORSE]
        print(f"| {count} | " + " | ".join(f"{share:.3f}" for share in shares) + " |", flush=True)


def accepted(count: int, worse: float, random: np.random.Generator) -> bool:
    """Whether one simulated candidate passes."""
    recordings = [make_recording(number, random) for number in range(count)]
    held_out, candidate = {}, []
    for recording in recordings:
        hard = random.beta(HARD * ERRORS, HARD * (1 - ERRORS))
        missed = random.random(SEGMENTS) < hard
        again = random.random(SEGMENTS) < hard
        wrong = np.where(random.random(SEGMENTS) < COMMON, missed, again)
        wrong |= random.random(SEGMENTS) < worse / (1 - ERRORS)
        held_out[recording.key] = (recording.rows, say(recording, missed, random))
        candidate.append(HeldOutPrediction(recording, 0, (), NO_PROBABILITIES, tuple(say(recording, wrong, random))))
    return pass_gate(candidate, [Reference("champion", held_out, b"")], 1.0).accepted


def make_recording(number: int, random: np.random.Generator) -> Recording:
    """Each label once, in any order."""
    marks = tuple(
        Segment(place * ROWS, (place + 1) * ROWS - 1, LABELS[label])
        for place, label in enumerate(random.permutation(SEGMENTS).tolist())
    )
    rows = (SEGMENTS + 1) * ROWS  # the last ones are background
    series = Series(np.zeros((rows, 1)), TimeAxis.of_rows(rows))
    layered = AnnotatedSeries(str(number), str(number), str(number), series, (marks,))
    return label_rows(layered, LabelKinds((LABELS,), (), ()), "background", 0)


def say(recording: Recording, wrong: NDArray[np.bool_], random: np.random.Generator) -> list[Segment]:
    """The segments of a recording, the wrong ones under another label."""
    return [
        Segment(each.first, each.last, str(random.choice([label for label in LABELS if label != each.label])), 0.9)
        if miss
        else each
        for each, miss in zip(recording.segments(), wrong.tolist(), strict=True)
    ]


if __name__ == "__main__":
    main()
