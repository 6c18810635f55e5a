"""The baseline: a plain PyTorch implementation of the well-known recipe for Label Studio's time series.

It is none of this project's code and not the example backend itself, but what that does, written down plainly: rows
normalised by mean and deviation, windows of 50 rows with stride 25, all in one batch; Linear(C, 128) + LayerNorm, two
bidirectional LSTM layers of 64 units, Linear(128, K); overlaps averaged; regions found by going through the rows of a
DataFrame with `iterrows`. `python -m benchmarks.baseline PORT` serves it over the standard library's HTTP server,
which is lighter than the web framework of the example: ratios to it are on the safe side.
"""

import io
import json
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

WINDOW, STRIDE = 50, 25
BATCH = 16


class BaselineNetwork(nn.Module):
    """[windows, 50, channels] ► logits [windows, 50, classes]."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.Linear(channels, 128), nn.LayerNorm(128))
        self.lstm = nn.LSTM(128, 64, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(128, classes)

    def forward(self, windows: Tensor) -> Tensor:
        """All windows in one batch."""
        logits: Tensor = self.head(self.lstm(self.project(windows))[0])
        return logits


class Baseline:
    """CSV bytes ► regions."""

    def __init__(self, channels: list[str], labels: list[str], time: str = "time") -> None:
        torch.manual_seed(0)
        self.channels, self.labels, self.time = channels, labels, time
        self.network = BaselineNetwork(len(channels), 1 + len(labels)).eval()

    def predict(self, data: bytes) -> list[dict[str, Any]]:
        """Regions of one recording."""
        frame = pd.read_csv(io.BytesIO(data))
        frame["label"] = self.probabilities(frame[self.channels].to_numpy(np.float32)).argmax(axis=1)
        return self.regions(frame)

    def fit(self, windows: NDArray[np.float32], targets: NDArray[np.int64], epochs: float) -> int:
        """Adam on batches of 16 windows [windows, 50, channels], nothing measured in between; gives its steps."""
        data, wanted = torch.from_numpy(windows), torch.from_numpy(targets)
        optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-3, weight_decay=1e-5)
        steps = round(epochs * len(windows) / BATCH)
        for _ in range(steps):
            some = torch.randint(len(data), (BATCH,))
            loss = functional.cross_entropy(self.network(data[some]).flatten(0, 1), wanted[some].flatten())
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            optimizer.step()
        return steps

    @torch.no_grad()
    def probabilities(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Averaged probabilities [rows, classes]."""
        values = (values - values.mean(axis=0)) / (values.std(axis=0) + 1e-6)
        rows = len(values)
        starts = list(range(0, max(rows - WINDOW, 0) + 1, STRIDE))
        if starts[-1] + WINDOW < rows:
            starts.append(rows - WINDOW)
        windows = torch.from_numpy(np.stack([values[start : start + WINDOW] for start in starts]))
        found = self.network(windows).softmax(-1).numpy()
        total = np.zeros((rows, found.shape[2]), np.float32)
        counts = np.zeros((rows, 1), np.float32)
        for start, window in zip(starts, found, strict=True):
            total[start : start + WINDOW] += window
            counts[start : start + WINDOW] += 1
        total /= counts
        return total

    def regions(self, frame: pd.DataFrame) -> list[dict[str, Any]]:
        """Neighbouring rows of one label as a region, row by row."""
        found: list[dict[str, Any]] = []
        label, first, last = 0, 0.0, 0.0
        for _, row in frame.iterrows():
            if row["label"] != label:
                if label:
                    found.append(self.region(first, last, label))
                label, first = int(row["label"]), row[self.time]
            last = row[self.time]
        if label:
            found.append(self.region(first, last, label))
        return found

    def region(self, first: float, last: float, label: int) -> dict[str, Any]:
        """One region as Label Studio takes it."""
        value = {"start": first, "end": last, "instant": False, "timeserieslabels": [self.labels[label - 1]]}
        return {"from_name": "label", "to_name": "ts", "type": "timeserieslabels", "value": value, "score": 0.5}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    models: ClassVar[dict[str, Baseline]] = {}

    def do_GET(self) -> None:
        self._answer({"status": "UP"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        root = ElementTree.fromstring(body["label_config"])
        channels = [each.attrib["column"] for each in root.iter("Channel")]
        labels = [each.attrib["value"] for each in root.iter("Label")]
        model = self.models.setdefault(body["label_config"], Baseline(channels, labels))
        results = []
        for task in body["tasks"]:
            with urllib.request.urlopen(task["data"]["csv_url"]) as answer:
                results.append({"result": model.predict(answer.read()), "score": 0.5, "model_version": "baseline"})
        self._answer({"results": results})

    def _answer(self, content: object) -> None:
        data = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing."""


if __name__ == "__main__":
    torch.set_num_threads(1)
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), _Handler).serve_forever()
