"""Where the CPU time of a prediction goes, stage by stage, beside the machine's own limit and the baseline.

`python -m benchmarks.predict [ROWS …]` (default: 1000 10000 100000). In one process and thread; requests
over HTTP are in benchmarks.serve. All cases of a table alternate in one run; times are the least of the repetitions.
"""

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.baseline import Baseline
from benchmarks.material import CHANNELS, KINDS, Kind, csv_bytes, flop_a_row, labels_of, make_model
from benchmarks.measure import Timing, alternate, gemm_rate, make_gemm, make_graph_gemm, milliseconds, say_where, table
from benchmarks.processes import file_server
from inference.serving.protocol import Prediction, encode_results
from shared.label_studio.credentials import Credentials
from shared.label_studio.fetcher import Fetcher
from shared.labelling.regions import to_regions
from shared.model_file.card import InstantHead
from shared.net.connections import Connections
from shared.recordings.series import read_series
from shared.segmentation.instant_decoder import InstantDecoder
from shared.segmentation.normalisation import recording_statistics
from shared.segmentation.range_decoder import RangeDecoder
from shared.segmentation.segmenter import Segmenter
from shared.segmentation.windows import OverlapMean, window_blocks
from shared.settings import Settings

STAGES = ("fetch", "parse", "normalise", "windows", "forward", "overlap", "decode", "JSON")


class Stages:
    """The stages of one recording, each on what the one before has left."""

    def __init__(self, kind: Kind, rows: int, fetcher: Fetcher, url: str) -> None:
        self.segmenter = Segmenter.load(make_model(kind))
        self.card = self.segmenter.card
        self.fetcher, self.url, self.rows = fetcher, url, rows
        self.data = csv_bytes(rows, kind)
        for name in STAGES:
            self.cases()[name]()

    def cases(self) -> dict[str, Callable[[], object]]:
        """Stages by name."""
        return {
            "fetch": self.fetch,
            "parse": self.parse,
            "normalise": self.normalise,
            "windows": self.windows,
            "forward": self.forward,
            "overlap": self.overlap,
            "decode": self.decode,
            "JSON": self.encode,
        }

    def fetch(self) -> None:
        """GET of the CSV."""
        self.body = self.fetcher.fetch(self.url)

    def parse(self) -> None:
        """Bytes ► series."""
        self.series = read_series(self.body, self.card.label_config)

    def normalise(self) -> None:
        """Centre and scale of the recording."""
        mean, std = np.asarray(self.card.channel_mean), np.asarray(self.card.channel_std)
        self.center, self.scale = recording_statistics(self.series.values, mean, std)

    def windows(self) -> None:
        """Blocks of windows."""
        self.blocks = list(window_blocks(self.series.values, self.center, self.card.window, self.card.stride))

    def forward(self) -> None:
        """The graph."""
        center, scale = self.center[None, None], self.scale[None, None]
        self.outputs = [self.segmenter.run(block, center, scale) for block in self.blocks]

    def overlap(self) -> None:
        """Mean of what windows say."""
        mean = OverlapMean(self.rows, self.card.window, self.card.stride)
        self.means = [mean.add(np.concatenate(self.outputs[at : at + 4])) for at in range(0, len(self.outputs), 4)]

    def decode(self) -> None:
        """Probabilities ► segments."""
        (head,) = self.card.heads
        decoder = InstantDecoder(head) if isinstance(head, InstantHead) else RangeDecoder(head)
        for block in self.means:
            decoder.add(block)
        self.segments = decoder.finish()

    def encode(self) -> None:
        """Segments ► body of the answer."""
        regions = to_regions(self.segments, self.series.axis, self.card.label_config)
        self.answer = encode_results([Prediction(result=regions, score=0.5, model_version="1")])

    def whole(self) -> None:
        """All of it as the server does it."""
        series = read_series(self.fetcher.fetch(self.url), self.card.label_config)
        found = self.segmenter.segment(series)
        regions = to_regions(found.segments, series.axis, self.card.label_config)
        encode_results([Prediction(result=regions, score=found.score, model_version="1")])


def main(rows_wanted: list[int]) -> None:
    """Print a table for each kind of model and number of rows."""
    say_where("python -m benchmarks.predict")
    torch.set_num_threads(1)
    settings = Settings(data_hosts_allowed=("127.0.0.1",))
    connections = Connections()
    fetcher = Fetcher(settings, Credentials(settings, connections), connections)
    with tempfile.TemporaryDirectory() as folder, file_server(Path(folder)) as address:
        for kind in KINDS:
            measured = {}
            for rows in rows_wanted:
                name = f"{kind}-{rows}.csv"
                (Path(folder) / name).write_bytes(csv_bytes(rows, kind))
                measured[rows] = measure(kind, rows, fetcher, address + name)
            show(kind, measured)


def measure(kind: Kind, rows: int, fetcher: Fetcher, url: str) -> dict[str, Timing]:
    """Timings of the stages, of `whole`, of pandas alone, of the machine and of the baseline."""
    path = Stages(kind, rows, fetcher, url)
    baseline = Baseline([f"c{index}" for index in range(CHANNELS[kind])], list(labels_of(kind)))
    cases = {
        **path.cases(),
        "whole": path.whole,
        "read_csv": lambda: pd.read_csv(io.BytesIO(path.data)),
        "GEMM": make_gemm(),
        "graph GEMM": make_graph_gemm(),
    }
    found = alternate(cases, max(15, min(100, 300_000 // rows)))
    found |= alternate({"baseline": lambda: baseline.predict(path.data)}, 3)
    return found


def show(kind: Kind, measured: dict[int, dict[str, Timing]]) -> None:
    """Print the tables of one kind of model."""
    print(f"\n## {kind}")
    columns = list(measured)
    rows: list[list[object]] = [
        [stage, *[milliseconds(measured[rows][stage].least) for rows in columns]] for stage in (*STAGES, "whole")
    ]
    rows.append(["`pandas.read_csv` alone", *[milliseconds(measured[each]["read_csv"].least) for each in columns]])
    rows.append(["baseline, no fetch", *[milliseconds(measured[each]["baseline"].least) for each in columns]])
    table(["CPU ms", *[f"{each} rows" for each in columns]], rows)

    summary: list[list[object]] = [[""] for _ in range(8)]
    titles = ("rows a CPU second", "times less CPU than the baseline", "all but forward, in `read_csv`s",
              "kFLOP a row", "GEMM of this run by numpy, GFLOP/s", "forward pass, share of it",
              "GEMM of this run by onnxruntime, GFLOP/s", "forward pass, share of it")  # fmt: skip
    for line, title in zip(summary, titles, strict=True):
        line[0] = title
    for each in columns:
        least = {name: timing.least for name, timing in measured[each].items()}
        rest = sum(least[stage] for stage in STAGES if stage != "forward")
        rate, own = (gemm_rate(measured[each][name]) for name in ("GEMM", "graph GEMM"))
        work = flop_a_row(kind, each)
        values = (
            f"{each / least['whole']:,.0f}", f"{least['baseline'] / least['whole']:.1f}",
            f"{rest / least['read_csv']:.2f}", f"{work / 1e3:.0f}", f"{rate / 1e9:.0f}",
            f"{work * each / least['forward'] / rate:.2f}", f"{own / 1e9:.0f}",
            f"{work * each / least['forward'] / own:.2f}",
        )  # fmt: skip
        for line, value in zip(summary, values, strict=True):
            line.append(value)
    table(["", *[f"{each} rows" for each in columns]], summary)


if __name__ == "__main__":
    main([int(each) for each in sys.argv[1:]] or [1000, 10_000, 100_000])
