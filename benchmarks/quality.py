"""How good are the segments, beside what a user could pick instead? `python -m benchmarks.quality --help`.

Everything of ours goes through the command line, with defaults: a training on the tasks whose meta.split is train, then
predictions of those whose meta.split is test. Without splits the run is evaluated out of fold, and peers are fitted on
its folds. Metrics are pooled over recordings, then averaged over seeds or draws.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from research.compare_peers import Material, fit_peer, fit_peer_in_folds, judge, read_material, train
from research.peers import PEERS

OURS = "this project"
Rows = list[tuple[str, dict[str, float]]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__.split("\n")[0])
    parser.add_argument("--tasks", type=Path, required=True, help="JSON export of Label Studio")
    parser.add_argument("--label-config", type=Path, required=True, help="its labelling configuration (XML)")
    parser.add_argument("--seeds", type=_numbers, default=[0, 1, 2], help="default: 0,1,2")
    parser.add_argument("--recordings", type=int, default=0, help="train on as many drawn recordings only")
    parser.add_argument("--draws", type=int, default=5, help="how often --recordings are drawn (default: 5)")
    parser.add_argument("--peers", type=_peers, default=[], help=f"also fit these: {','.join(PEERS)}")
    parser.add_argument("--tolerance", type=float, default=0.15, help="s that an event may be off (default: 0.15)")
    parser.add_argument("--beside", type=Path, help="Markdown file that is printed below: known metrics")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    material = read_material(options.tasks, options.label_config)
    rows = _few(material, options) if options.recordings else _all(material, options)
    print(table(rows))
    if options.beside:
        print(options.beside.read_text())
    return 0


def _all(material: Material, options: argparse.Namespace) -> Rows:
    training, test = material.split("train"), material.split("test")
    out_of_fold = not training or not test
    if out_of_fold:
        training, test = list(material.recordings), []
    said = "out of fold" if out_of_fold else f"{len(test)} test recordings"
    print(f"{len(training)} training recordings; evaluated {said}.\n")
    rows: Rows = []
    for seed in options.seeds:
        found = train(material, training, test, seed)
        _keep(rows, f"{OURS}, seed {seed}", judge(material, found, options.tolerance))
        for name in options.peers:
            fit = partial(fit_peer_in_folds, name, material, found.folds) if out_of_fold else partial(
                fit_peer, name, material, training, test
            )  # fmt: skip
            _keep(rows, f"{name}, seed {seed}", judge(material, fit(seed), options.tolerance))
    return rows + [_mean(rows, name) for name in (OURS, *options.peers)]


def _few(material: Material, options: argparse.Namespace) -> Rows:
    training, test = material.split("train"), material.split("test")
    if not test:
        raise SystemExit("--recordings needs tasks whose meta.split says train or test.")
    print(f"{options.recordings} of {len(training)} training recordings, {len(test)} test recordings.\n")
    rows: Rows = []
    for draw in range(options.draws):
        drawn = draw_recordings(training, options.recordings, draw)
        print(f"draw {draw}: tasks {', '.join(drawn)}", file=sys.stderr)
        _keep(rows, f"{OURS}, draw {draw}", judge(material, train(material, drawn, test, draw), options.tolerance))
        for name in options.peers:
            found = fit_peer(name, material, drawn, test, draw)
            _keep(rows, f"{name}, draw {draw}", judge(material, found, options.tolerance))
    return rows + [_mean(rows, name) for name in (OURS, *options.peers)]


def draw_recordings(training: Sequence[str], number: int, draw: int) -> list[str]:
    """As many tasks, without putting back; the same draw gives the same ones."""
    chosen = np.random.default_rng(draw).choice(len(training), number, replace=False)
    return [training[index] for index in sorted(chosen)]


def _keep(rows: Rows, name: str, figures: dict[str, float]) -> None:
    """Add a row and show it at once: a run takes minutes."""
    rows.append((name, figures))
    print(f"{name}: " + ", ".join(f"{key} {value:.4g}" for key, value in figures.items()), file=sys.stderr, flush=True)


def _mean(rows: Rows, name: str) -> tuple[str, dict[str, float]]:
    own = [figures for title, figures in rows if title.startswith(f"{name},")]
    return f"**{name}, mean of {len(own)}**", {key: float(np.mean([each[key] for each in own])) for key in own[0]}


def table(rows: Rows) -> str:
    """Rows as a Markdown table."""
    names = list(rows[0][1])
    lines = ["| | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for title, figures in rows:
        lines.append(f"| {title} | " + " | ".join(_text(name, figures[name]) for name in names) + " |")
    return "\n".join(lines)


def _text(name: str, value: float) -> str:
    if name in ("segments", "true", "events", "true events"):
        return f"{value:.0f}"
    return f"{value:.1f}" if name.endswith((" s", " ms")) else f"{value:.3f}".replace("0.", ".", 1)


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _peers(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(PEERS):
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is none of {', '.join(PEERS)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
