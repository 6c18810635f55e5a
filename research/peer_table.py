"""Ours beside peers, out of fold, under the same decoding: `python -m research.peer_table FOLDER … --cache FOLDER`.

Each folder holds an export, tasks.json and label_config.xml; tasks whose meta.split is `test` are left out. Every
network is fitted on the folds of a run (ours with the steps of its first schedule); peers get the same targets, and
priors are chosen for each by its own held-out predictions. Row probabilities stay in the cache. A difference is that
from ours, its standard error by a bootstrap over recordings. "ours + NAME" is the geometric mean of both rows;
"NAME for half of the LSTM" is a member of the network: it has half of the say that the LSTM has beside its experts.
"""

import argparse
import pickle
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from research.ablation import Quiet, training_part
from research.compare_peers import Material
from research.peers import PEERS, Floats
from shared.model_file.card import RangeHead
from shared.settings import Settings
from training.fitting.network import EVENT_SHARE, LSTM_SHARE, Network
from training.fitting.trainer import Trainer
from training.judging.cross_validation import HeldOutPredictions, choose_event_expert, score_with
from training.judging.evaluate import HeldOutPrediction, Scores, classes_of, score
from training.judging.gate import paired_differences
from training.planning.decoding_parameters import learn_heads
from training.planning.plan import Plan, make_plan

OURS, WITH_EXPERT, LSTM = "ours", "ours, event expert", "our LSTM alone"
METRICS = ("accuracy", "macro_f1", "segment_f1_50", "event_f1", "min_class_f1")
Rows = dict[str, Floats]  # probabilities by recording


class Table:
    """Row probabilities of one set and seed, fitted where the cache has none, and what decoding makes of them."""

    def __init__(self, folder: Path, seed: int, cache: Path, tolerance: float | None) -> None:
        self._name, self._seed, self._cache = folder.name, seed, cache
        self._material: Material = training_part(folder / "tasks.json", folder / "label_config.xml")
        self._settings = replace(Settings.from_environment(), seed=seed)
        self.plan: Plan = make_plan(list(self._material.recordings.values()), self._material.kinds, self._settings, {})
        axis = self.plan.recordings[0].series.axis
        step = float(np.median(np.diff(axis.times))) / (1000 if axis.time_format else 1)
        self._tolerance = self.plan.tolerance if tolerance is None else tolerance / step

    def found(self, name: str) -> tuple[dict[str, Rows], float]:
        """Probabilities by kind of network, and CPU seconds of a fold, predicting included."""
        file = self._cache / f"{self._name}-{name}-{self._seed}.pickle"
        if not file.exists():
            began = time.process_time()
            with threadpool_limits(1):
                rows = self._ours() if name == OURS else {name: self._peer(name)}
            file.write_bytes(pickle.dumps((rows, (time.process_time() - began) / len(self.plan.splits))))
        known: tuple[dict[str, Rows], float] = pickle.loads(file.read_bytes())
        return known

    def _ours(self) -> dict[str, Rows]:
        trainer = Trainer(self.plan, self._material.data.config, self._settings, Quiet())
        steps = self.plan.first_steps(self._settings.train_epochs)
        found: dict[str, Rows] = {OURS: {}}
        for number, split in enumerate(self.plan.splits):
            model = trainer.fit(split.training, steps, number + 1, "")
            models = {
                OURS: model.without_event_expert(),
                LSTM: replace(model, fit=replace(model.fit, network=lstm_alone(model.fit.network))),
            }
            if model.fit.network.event_expert is not None:
                models[WITH_EXPERT] = model
            for title, each in models.items():
                segmenter = trainer.load(each)
                rows = found.setdefault(title, {})
                rows |= {one.key: segmenter.probabilities(one.series) for one in split.held_out}
        return found

    def _peer(self, name: str) -> Rows:
        found: Rows = {}
        for split in self.plan.splits:
            predicted = PEERS[name](split.training, split.held_out, self._material.kinds, self._seed)
            found |= {one.key: rows for one, rows in zip(split.held_out, predicted, strict=True)}
        return found

    def predictions(self, rows: Rows) -> list[HeldOutPrediction]:
        """Held-out predictions that are still to be decoded."""
        found = []
        for fold, split in enumerate(self.plan.splits):
            heads = learn_heads(split.training, self._material.kinds)
            found += [HeldOutPrediction(one, fold, heads, rows[one.key], ()) for one in split.held_out]
        return found

    def ours(self) -> list[HeldOutPrediction]:
        """What a run would serve: with the event expert where the other folds say so."""
        rows = self.found(OURS)[0]
        plain = self.predictions(rows[OURS])
        return choose_event_expert(
            plain, self.predictions(rows[WITH_EXPERT]) if WITH_EXPERT in rows else [], self.plan
        )[1]

    def as_member(self, theirs: Rows) -> list[HeldOutPrediction]:
        """Ours with a peer for half of the LSTM; held-out recordings choose the event expert again."""
        rows = self.found(OURS)[0]
        variants = [
            [
                replace(each, probabilities=for_half_of_lstm(each, rows[LSTM], theirs, rest))
                for each in self.predictions(rows[name])
            ]
            for name, rest in ((OURS, 1.0), (WITH_EXPERT, 1 - EVENT_SHARE))
            if name in rows
        ]
        return choose_event_expert(variants[0], variants[1] if len(variants) > 1 else [], self.plan)[1]

    def decoded(self, predictions: Sequence[HeldOutPrediction]) -> list[HeldOutPrediction]:
        """The same under the priors that these predictions choose."""
        held_out = HeldOutPredictions()
        held_out.predictions = list(predictions)
        return list(held_out.evaluation(self.plan, 0).predictions)

    def scores(self, predictions: Sequence[HeldOutPrediction], left_out: Sequence[str]) -> Scores:
        """Scores without the tasks that are left out, each recording a group of its own."""
        some = [
            replace(each, recording=replace(each.recording, group=each.recording.key))
            for each in predictions
            if each.recording.key not in left_out
        ]
        return score(some, self._material.kinds, self._tolerance)


def lstm_alone(network: Network) -> Network:
    """The same LSTM without any expert."""
    found = Network(network.convolution.in_channels, network.classes, network.lstm.hidden_size, network.downsampling)
    found.load_state_dict({key: each for key, each in network.state_dict().items() if key in found.state_dict()})
    return found.eval()


def mixed(ours: Sequence[HeldOutPrediction], theirs: Rows) -> list[HeldOutPrediction]:
    """Geometric means of row probabilities, head by head."""
    found = []
    for each in ours:
        parts = [
            softmax((logs(each, each.probabilities, index) + logs(each, theirs[each.recording.key], index)) / 2)
            for index in range(len(each.heads))
        ]
        found.append(replace(each, probabilities=np.concatenate(parts, axis=1)))
    return found


def for_half_of_lstm(each: HeldOutPrediction, lstm: Rows, theirs: Rows, odds_share: float) -> Floats:
    """Rows in which a peer has half of the LSTM's say.

    odds_share: of the LSTM in the odds of any event; what kind of event it is, the LSTM says alone.
    """
    parts = []
    for index, head in enumerate(each.heads):
        own = logs(each, each.probabilities, index)
        before, after = (logs(each, rows[each.recording.key], index) for rows in (lstm, theirs))
        if isinstance(head, RangeHead):
            parts.append(softmax(own + LSTM_SHARE / 2 * (after - before)))
            continue
        odds = event_odds(own) + odds_share / 2 * (event_odds(after) - event_odds(before))
        events = 1 / (1 + np.exp(-odds))
        parts.append(np.concatenate([1 - events, events * softmax((before + after)[:, 1:] / 2)], axis=1))
    found: Floats = np.concatenate(parts, axis=1).astype(np.float32)
    return found


def logs(each: HeldOutPrediction, rows: Floats, index: int) -> Floats:
    """Logarithms of the probabilities of a head."""
    found: Floats = np.log(np.maximum(classes_of(each.heads, index, rows), 1e-9))
    return found


def event_odds(logs_of_classes: Floats) -> Floats:
    """Logarithm of the odds of any event: [rows, classes] ► [rows, 1]."""
    found: Floats = np.logaddexp.reduce(logs_of_classes[:, 1:], axis=1, keepdims=True) - logs_of_classes[:, :1]
    return found


def softmax(logits: NDArray[np.floating[Any]]) -> Floats:
    """Probabilities of each row."""
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: Floats = (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)
    return found


def where_it_pays(
    table: Table, one: Sequence[HeldOutPrediction], other: Sequence[HeldOutPrediction]
) -> list[HeldOutPrediction]:
    """Of two decoded variants, for each fold the one that has the higher macro F1 on the other folds."""
    chosen: list[HeldOutPrediction] = []
    for fold in sorted({each.fold for each in one}):
        first, second = ([each for each in some if each.fold != fold] for some in (one, other))
        better = [score_with(table.plan, some).metrics().get("macro_f1", 0.0) for some in (first, second)]
        chosen += [each for each in (other if better[1] > better[0] else one) if each.fold == fold]
    return chosen


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit what the cache lacks, print a table for each set."""
    parser = argparse.ArgumentParser(prog="python -m research.peer_table", description=__doc__.split("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+", help="tasks.json and label_config.xml in each")
    parser.add_argument("--cache", type=Path, required=True, help="folder for row probabilities")
    parser.add_argument("--seeds", default="0", help="default: 0")
    parser.add_argument("--peers", default=",".join(PEERS), help=f"default: {','.join(PEERS)}")
    parser.add_argument("--mix", default="conformer", help="the peer that ours is mixed with (default: conformer)")
    parser.add_argument("--tolerance", type=float, help="s that an event may be off; default: as runs evaluate")
    parser.add_argument("--doubtful", default="", help="tasks without which a second table is printed")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    options.cache.mkdir(parents=True, exist_ok=True)
    peers = options.peers.split(",")
    for folder in options.folders:
        for seed in map(int, options.seeds.split(",")):
            table = Table(folder, seed, options.cache, options.tolerance)
            shown, seconds = measured(table, peers, options.mix)
            for left_out in filter(None, ["none", options.doubtful]):
                print(f"\n{folder.name}, seed {seed}, left out: {left_out}\n")
                print(as_table(table, shown, seconds, left_out.split(",")))


def measured(
    table: Table, peers: Sequence[str], mix: str
) -> tuple[dict[str, list[HeldOutPrediction]], Mapping[str, float]]:
    """Decoded predictions and CPU seconds by name."""
    plain = table.ours()
    shown, seconds = {OURS: table.decoded(plain)}, {OURS: table.found(OURS)[1]}
    for name in peers:
        rows, seconds[name] = table.found(name)
        shown[name] = table.decoded(table.predictions(rows[name]))
        if name == mix:
            shown[f"{OURS} + {name}"] = table.decoded(mixed(plain, rows[name]))
            member = table.decoded(table.as_member(rows[name]))
            shown[f"{name} for half of the LSTM"] = member
            shown["… where it pays on the other folds"] = where_it_pays(table, shown[OURS], member)
        print(name, "done", flush=True)
    return shown, seconds


def as_table(
    table: Table,
    shown: Mapping[str, Sequence[HeldOutPrediction]],
    seconds: Mapping[str, float],
    left_out: Sequence[str],
) -> str:
    """Metrics, each with its difference from ours and the standard error of that."""
    scored = {name: table.scores(some, left_out) for name, some in shown.items()}
    base = scored[OURS]
    names = [each for each in METRICS if each in base.metrics()]
    lines = ["| | " + " | ".join(names) + " | CPU s a fold |", "|---|" + "---|" * (len(names) + 1)]
    for title, each in scored.items():
        metrics, (differences, errors) = each.metrics(), paired_differences(each, base)
        cells = [f"{metrics[name]:.3f}" for name in names]
        if title != OURS:
            cells = [
                f"{cell} {differences[name]:+.3f} ({errors[name]:.3f})" for cell, name in zip(cells, names, strict=True)
            ]
        cells.append(f"{seconds[title]:.0f}" if title in seconds else "")
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
