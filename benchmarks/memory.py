"""Resident memory while a recording is read and segmented, from the bytes of the CSV on.

`python -m benchmarks.memory [ROWS …]` (default: 100000 1000000 10000000; the last takes a gigabyte and a minute). Each
case runs in a process of its own; growth is the highest resident memory less that before the recording was there, with
the model loaded and warm. What must be: the CSV's bytes, its parsed values (8 bytes a cell, time included) and at most
60 MiB.
"""

import json
import resource
import subprocess
import sys
from typing import cast

from benchmarks.material import CHANNELS, Kind, csv_bytes, csv_parts, make_model
from benchmarks.measure import say_where, table

MIB = 2**20
SINGLE: tuple[Kind, ...] = ("ranges", "instants")


def main(rows_wanted: list[int]) -> None:
    """Print one table."""
    say_where("python -m benchmarks.memory")
    found = []
    for kind in SINGLE:
        for rows in rows_wanted:
            command = [sys.executable, "-m", "benchmarks.memory", "--one", kind, str(rows)]
            reported = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            own = reported["csv"] + reported["values"]
            found.append(
                [kind, f"{rows:,}", f"{reported['csv']:.0f}", f"{reported['values']:.0f}", f"{reported['growth']:.0f}",
                 f"{reported['growth'] - own:.0f}", f"{rows / reported['seconds']:,.0f}", f"{reported['segments']:,}"]
            )  # fmt: skip
    print("\n## Memory")
    table(["model", "rows", "CSV MiB", "values MiB", "growth MiB", "beyond both", "rows a CPU s", "segments"], found)


def measure(kind: Kind, rows: int) -> dict[str, float]:
    """Growth of this process."""
    import time

    from shared.recordings.series import read_series
    from shared.segmentation.segmenter import Segmenter

    segmenter = Segmenter.load(make_model(kind))
    config = segmenter.card.label_config
    segmenter.segment(read_series(csv_bytes(20_000, kind), config))
    size = sum(len(part) for part in csv_parts(rows, kind))
    before = resident_now()
    reset_peak()
    data, at = bytearray(size), 0
    for part in csv_parts(rows, kind):
        data[at : at + len(part)] = part
        at += len(part)
    begin = time.process_time()
    found = segmenter.segment(read_series(memoryview(data), config))
    return {
        "seconds": time.process_time() - begin,
        "csv": size / MIB,
        "values": rows * (1 + CHANNELS[kind]) * 8 / MIB,
        "growth": peak() - before,
        "segments": len(found.segments),
    }


def resident_now() -> float:
    """Resident memory [MiB]."""
    return _status("VmRSS")


def reset_peak() -> None:
    """Reset the highest resident memory (Linux)."""
    with open("/proc/self/clear_refs", "w") as file:  # noqa: PTH123
        file.write("5")


def peak() -> float:
    """Highest resident memory [MiB]."""
    return _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _status(name: str) -> float:
    with open("/proc/self/status") as file:  # noqa: PTH123
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(name))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(cast(Kind, sys.argv[2]), int(sys.argv[3]))))
    else:
        main([int(each) for each in sys.argv[1:]] or [100_000, 1_000_000, 10_000_000])
