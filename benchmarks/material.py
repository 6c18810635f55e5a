"""What the benchmarks run on: simulated recordings as CSV, and models of them, exported by training's exporter.

The speed of a forward pass does not depend on what a network has learned, but decoding does: the networks are fitted
for a second, so that they find about as many segments and events as there are.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from shared.labelling.label_config import parse_label_config
from shared.labelling.snapshots import Snapshot
from shared.model_file.card import Head, InstantHead, ModelCard, ModelMetrics, RangeHead
from shared.segmentation.windows import window_starts
from training.fitting.dataset import Statistics, normalise
from training.fitting.export import export_model
from training.fitting.network import CONTEXT, EXPERT_SIZE, WIDTHS, Network

Kind = Literal["ranges", "instants", "two", "dated", "wide"]
KINDS: tuple[Kind, ...] = ("ranges", "instants")  # of most tables; the others are ranges, `dated` with dates as times

CHANNELS: dict[Kind, int] = {"ranges": 6, "instants": 2, "two": 2, "dated": 2, "wide": 32}
RANGE_LABELS = ("PEN", "ABD", "FEL", "IR", "ER", "ROW")
TIME_FORMAT = "%Y-%m-%d %H:%M:%S.%L"  # of `dated`
BEGIN = np.datetime64("2026-01-01T00:00:00.000")
HIDDEN = 64  # units of each LSTM layer and direction
PART = 10_000  # rows of a recording before it repeats
STEPS = 150


def labels_of(kind: Kind) -> tuple[str, ...]:
    """Labels of the head."""
    return ("Normal", "PVC") if kind == "instants" else RANGE_LABELS


def label_config(kind: Kind, value_type: str = "url") -> str:
    """XML of a labelling configuration with a time column."""
    labels = "".join(f'<Label value="{each}"/>' for each in labels_of(kind))
    time_format = f' timeFormat="{TIME_FORMAT}"' if kind == "dated" else ""
    channels = "".join(f'<Channel column="c{index}"/>' for index in range(CHANNELS[kind]))
    return (
        f'<View><TimeSeriesLabels name="label" toName="ts">{labels}</TimeSeriesLabels>'
        f'<TimeSeries name="ts" valueType="{value_type}" value="$csv_url" sep="," timeColumn="time"{time_format}>'
        f"{channels}</TimeSeries></View>"
    )


def simulate(kind: Kind) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Values [10,000, channels] and classes of the head [10,000].

    Ranges: exercises of 40 to 200 rows that differ in rhythm and size. Instants: beats every 65 rows or so, one in
    eight a wide one.
    """
    rng = np.random.default_rng(0)
    channels, classes = CHANNELS[kind], np.zeros(PART, np.int64)
    values = 0.1 * rng.standard_normal((PART, channels))
    row = 0
    while row < PART:
        if kind == "instants":
            row += int(rng.integers(55, 75))
            label = 1 + int(rng.random() < 0.125)
            around = np.arange(max(row - 12, 0), min(row + 13, PART))
            values[around] += (2 * np.exp(-np.square((around - row) / (1.5 * label**2))))[:, None]
            classes[max(row - 3, 0) : row + 4] = label
        else:
            end, label = row + int(rng.integers(40, 200)), int(rng.integers(7))
            at = np.arange(row, min(end, PART))[:, None]
            values[row:end] += (0.3 + 0.3 * label) * np.sin(at * (0.2 + 0.15 * label) + np.arange(channels))
            classes[row:end] = label
            row = end
    return values, classes


def csv_parts(rows: int, kind: Kind) -> Iterator[bytes]:
    """A recording piece by piece: a time at 10 Hz and channels with five decimals."""
    yield ("time," + ",".join(f"c{index}" for index in range(CHANNELS[kind])) + "\n").encode()
    lines = [",".join(row) for row in np.char.mod("%.5f", simulate(kind)[0]).tolist()]
    for first in range(0, rows, PART):
        some = range(first, min(first + PART, rows))
        times = [f"{row / 10:.1f}" for row in some]
        if kind == "dated":
            dates = np.datetime_as_string(BEGIN + np.array(some) * np.timedelta64(100, "ms")).tolist()
            times = [each.replace("T", " ") for each in dates]
        yield "".join([f"{time},{line}\n" for time, line in zip(times, lines, strict=False)]).encode()


def csv_bytes(rows: int, kind: Kind) -> bytes:
    """The whole recording."""
    return b"".join(csv_parts(rows, kind))


def make_card(kind: Kind, *, number: int = 0, project: int = 1) -> ModelCard:
    """The `number`-th version (0 to 59), of the shape that training chooses on the sets this project is measured on."""
    channels = CHANNELS[kind]
    downsampling = 1 if kind == "instants" else 4
    head: Head
    if kind == "instants":
        head = InstantHead(labels=labels_of(kind), spacing=(17, 17), threshold=(0.3, 0.3), half_width=7)
    else:
        head = RangeHead(labels=labels_of(kind), min_rows=(20,) * (1 + len(labels_of(kind))))
    return ModelCard(
        version=f"20260101T0000{number:02}Z-{number:06x}",
        created_at="2026-01-01T00:00:00+00:00",
        project=project,
        label_config=parse_label_config(label_config(kind)),
        heads=(head,),
        window=downsampling * 100 if downsampling > 1 else 200,
        stride=downsampling * 75 if downsampling > 1 else 150,
        downsampling=downsampling,
        channel_mean=(0.0,) * channels,
        channel_std=(1.5,) * channels,
        metrics=ModelMetrics(how="not judged", recordings=0),
        snapshot=Snapshot(
            taken_at=f"2026-01-01T00:00:{number:02}+00:00",
            newest="",
            tasks=1,
            annotations=1,
            digest=str(number),
            fingerprint="",
        ),
    )


@lru_cache
def make_network(kind: Kind) -> Network:
    """A network of the shape that training fits, after a second of it."""
    card = make_card(kind)
    values, classes = simulate(kind)
    features, targets = torch.from_numpy(normalise(values, _statistics(card))), torch.from_numpy(classes)
    torch.manual_seed(0)
    network = Network(
        2 * CHANNELS[kind], card.class_count, HIDDEN, card.downsampling, 0 if kind == "instants" else card.class_count
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(STEPS):
        rows = torch.randint(PART - card.window, (8, 1)) + torch.arange(card.window)
        loss = functional.cross_entropy(network(features[rows]).flatten(0, 1), targets[rows].flatten())
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return network.eval()


def make_model(kind: Kind, *, number: int = 0, project: int = 1) -> bytes:
    """A sealed model file, made by the exporter of training."""
    card = make_card(kind, number=number, project=project)
    return export_model(make_network(kind), _statistics(card), card)


def _statistics(card: ModelCard) -> Statistics:
    return Statistics(np.array(card.channel_mean), np.array(card.channel_std))


def flop_a_row(kind: Kind, rows: int) -> float:
    """Multiplications and additions of one row's forward pass, overlaps of windows included [FLOP].

    LSTM: 2 directions x 4 gates x (inputs + hidden) x hidden multiply-adds a step and layer; convolution and head; the
    linear layers of the experts. What pools, normalises and mixes is left out.
    """
    card, inputs = make_card(kind), 2 * CHANNELS[kind]
    layers = 2 * 4 * HIDDEN * ((HIDDEN + HIDDEN) + (2 * HIDDEN + HIDDEN))
    step = (card.downsampling + CONTEXT) * inputs * HIDDEN + layers + 2 * HIDDEN * card.downsampling * card.class_count
    if kind != "instants":
        step += 2 * EXPERT_SIZE * (4 * len(WIDTHS) * inputs + card.class_count)
    length = min(card.window, rows)
    steps = len(window_starts(rows, length, card.stride)) * -(-length // card.downsampling)
    return 2.0 * step * steps / rows


def batch(urls: list[str], kind: Kind, project: int = 1) -> bytes:
    """Body of /predict with one task for each address."""
    tasks = [{"id": number, "data": {"csv_url": url}, "project": project} for number, url in enumerate(urls, 1)]
    body = {"tasks": tasks, "project": f"{project}.1", "label_config": label_config(kind), "params": {}}
    return msgspec.json.encode(body)
