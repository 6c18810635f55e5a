"""Simulate the recordings and annotations of this example: `python -m examples.falls.simulate`.

A sensor on the belt, 25 rows a second: standing, walking with a jolt at every step, sitting down hard (unlabelled, so
that not every bump is an event), and now and then a fall: a moment of weightlessness, an impact, lying, getting up.
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 25  # rows a second
RECORDINGS = 8
SEED = 0
START = datetime(2026, 11, 2, 9, tzinfo=UTC)
TIME_FORMAT = "%Y-%m-%d %H:%M:%S.%L"


@dataclass
class Recording:
    """Pieces of signal [g], one after the other, and what happens in them [rows]."""

    random: np.random.Generator
    pieces: list[NDArray[np.float64]] = field(default_factory=list)
    events: list[tuple[int, int, str]] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows so far."""
        return sum(map(len, self.pieces))

    def stand(self, seconds: float) -> None:
        """Hold still, upright."""
        self._add(self._posture(seconds, 0.0))

    def walk(self, seconds: float) -> None:
        """Walk at a pace of one's own: a range Walk, and an instant Step for each foot set down."""
        signal, begin = self._posture(seconds, 0.0), self.rows
        pace, force = self.random.uniform(1.5, 2.1), self.random.uniform(0.5, 0.9)
        time = np.arange(len(signal)) / RATE
        signal[:, 1] += 0.12 * np.sin(np.pi * pace * time)
        foot = 0.2
        while foot < seconds - 0.2:
            row = round(foot * RATE)
            since = (np.arange(len(signal)) - row) / RATE
            jolt = np.where(since >= 0, np.exp(-since.clip(0) / 0.08) * np.cos(18 * since), 0.0)
            signal[:, 2] += force * self.random.uniform(0.8, 1.2) * jolt
            signal[:, 0] -= 0.4 * force * jolt
            self.events.append((begin + row, begin + row, "Step"))
            foot += self.random.normal(1 / pace, 0.04 / pace)
        self.events.append((begin, begin + len(signal) - 1, "Walk"))
        self._add(signal)

    def sit_down(self) -> None:
        """Drop onto a chair: a bump without a label."""
        signal = self._posture(2.0, 0.0)
        since = (np.arange(len(signal)) - RATE // 2) / RATE
        signal[:, 2] += np.where(since >= 0, 0.9 * np.exp(-since.clip(0) / 0.1) * np.cos(12 * since), 0.0)
        self._add(signal)

    def fall(self) -> None:
        """Fall (an instant at the impact), lie, get up."""
        drop, lie, rise = (
            self._posture(0.4, 0.0),
            self._posture(self.random.uniform(3, 5), 1.4),
            self._posture(1.6, 0.0),
        )
        drop *= np.linspace(1, 0.15, len(drop))[:, None]
        self.events.append((self.rows + len(drop), self.rows + len(drop), "Fall"))
        since = np.arange(len(lie)) / RATE
        impact = self.random.uniform(2.5, 4.0) * np.exp(-since / 0.07)[:, None]
        lie += impact * np.array([0.4, 0.6, 1.0]) * np.cos(25 * since)[:, None]
        tilt = np.linspace(1.4, 0, len(rise))
        rise += np.stack([np.zeros_like(tilt), np.sin(tilt), np.cos(tilt) - 1], axis=1)
        self._add(np.concatenate([drop, lie, rise]))

    def _posture(self, seconds: float, tilt: float) -> NDArray[np.float64]:
        gravity = np.array([0.0, np.sin(tilt), np.cos(tilt)])
        return gravity + self.random.normal(0, 0.03, (round(seconds * RATE), 3))

    def _add(self, signal: NDArray[np.float64]) -> None:
        self.pieces.append(signal)


def record(random: np.random.Generator) -> Recording:
    """One recording: three walks with what happens between them, one or two falls."""
    recording = Recording(random)
    happenings = ["fall", "sit_down", random.choice(["fall", "sit_down", "stand"])]
    random.shuffle(happenings)
    for happening in happenings:
        recording.stand(random.uniform(1.5, 3))
        recording.walk(random.uniform(6, 10))
        recording.stand(random.uniform(1, 2))
        getattr(recording, happening)(*([1.0] if happening == "stand" else []))
    recording.stand(random.uniform(1.5, 3))
    return recording


def simulate(folder: Path) -> None:
    """Write `tasks.json` and `csv/` into `folder`."""
    random = np.random.default_rng(SEED)
    (folder / "csv").mkdir(exist_ok=True)
    tasks: list[dict[str, Any]] = []
    for number in range(1, RECORDINGS + 1):
        recording = record(random)
        start = START + timedelta(minutes=10 * number)
        lines = ["time,ax,ay,az"]
        for row, values in enumerate(np.concatenate(recording.pieces)):
            lines.append(",".join([_time(start, row), *(f"{value:.3f}" for value in values)]))
        (folder / "csv" / f"person{number}.csv").write_text("\n".join(lines) + "\n")
        tasks.append(_task(number, start, sorted(recording.events)))
    text = ",\n".join(json.dumps(task).replace(', {"id": "', ',\n{"id": "') for task in tasks)
    (folder / "tasks.json").write_text(f"[{text}]\n")


def _task(number: int, start: datetime, events: list[tuple[int, int, str]]) -> dict[str, Any]:
    regions = [
        {
            "id": f"person{number}-{index}",
            "from_name": "label",
            "to_name": "ts",
            "type": "timeserieslabels",
            "origin": "manual",
            "value": {
                "start": _time(start, first),
                "end": _time(start, last),
                "instant": first == last,
                "timeserieslabels": [label],
            },
        }
        for index, (first, last, label) in enumerate(events)
    ]
    written = f"2026-11-02T12:{number:02d}:00.000000Z"
    annotation = {
        "id": number, "result": regions, "was_cancelled": False, "ground_truth": False, "created_at": written,
        "updated_at": written, "lead_time": 60.0, "task": number,
    }  # fmt: skip
    return {
        "id": number, "data": {"csv_url": f"csv/person{number}.csv"}, "meta": {"subject": number},
        "created_at": written, "updated_at": written, "annotations": [annotation], "predictions": [],
    }  # fmt: skip


def _time(start: datetime, row: int) -> str:
    return (start + timedelta(seconds=row / RATE)).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


if __name__ == "__main__":
    simulate(Path(__file__).parent)
