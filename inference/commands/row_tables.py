"""`predict --rows`: a CSV for each file, with labels and probabilities in each row."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.errors import RefusedError, StoreError
from shared.labelling.label_config import LabelConfig
from shared.labelling.segments import Segment
from shared.model_file.card import RangeHead
from shared.recordings.series import Series
from shared.row_labels import label_columns, write_rows
from shared.segmentation.answer import row_probabilities
from shared.segmentation.segmenter import Segmenter

STDOUT = "-"


class RowTables:
    """Writes them into a folder, under the names of the files."""

    def __init__(self, folder: str, files: Sequence[str], segmenter: Segmenter, config: LabelConfig) -> None:
        """Raises RefusedError where two tables would have one name."""
        names = [Path(name).stem for name in files]
        twice = next((name for name in names if names.count(name) > 1), None)
        if folder == STDOUT and len(files) > 1:
            raise RefusedError(f"--rows - writes the rows of one file, but {len(files)} were named; name a folder.")
        if folder != STDOUT and twice is not None:
            raise RefusedError(f"Two files would be written to {twice}.csv in {folder}; predict them one by one.")
        self._folder = None if folder == STDOUT else Path(folder)
        self._segmenter = segmenter
        self._config = config

    def write(self, name: str, series: Series, segments: Iterable[Segment]) -> None:
        """Write the rows of one file. Raises StoreError where its table cannot be written."""
        columns = self._columns(series, list(segments))
        if self._folder is None:
            write_rows(sys.stdout, series.axis, self._config, columns)
            return
        path = self._folder / f"{Path(name).stem}.csv"
        if path.exists() and path.samefile(name):
            raise RefusedError(f"The rows of {name} would be written over it; name another folder.")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with path.open("w", encoding="utf-8", newline="") as out:
                write_rows(out, series.axis, self._config, columns)
        except OSError as error:
            raise StoreError(f"The rows of {name} cannot be written to {path}: {error.strerror}.") from error

    def _columns(self, series: Series, segments: Sequence[Segment]) -> Mapping[str, Sequence[Any]]:
        heads = self._segmenter.card.heads
        now = self._config.synonyms  # labels that were renamed after the training
        ranges = [[now.get(each, each) for each in head.labels] for head in heads if isinstance(head, RangeHead)]
        instants = [now.get(each, each) for head in heads if not isinstance(head, RangeHead) for each in head.labels]
        found: dict[str, Sequence[Any]] = {
            each.name: each.cells(segments, series.rows) for each in label_columns(ranges, instants)
        }
        names: list[str] = []
        for number, labels in enumerate(ranges, 1):
            names.append("p(no label)" if len(ranges) == 1 else f"p(no label {number})")
            names += [f"p({label})" for label in labels]
        if instants:
            names += ["p(no instant)", *(f"p(instant {label})" for label in instants)]
        probabilities = row_probabilities(self._segmenter, series).round(4).astype(str)
        for name, column in zip(names, probabilities.T.tolist(), strict=True):
            found[name] = column
        return found
