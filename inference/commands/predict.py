"""Segmenting files without Label Studio, by the code that serves it."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from inference.commands.row_tables import RowTables
from inference.serving.model_cache import ModelCache, ServedModel
from inference.serving.protocol import ProjectRef
from shared.errors import RefusedError, SegmenterError, SeriesError
from shared.labelling.choice_results import to_results
from shared.labelling.label_config import LabelConfig
from shared.labelling.regions import KIND, to_regions
from shared.quoting import quoted
from shared.recordings.series import read_series
from shared.segmentation.answer import answer_series
from shared.segmentation.segmenter import Segmenter, ServedSeries
from shared.settings import Settings
from shared.store.aliases import answering_config
from shared.store.keys import read_project
from shared.store.models import ModelStore
from shared.store.opening import open_storage


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `predict`."""
    parser.description = "Segment CSV or JSON files with a project's model, by the same code as the server."
    parser.epilog = f"example: {parser.prog} --project 0 examples/watch/csv/*.csv --json"
    parser.add_argument(
        "--project", default="0", metavar="N", help="whose model (default: 0, trained without a project)"
    )
    parser.add_argument("--json", action="store_true", help="write one JSON array to stdout, everything else to stderr")
    parser.add_argument(
        "--rows",
        metavar="FOLDER",
        help="write a CSV for each file into FOLDER (-: to stdout, of one file): a label and probabilities in each row",
    )
    parser.add_argument("--series", metavar="NAME", help="which TimeSeries tag, where the project has several")
    parser.add_argument("files", nargs="+", metavar="FILE")


def main(options: argparse.Namespace, settings: Settings) -> int:
    """Segment the files."""
    return predict_files(
        options.project, options.files, settings, as_json=options.json, rows=options.rows, series=options.series
    )


def predict_files(
    project: str,
    files: Sequence[str],
    settings: Settings,
    *,
    as_json: bool,
    rows: str | None = None,
    series: str | None = None,
) -> int:
    """Segment each file; one that cannot be read is named and the others go on. rows: folder for tables of rows.

    series: name of the TimeSeries tag that the files belong to; None: the first one.

    Returns 0, or 1 if a file failed. Raises UntrainedError without a model, RefusedError on a bad project id.
    """
    storage = open_storage(settings.model_dir, settings.new_store)
    number = read_project(project)
    served = ModelCache(ModelStore(storage, keep_versions=settings.keep_versions), cache_size=1).serving(
        ProjectRef(number)
    )
    config = answering_config(storage, number, served.model.label_config)
    segmenter, config = _series(served, config, series)
    answers: list[dict[str, Any]] = []
    tables = RowTables(rows, files, segmenter, config) if rows else None
    if rows == "-" and as_json:
        raise RefusedError("--rows - and --json would both write to stdout; name a folder for the rows.")
    for name in files:
        answer = _segment(name, segmenter, served.version, config, settings, tables)
        answers.append(answer)
        for note in answer.get("notes", ()):
            print(f"{name}: {note}", file=sys.stderr)  # noqa: T201
        if "error" in answer:
            print(f"{name}: {answer['error']}", file=sys.stderr)  # noqa: T201
        elif not as_json and rows != "-":
            _show(answer)
    if as_json:
        print(json.dumps(answers, indent=1))  # noqa: T201
    return int(any("error" in answer for answer in answers))


def _series(served: ServedModel, config: LabelConfig, name: str | None) -> ServedSeries:
    """The series that files belong to. Raises RefusedError."""
    found = served.model.series(config)
    wanted = [each for each in found if name in (None, each.config.to_name)]
    if not wanted:
        known = ", ".join(quoted(each.config.to_name) for each in found) or "none of the configuration"
        raise RefusedError(f"The model has not learned a series {quoted(name)}; it has learned {known}.")
    return wanted[0]


def _segment(
    name: str, segmenter: Segmenter, version: str, config: LabelConfig, settings: Settings, tables: RowTables | None
) -> dict[str, Any]:
    answer: dict[str, Any] = {"file": name, "result": [], "score": 0.0, "model_version": version}
    try:
        try:
            data = Path(name).read_bytes()
        except OSError as error:
            raise SeriesError(f"The file cannot be read: {error.strerror}.") from None
        series = read_series(data, replace(config, channels=segmenter.card.label_config.channels))
        found = answer_series(segmenter, series, config, task_score=settings.task_score)
        regions = to_regions(found.segments, series.axis, config)
        chosen = to_results(found.chosen, config.choice_tags, config.to_name)
        answer |= {"result": [*regions, *chosen], "score": found.score}
        if tables:
            tables.write(name, series, found.segments)
        answer |= {"notes": [doubt.sentence for doubt in found.doubts]} if found.doubts else {}
    except SegmenterError as error:
        answer["error"] = str(error)
    return answer


def _show(answer: dict[str, Any]) -> None:
    print(f"{answer['file']}  score {answer['score']:.2f}  model {answer['model_version']}")  # noqa: T201
    for region in answer["result"]:
        value = region["value"]
        if region["type"] != KIND:
            print(f"  {region['from_name']}: {_names(value)}  {region['score']:.2f}")  # noqa: T201
            continue
        label = ", ".join(value["timeserieslabels"])
        bounds = f"at {value['start']}" if value["instant"] else f"{value['start']} to {value['end']}"
        print(f"  {bounds}  {label}  {region['score']:.2f}")  # noqa: T201


def _names(value: dict[str, Any]) -> str:
    """Choices as people read them; nested ones are written as the names on the way to them."""
    return ", ".join(each if isinstance(each, str) else " / ".join(each) for each in value["choices"])
