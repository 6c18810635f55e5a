"""`tss import-labels`: labels that people have in a CSV ► tasks of Label Studio with annotations or predictions."""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from shared.errors import LabelConfigError, RefusedError, SeriesError, StoreError
from shared.label_studio.client import LabelStudio
from shared.label_studio.credentials import Credentials
from shared.label_studio.messages import TaskWithAnnotations
from shared.labelling.label_config import LabelConfig, parse_label_config
from shared.labelling.regions import to_regions
from shared.net.connections import Connections
from shared.quoting import quoted
from shared.row_labels import LabelTable, read_labels
from shared.settings import Settings
from shared.store.keys import read_project


class LabelledRecording(msgspec.Struct, frozen=True):
    """A recording's task data and the regions of its labels."""

    data: dict[str, Any]
    regions: list[dict[str, Any]]


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `import-labels`."""
    parser.description = (
        "Make tasks with annotations of CSV files with labels: a label in each row, or rows of start, end and label. "
        "Written as JSON for Label Studio's Import, or with --project sent to it; there a second time doubles nothing."
    )
    parser.epilog = f"example: {parser.prog} walk.csv --label-config config.xml --project 3"
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="CSV with labels")
    parser.add_argument("--label-config", type=Path, help="labelling configuration (XML); default: the project's")
    parser.add_argument("--project", type=read_project, metavar="N", help="send to this project of Label Studio")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the JSON goes (default: stdout)")
    parser.add_argument("--recording", metavar="VALUE", help="address of the recording, as tasks have it")
    parser.add_argument(
        "--index", type=Path, help="recordings.csv of `export-labels`: which file is of which recording"
    )
    parser.add_argument("--label-column", default="", metavar="NAME", help="column with a label in each row")
    parser.add_argument(
        "--map", action="append", default=[], metavar="OLD=NEW", help="label that OLD means; nothing after =: no label"
    )
    parser.add_argument("--predictions", metavar="VERSION", help="make predictions of this model version instead")
    parser.add_argument("--ground-truth", action="store_true", help="mark the annotations as ground truth")


def main(options: argparse.Namespace, settings: Settings) -> int:
    """Read the files, write or send what they hold. Raises RefusedError for options that do not go together."""
    if options.predictions and options.ground_truth:
        raise RefusedError("Predictions are no ground truth: use --predictions or --ground-truth.")
    if options.project is None and options.label_config is None:
        raise RefusedError("import-labels needs --label-config CONFIG.xml, or --project N.")
    connections = Connections()
    client = LabelStudio(Credentials(settings, connections), connections) if options.project is not None else None
    config = _config(options, client)
    if config.others:
        sys.stderr.write(f"Labels are taken for {quoted(config.to_name)} alone, the first of several time series.\n")
    found = list(read_files(options, config))
    if client is not None:
        sent = push(client, options.project, found, config, options.predictions, options.ground_truth)
        sys.stdout.write(f"{sent} of {len(found)} recordings were sent; the others were there already.\n")
        return 0
    text = json.dumps([to_task(each, options.predictions, options.ground_truth) for each in found], indent=1) + "\n"
    if options.output is None:
        sys.stdout.write(text)
        return 0
    try:
        options.output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"The tasks cannot be written to {options.output}: {error.strerror}.") from error
    return 0


def read_files(options: argparse.Namespace, config: LabelConfig) -> Iterator[LabelledRecording]:
    """What the files hold, recording by recording; each is a task of its own, so none may come twice."""
    renamed = dict(_pair(each) for each in options.map)
    index = _read_index(options.index) if options.index else {}
    seen: dict[str, Path] = {}
    listed_in = options.index.resolve() if options.index else None
    for path in options.files:
        if path.resolve() == listed_in:
            continue  # as a shell gives it for labels/*.csv
        try:
            tables = read_labels(path.read_bytes(), config, renamed=renamed, column=options.label_column)
        except OSError as error:
            raise SeriesError(f"The file {path} cannot be read: {error.strerror}.") from None
        except SeriesError as error:
            raise SeriesError(f"{path}: {error}") from None
        for table in tables:
            value = table.recording or index.get(path.name, "") or options.recording or str(path)
            if value in seen:
                raise SeriesError(f"{path} and {seen[value]} both hold labels of {value!r}; --recording says whose.")
            seen[value] = path
            _warn(path, table)
            yield LabelledRecording(_task_data(config, value), to_regions(table.segments, table.axis, config))


def to_task(found: LabelledRecording, version: str | None, ground_truth: bool) -> dict[str, Any]:
    """A task as Label Studio imports it."""
    if version:
        score = min((region["score"] for region in found.regions), default=1.0)
        prediction = {"model_version": version, "score": score, "result": found.regions}
        return {"data": found.data, "predictions": [prediction]}
    # Label Studio takes an imported annotation for ground truth unless it says otherwise
    annotation = {"result": _without_scores(found.regions), "ground_truth": ground_truth}
    return {"data": found.data, "annotations": [annotation]}


def push(
    client: LabelStudio,
    project: int,
    found: Sequence[LabelledRecording],
    config: LabelConfig,
    version: str | None,
    ground_truth: bool,
) -> int:
    """Send what the project does not have yet; returns how many recordings that was.

    A task of the same recording is used where there is one. It has an annotation already if one of it holds the same
    regions, whatever people said beside them, and a prediction if one is of this version.
    """
    tasks = {_key(config, task.data): task for task in client.tasks(project)}
    sent = 0
    for each in found:
        task = tasks.get(_key(config, each.data))
        if task is not None and _has(task, each, config, version):
            continue
        number = task.id if task is not None else client.create_task(project, each.data)
        if version:
            prediction = to_task(each, version, ground_truth)["predictions"][0]
            client.create_predictions(project, [{"task": number, **prediction}])
        else:
            client.create_annotation(number, _without_scores(each.regions), ground_truth=ground_truth)
        sent += 1
    return sent


def _has(task: TaskWithAnnotations, found: LabelledRecording, config: LabelConfig, version: str | None) -> bool:
    if version:
        return any(isinstance(each, Mapping) and each.get("model_version") == version for each in task.predictions)
    wanted = _marks(found.regions, config)
    return any(_marks(each.get("result") or (), config) == wanted for each in task.annotations)


def _marks(regions: Iterable[Any], config: LabelConfig) -> frozenset[str]:
    """What regions of the configuration's labels mark, whatever their ids."""
    results = [each for each in regions if isinstance(each, Mapping) and isinstance(each.get("value"), Mapping)]
    some = [each for each in results if str(each.get("from_name")) in config.label_sets]
    keys = ("start", "end", "instant", "timeserieslabels")
    return frozenset(
        json.dumps([each.get("from_name"), *(each["value"].get(key) for key in keys)], sort_keys=True) for each in some
    )


def _key(config: LabelConfig, data: Mapping[str, Any]) -> str:
    """The recording of a task; "" where its data name none."""
    try:
        value = config.value_of(data)
    except SeriesError:
        return ""
    return value if isinstance(value, str) else hashlib.sha256(msgspec.json.encode(value)).hexdigest()


def _without_scores(regions: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in region.items() if key != "score"} for region in regions]


def _task_data(config: LabelConfig, value: str) -> dict[str, Any]:
    if not config.value_key or config.value_template or "." in config.value_key or "[" in config.value_key:
        raise LabelConfigError(
            "The tasks of this configuration hold more than the address of a recording "
            f'(value="{config.value_template or config.value_key or "…"}"): use a configuration with '
            'value="$csv_url".'
        )
    return {config.value_key: value}


def _config(options: argparse.Namespace, client: LabelStudio | None) -> LabelConfig:
    if options.label_config is not None:
        try:
            return parse_label_config(options.label_config.read_text(encoding="utf-8-sig"))
        except (OSError, UnicodeDecodeError) as error:
            raise LabelConfigError(f"The configuration {options.label_config} cannot be read: {error}.") from error
    project = client.project(options.project) if client is not None else None
    if project is None:
        raise RefusedError(f"Label Studio has no project {options.project}, or the token's user may not see it.")
    return parse_label_config(project.label_config)


def _pair(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not equals:
        raise RefusedError(f"--map is {text!r}, expected OLD=NEW.")
    return old, new


def _read_index(path: Path) -> dict[str, str]:
    import csv

    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return {row["file"]: row["recording"] for row in csv.DictReader(lines)}
    except (OSError, KeyError, UnicodeDecodeError) as error:
        raise SeriesError(f"The index {path} cannot be read: {error}; expected columns file and recording.") from error


def _warn(path: Path, table: LabelTable) -> None:
    if table.unknown_rows:
        sys.stderr.write(
            f"{path}: {table.unknown_rows} rows are marked as unknown; Label Studio has no word for that, they have no "
            "label there.\n"
        )
