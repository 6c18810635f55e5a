"""What the benchmarks run on: recordings as CSV, and models exported by training with random weights.

Speed does not depend on what a network has learned; how often the label changes does matter for decoding, so the last
layer is scaled until it changes as often as in annotated recordings (about every 100 rows).
"""

from collections.abc import Iterator
from typing import Literal

import msgspec
import numpy as np
import torch

from shared.label_config import parse_label_config
from shared.model_card import Figures, Head, InstantHead, ModelCard, RangeHead, Snapshot
from shared.windows import window_starts
from training.dataset import Statistics
from training.export import export_model
from training.network import Network

Kind = Literal["ranges", "ranges, one network", "instants"]

CHANNELS = {"ranges": 6, "ranges, one network": 6, "instants": 2}
LABELS = {
    "ranges": ("PEN", "ABD", "FEL", "IR", "ER", "ROW"),
    "ranges, one network": ("PEN", "ABD", "FEL", "IR", "ER", "ROW"),
    "instants": ("Normal", "PVC"),
}
MEMBERS = {"ranges": 2, "ranges, one network": 1, "instants": 1}
HIDDEN = 64  # units of each LSTM layer and direction
SHARPER = 20.0  # factor on the weights of the last layer
PART = 10_000  # rows of CSV made at once


def label_config(kind: Kind, value_type: str = "url") -> str:
    """XML of a labelling configuration with a time column."""
    labels = "".join(f'<Label value="{each}"/>' for each in LABELS[kind])
    channels = "".join(f'<Channel column="c{index}"/>' for index in range(CHANNELS[kind]))
    return (
        f'<View><TimeSeriesLabels name="label" toName="ts">{labels}</TimeSeriesLabels>'
        f'<TimeSeries name="ts" valueType="{value_type}" value="$csv_url" sep="," timeColumn="time">{channels}'
        "</TimeSeries></View>"
    )


def csv_parts(rows: int, kind: Kind) -> Iterator[bytes]:
    """A recording of a wrist sensor (or an ECG), piece by piece: a time and channels with five decimals, 10 Hz."""
    channels = CHANNELS[kind]
    yield ("time," + ",".join(f"c{index}" for index in range(channels)) + "\n").encode()
    rng = np.random.default_rng(0)
    at = np.arange(min(rows, PART))[:, None]
    waves = np.sin(at * (0.3 + 0.1 * ((at // 100) % 7)) + np.arange(channels)) * (1 + (at // 100) % 3)
    cells = np.char.mod("%.5f", waves + 0.1 * rng.standard_normal(waves.shape))
    lines = [",".join(row) for row in cells.tolist()]
    for first in range(0, rows, PART):
        some = range(first, min(first + PART, rows))
        yield "".join([f"{row / 10:.1f},{line}\n" for row, line in zip(some, lines, strict=False)]).encode()


def csv_bytes(rows: int, kind: Kind) -> bytes:
    """The whole recording."""
    return b"".join(csv_parts(rows, kind))


def make_card(kind: Kind, *, number: int = 0, project: int = 1) -> ModelCard:
    """The `number`-th version (0 to 59), of the shape that training chooses on the sets this project is judged on."""
    channels = CHANNELS[kind]
    stem = 1 if kind == "instants" else 4
    head: Head
    if kind == "instants":
        head = InstantHead(labels=LABELS[kind], spacing=(17, 17), threshold=(0.3, 0.3), half_width=7)
    else:
        head = RangeHead(labels=LABELS[kind], min_rows=(20,) * (1 + len(LABELS[kind])))
    return ModelCard(
        version=f"20260101T0000{number:02}Z-{number:06x}",
        created_at="2026-01-01T00:00:00+00:00",
        project=project,
        label_config=parse_label_config(label_config(kind)),
        heads=(head,),
        window=200,
        hop=148,
        stem=stem,
        channel_mean=(0.0,) * channels,
        channel_std=(1.5,) * channels,
        figures=Figures(how="not judged", recordings=0),
        snapshot=Snapshot(
            taken_at=f"2026-01-01T00:00:{number:02}+00:00",
            newest="",
            tasks=1,
            annotations=1,
            digest=str(number),
            fingerprint="",
        ),
    )


def make_networks(kind: Kind, members: int | None = None) -> list[Network]:
    """Networks of the shape that training fits, with random weights."""
    torch.manual_seed(0)
    card = make_card(kind)
    found = []
    for _ in range(MEMBERS[kind] if members is None else members):
        network = Network(2 * CHANNELS[kind], card.columns, HIDDEN, card.stem).eval()
        with torch.no_grad():
            columns = network.head.weight[: card.columns]
            network.head.weight.copy_(SHARPER * columns.repeat(card.stem, 1))  # the rows of a step agree, as fitted
            network.head.bias.zero_()
        found.append(network)
    return found


def make_model(kind: Kind, *, number: int = 0, project: int = 1) -> bytes:
    """A sealed model file, made by the exporter of training."""
    card = make_card(kind, number=number, project=project)
    statistics = Statistics(np.array(card.channel_mean), np.array(card.channel_std))
    networks = make_networks(kind)
    return export_model(networks, statistics, card)


def flop_a_row(kind: Kind, rows: int) -> float:
    """Multiplications and additions of one row's forward pass, overlaps of windows included [FLOP].

    LSTM: 2 directions x 4 gates x (inputs + hidden) x hidden multiply-adds a step and layer; convolution and head.
    """
    card, inputs = make_card(kind), 2 * CHANNELS[kind]
    layers = 2 * 4 * HIDDEN * ((HIDDEN + HIDDEN) + (2 * HIDDEN + HIDDEN))
    step = (card.stem + 4) * inputs * HIDDEN + layers + 2 * HIDDEN * card.stem * card.columns
    length = min(card.window, rows)
    steps = len(window_starts(rows, length, card.hop)) * -(-length // card.stem)
    return 2.0 * step * steps * MEMBERS[kind] / rows


def batch(urls: list[str], kind: Kind, project: int = 1) -> bytes:
    """Body of /predict with one task for each address."""
    tasks = [{"id": number, "data": {"csv_url": url}, "project": project} for number, url in enumerate(urls, 1)]
    body = {"tasks": tasks, "project": f"{project}.1", "label_config": label_config(kind), "params": {}}
    return msgspec.json.encode(body)
