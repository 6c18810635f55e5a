"""`tss export-labels`: annotations as CSV, one file a recording, with a label in each row."""

import argparse
import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shared.errors import StoreError
from shared.labelling.label_config import LabelConfig
from shared.row_labels import label_columns, write_rows
from shared.row_labels.columns import UNKNOWN
from shared.settings import Settings
from training.commands.source import add_source, check_source, existing_storage, of_one_series, read_source
from training.data.annotations import Recording

INDEX = "recordings.csv"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `export-labels`."""
    parser.description = (
        "Write the annotations of a project, or of a JSON export of it, as CSV: a file for each recording, with its "
        "times and a label in each row. Of several annotators it has what more than half say (ANNOTATORS)."
    )
    parser.epilog = f"example: {parser.prog} --project 3 --output labels"
    add_source(parser)
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="folder for the files")
    parser.add_argument("--values", action="store_true", help="write the channels, too")


def main(arguments: argparse.Namespace, settings: Settings) -> int:
    """Write them. Returns 0, or 1 if a task was left out. Raises TrainingDataError where nothing is annotated."""
    check_source(arguments, "export-labels")
    data = of_one_series(read_source(arguments, settings, existing_storage(settings)), arguments.series)
    loaded = data.load(settings, to_learn=False)
    for note in (*data.notes, *loaded.notes):
        sys.stderr.write(f"{note}\n")
    values = {str(task.id): data.config.value_of(task.data) for task in data.tasks}
    try:
        arguments.output.mkdir(parents=True, exist_ok=True)
        for recording in loaded.recordings:
            with (arguments.output / f"{recording.key}.csv").open("w", encoding="utf-8", newline="") as out:
                write_rows(out, recording.series.axis, data.config, columns(recording, data.config, arguments.values))
        with (arguments.output / INDEX).open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(("file", "task", "rows", "recording"))
            for each in loaded.recordings:
                value = values[each.key]
                writer.writerow((f"{each.key}.csv", each.key, each.rows, value if isinstance(value, str) else ""))
    except OSError as error:
        raise StoreError(f"The labels cannot be written to {arguments.output}: {error.strerror}.") from error
    sys.stdout.write(f"{len(loaded.recordings)} recordings were written to {arguments.output}, listed in {INDEX}.\n")
    return int(len(loaded.recordings) < len(data.tasks))


def columns(recording: Recording, config: LabelConfig, values: bool) -> Mapping[str, Sequence[Any]]:
    """Labels of each row: "" for none, UNKNOWN where annotators differ, a region cannot be read, or nobody looked."""
    found: dict[str, Sequence[Any]] = {}
    if values:
        for name, channel in zip(config.channels, recording.series.values.T, strict=True):
            found[name] = np.where(np.isnan(channel), "", channel.astype(str)).tolist()
    kinds = recording.kinds
    for place, column in enumerate(label_columns(kinds.heads, kinds.instants)):
        if column.instant:
            cells = column.cells(recording.segments(), recording.rows)
        else:
            cells = np.array(["", *column.labels], object)[recording.labels[:, place]].tolist()
        known = recording.known[:, -1 if column.instant else place].tolist()
        found[column.name] = [
            cell if sure or (cell and column.instant) else UNKNOWN for cell, sure in zip(cells, known, strict=True)
        ]
    return found
