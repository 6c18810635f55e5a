"""What an LSTM of 8 bits would give in serving: speed, rows decoded otherwise, metrics on held-out recordings.

`python -m research.int8 --tasks EXPORT.json --label-config CONFIG.xml [--seeds 0,1]`. The folds of each seed are fitted
once and exported as they would serve; the dynamic quantisation of onnxruntime then makes of each a graph whose LSTMs,
or LSTMs and matrices, compute in int8. All graphs predict what their fold holds out, in turns.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import torch
from onnxruntime.quantization import quantize_dynamic

from benchmarks.measure import say_where, table
from research.ablation import Quiet, training_part
from research.compare_peers import Material
from shared.model_file.onnx_file import read_metadata
from shared.model_file.probe import decode_probe
from shared.segmentation.segmenter import Segmenter
from shared.segmentation.sessions import make_session
from shared.settings import Settings
from training.fitting.trainer import Trainer
from training.judging.cross_validation import score_with
from training.judging.evaluate import HeldOutPrediction, decode
from training.planning.plan import make_plan

PRECISIONS = {"float": (), "int8 LSTM": ("LSTM",), "int8 LSTM, matrices": ("LSTM", "MatMul", "Conv")}
METRICS = ("macro_f1", "segment_f1_50", "event_f1", "accuracy")
TURNS = 3


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table."""
    parser = argparse.ArgumentParser(prog="python -m research.int8", description=__doc__.split("\n")[0])
    parser.add_argument("--tasks", type=Path, required=True, help="JSON export of Label Studio")
    parser.add_argument("--label-config", type=Path, required=True, help="its labelling configuration (XML)")
    parser.add_argument("--seeds", default="0", help="separated by commas (default: 0)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    say_where("python -m research.int8")
    material = training_part(options.tasks, options.label_config)
    rows = [row for seed in options.seeds.split(",") for row in measure(material, int(seed))]
    head = [
        "seed",
        "precision",
        "CPU s",
        "times faster",
        "off the probe",
        "rows decoded otherwise",
        *METRICS,
        "operators new",
    ]
    table(head, rows)


def measure(material: Material, seed: int) -> list[list[object]]:
    """A row of the table for each precision."""
    settings = replace(Settings.from_environment(), seed=seed)
    plan = make_plan(list(material.recordings.values()), material.kinds, settings, {})
    trainer = Trainer(plan, material.data.config, settings, Quiet())
    seconds = dict.fromkeys(PRECISIONS, 0.0)
    off = dict.fromkeys(PRECISIONS, 0.0)
    added: dict[str, set[str]] = {name: set() for name in PRECISIONS}
    found: dict[str, list[HeldOutPrediction]] = {name: [] for name in PRECISIONS}
    for number, split in enumerate(plan.splits):
        steps = plan.first_steps(settings.train_epochs)
        model = trainer.fit(split.training, steps, number + 1, "").without_event_expert()
        data = trainer.export(model, trainer.draft_card())
        probe = decode_probe(read_metadata(data)["probe"])
        segmenters = {}
        for name, operators in PRECISIONS.items():
            graph = quantised(data, operators) if operators else data
            segmenters[name] = Segmenter(Segmenter.load(data).card, make_session(graph, threads=1))
            added[name] |= operators_of(graph) - operators_of(data)
            given = segmenters[name].run(probe.windows, probe.center, probe.scale)
            off[name] = max(off[name], float(np.abs(given - probe.probabilities).max()))
        for recording in split.held_out:
            least = dict.fromkeys(PRECISIONS, np.inf)
            for turn in range(TURNS):
                for name in list(PRECISIONS)[:: -1 if turn % 2 else 1]:
                    begin = time.process_time()
                    probabilities = segmenters[name].probabilities(recording.series)
                    least[name] = min(least[name], time.process_time() - begin)
                    if not turn:
                        heads = segmenters[name].card.heads
                        decoded = tuple(decode(heads, probabilities))
                        found[name].append(HeldOutPrediction(recording, number, heads, probabilities, decoded))
            for name, spent in least.items():
                seconds[name] += spent
    rows: list[list[object]] = []
    for name, predictions in found.items():
        metrics = score_with(plan, predictions).metrics()
        shown = [f"{metrics[each]:.4f}" if each in metrics else "" for each in METRICS]
        rows.append(
            [seed, name, f"{seconds[name]:.2f}", f"{seconds['float'] / seconds[name]:.2f}", f"{off[name]:.2g}",
             f"{otherwise(found['float'], predictions):.4%}", *shown, ", ".join(sorted(added[name]))]
        )  # fmt: skip
    return rows


def quantised(data: bytes, operators: Sequence[str]) -> bytes:
    """The graph with the weights of these operators in int8, what goes into them quantised as it comes."""
    with TemporaryDirectory() as name:
        source, target = Path(name) / "float.onnx", Path(name) / "int8.onnx"
        source.write_bytes(data)
        quantize_dynamic(source, target, op_types_to_quantize=list(operators), per_channel=True)
        return target.read_bytes()


def operators_of(data: bytes) -> set[str]:
    """Operators of a graph, those of other domains under their name."""
    return {".".join(filter(None, (each.domain, each.op_type))) for each in onnx.load_from_string(data).graph.node}


def otherwise(left: Sequence[HeldOutPrediction], right: Sequence[HeldOutPrediction]) -> float:
    """Share of rows whose labels differ between two lists of predictions of the same recordings."""
    differing = rows = 0
    for one, other in zip(left, right, strict=True):
        marks: list[dict[Any, set[int]]] = []
        for each in (one, other):
            held: dict[Any, set[int]] = {}
            for segment in each.segments:
                held.setdefault(segment.label, set()).update(range(segment.first, segment.last + 1))
            marks.append(held)
        labels = marks[0].keys() | marks[1].keys()
        differing += len(set().union(*(marks[0].get(each, set()) ^ marks[1].get(each, set()) for each in labels)))
        rows += one.recording.series.rows
    return differing / rows


if __name__ == "__main__":
    main()
