"""Write the golden store of this version: `python -m tests.golden`, once at each release, and commit what it wrote.

A real training makes it, on small synthetic recordings: project 3 has ranges and two versions, the older of which
serves again after a roll back; project 4 has instants. An update waits. Beside it lies what this version reads from it
and predicts with it. Later versions read it and predict the same, or refuse it with a sentence (`test_golden.py`).
"""

import json
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from inference.version import program_version
from shared.retraining.updates import Updates
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.projects import KnownProject, KnownProjects
from tests.golden.reading import contents, predictions
from tests.support.synthetic import FAST, draw_instants, draw_ranges
from training.__main__ import main as train

HERE = Path(__file__).parent
XML = (
    '<View><TimeSeriesLabels name="label" toName="ts"><Label value="Run"/><Label value="Walk"/></TimeSeriesLabels>'
    '<TimeSeries name="ts" valueType="url" value="$csv_url" timeColumn="time"><Channel column="a"/>'
    '<Channel column="b"/></TimeSeries></View>'
)
ROWS = 200


def main() -> int:
    """Write `tests/golden/<version>/`. Returns 2 if it is there already: what was released does not change."""
    into = HERE / program_version()
    if into.exists():
        print(f"{into} is there already: golden files of a release never change. Raise the version first.")
        return 2
    with tempfile.TemporaryDirectory() as base:
        store = Path(base) / "store"
        os.environ |= {**FAST, "MODEL_DIR": str(store), "TRAIN_EPOCHS": "60"}
        os.environ |= {"BALANCED_ACCURACY_THRESHOLD": "0", "MIN_CLASS_F1_THRESHOLD": "0"}
        for project, draw, counts in ((3, draw_ranges, (3, 4)), (4, draw_instants, (4,))):
            for count in counts:
                export = write_export(Path(base) / f"{project}-{count}", count, draw)
                code = train(["run", "--project", str(project), *export])
                assert code == 0, f"training project {project} ended with {code}"
        storage = open_storage(str(store))
        for project in (3, 4):
            KnownProjects(storage).remember(KnownProject(id=project, title=f"Golden {project}", label_config=XML))
        ModelStore(storage).roll_back(3)
        Updates(storage).add(3, "ANNOTATION_CREATED", 1_790_000_000.0, weight=2)
        for path in (*store.rglob("*.pt"), *store.rglob("*.report.html"), *store.rglob("logs/*")):
            path.unlink()  # for people's eyes; nothing reads them
        for path in (each for each in store.rglob("runs/**/*") if each.is_file()):
            path.write_text(path.read_text().replace(socket.gethostname(), "golden"))
        shutil.rmtree(store / ".staging", ignore_errors=True)
        into.mkdir()
        for project, draw in ((3, draw_ranges), (4, draw_instants)):
            write_table(into / f"{project}.csv", draw(np.random.default_rng(99), ROWS)[0])
        shutil.copytree(store, into / "store")
    expected = {"store": contents(into / "store"), "predictions": predictions(into)}
    (into / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    size = sum(path.stat().st_size for path in into.rglob("*") if path.is_file())
    print(f"{into}: {size / 1024:.0f} KiB. Commit it.")
    return 0


def write_export(folder: Path, count: int, draw: Callable[[np.random.Generator, int], Any]) -> list[str]:
    """An export of annotated tasks; returns the arguments that name it."""
    folder.mkdir()
    random = np.random.default_rng(0)
    tasks = []
    for number in range(1, count + 1):
        values, segments = draw(random, ROWS)
        write_table(folder / f"{number}.csv", values)
        regions = [
            {
                "id": f"{number}-{place}",
                "from_name": "label",
                "to_name": "ts",
                "type": "timeserieslabels",
                "value": {
                    "start": each.first,
                    "end": each.last,
                    "instant": each.instant,
                    "timeserieslabels": [each.label],
                },
            }
            for place, each in enumerate(segments)
        ]
        annotation = {"id": number, "result": regions, "created_at": "2026-01-01T00:00:00Z"}
        tasks.append({"id": number, "data": {"csv_url": f"{number}.csv"}, "annotations": [annotation]})
    (folder / "tasks.json").write_text(json.dumps(tasks))
    (folder / "label_config.xml").write_text(XML)
    return ["--tasks", str(folder / "tasks.json"), "--label-config", str(folder / "label_config.xml")]


def write_table(path: Path, values: np.ndarray[Any, Any]) -> None:
    """A recording as CSV."""
    table = np.column_stack([np.arange(len(values)), values.round(4)])
    np.savetxt(path, table, delimiter=",", header="time,a,b", comments="", fmt="%g")


if __name__ == "__main__":
    sys.exit(main())
