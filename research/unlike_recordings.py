"""How often a recording is doubted to be unlike the training recordings: held-out ones, and ones changed on purpose.

    python -m research.unlike_recordings ../shared/data/{gait,hapt,mitbih,mitbih_long,watch}

No network is fitted: for each recording, KNOWN others stand for the training recordings. A minute for all sets.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from shared.labelling.time_axis import TimeAxis
from shared.recordings.series import Series, read_series
from shared.segmentation.known_recordings import unlike_doubts
from shared.settings import Settings
from training.data.training_data import training_data_of_export
from training.planning.known_recordings import learn_known_recordings

KNOWN = 10  # recordings
DRAWS = 3  # of the known recordings, for each held-out one
SWAPS = 3  # pairs of channels
G = 9.81
OFFSET = 20  # spreads of a channel
GAPS = 0.4  # share of cells that are emptied

Change = Callable[[Series, np.random.Generator], Series]


def _scaled(series: Series, _: np.random.Generator) -> Series:
    return Series(series.values * G, series.axis)


def _offset(series: Series, _: np.random.Generator) -> Series:
    return Series(series.values + OFFSET * np.nanstd(series.values, axis=0), series.axis)


def _half_rate(series: Series, _: np.random.Generator) -> Series:
    return Series(series.values[::2], TimeAxis(series.axis.times[::2], series.axis.time_format))


def _twice_the_rate(series: Series, _: np.random.Generator) -> Series:
    rows = np.arange(series.rows)
    between = np.arange(0, series.rows - 0.5, 0.5)
    values = np.stack([np.interp(between, rows, column) for column in np.nan_to_num(series.values).T], axis=1)
    return Series(values, TimeAxis(np.interp(between, rows, series.axis.times), series.axis.time_format))


def _dead(series: Series, random: np.random.Generator) -> Series:
    values = series.values.copy()
    channel = random.integers(values.shape[1])
    values[:, channel] = values[0, channel]
    return Series(values, series.axis)


def _swapped(series: Series, random: np.random.Generator) -> Series:
    order = np.arange(series.values.shape[1])
    pair = random.choice(len(order), 2, replace=False)
    order[pair] = order[pair[::-1]]
    return Series(series.values[:, order], series.axis)


def _quarter(series: Series, random: np.random.Generator) -> Series:
    rows = series.rows // 4
    first = int(random.integers(series.rows - rows))
    part = slice(first, first + rows)
    return Series(series.values[part], TimeAxis(series.axis.times[part], series.axis.time_format))


def _fortieth(series: Series, _: np.random.Generator) -> Series:
    part = slice(0, series.rows // 40)
    return Series(series.values[part], TimeAxis(series.axis.times[part], series.axis.time_format))


def _with_gaps(series: Series, random: np.random.Generator) -> Series:
    return Series(np.where(random.random(series.values.shape) < GAPS, np.nan, series.values), series.axis)


CHANGES: dict[str, tuple[Change, int]] = {
    "as it is": (lambda series, _: series, 1),
    "a quarter of it": (_quarter, 1),
    "half the rate": (_half_rate, 1),
    "twice the rate": (_twice_the_rate, 1),
    f"× {G}": (_scaled, 1),
    f"{OFFSET} spreads higher": (_offset, 1),
    "a channel dead": (_dead, 1),
    "two channels swapped": (_swapped, SWAPS),
    "a 40th of it": (_fortieth, 1),
    f"{GAPS:.0%} of the cells empty": (_with_gaps, 1),
}


def read_set(folder: Path) -> list[Series]:
    """All recordings of an export, and nothing of its annotations."""
    data = training_data_of_export(folder / "tasks.json", folder / "label_config.xml", Settings())
    return [read_series(data.source.fetch(data.config.value_of(task.data)), data.config) for task in data.tasks]


def shares(recordings: list[Series], known: int, seed: int = 0) -> dict[str, float]:
    """Share of recordings that are doubted, by what was done to them."""
    random = np.random.default_rng(seed)
    names = [str(channel) for channel in range(recordings[0].values.shape[1])]
    doubted: dict[str, list[bool]] = {name: [] for name in CHANGES}
    for place, series in enumerate(recordings):
        others = [each for number, each in enumerate(recordings) if number != place]
        for _ in range(DRAWS):
            drawn = random.choice(len(others), min(known, len(others)), replace=False)
            card = learn_known_recordings([others[number] for number in drawn], timed=True)
            for name, (change, times) in CHANGES.items():
                for _ in range(times):
                    found = unlike_doubts(change(series, random), card, names, timed=True)
                    doubted[name].append(any(True for _ in found))
    return {name: float(np.mean(each)) for name, each in doubted.items()}


def lines(folders: list[Path], known: int) -> Iterator[str]:
    """A table: a line a set, and one for the recordings of all."""
    yield f"| doubted, {known} recordings known | recordings | " + " | ".join(CHANGES) + " |"
    yield "|---" * (2 + len(CHANGES)) + "|"
    counts, rows = [], []
    for folder in folders:
        recordings = read_set(folder)
        found = shares(recordings, known)
        counts.append(len(recordings))
        rows.append([found[name] for name in CHANGES])
        yield f"| {folder.name} | {len(recordings)} | " + " | ".join(f"{each:.0%}" for each in rows[-1]) + " |"
    together = np.average(rows, axis=0, weights=counts)
    yield f"| all | {sum(counts)} | " + " | ".join(f"{each:.1%}" for each in together) + " |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Share of recordings doubted to be unlike the training recordings.")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="tasks.json, label_config.xml, csv/")
    parser.add_argument("--known", type=int, default=KNOWN, metavar="N", help=f"training recordings (default: {KNOWN})")
    options = parser.parse_args()
    for line in lines(options.folders, options.known):
        print(line, flush=True)


if __name__ == "__main__":
    main()
