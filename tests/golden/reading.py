"""What this version reads from a store, and predicts with it: as JSON, to compare with what another version did."""

from pathlib import Path
from typing import Any

from shared.errors import SegmenterError
from shared.recordings.series import read_series
from shared.retraining.runs import Runs
from shared.retraining.updates import Updates
from shared.segmentation.segmenter import Segmenter
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.projects import KnownProjects

PROJECTS = (3, 4)


def contents(store: Path) -> dict[str, Any]:
    """Versions, runs, updates, known projects and what rollbacks replaced, by project."""
    storage = open_storage(str(store))
    models, runs = ModelStore(storage), Runs(storage)
    found: dict[str, Any] = {}
    for project in PROJECTS:
        model_info, rolled_back = models.model_info(project), models.rolled_back(project)
        known = KnownProjects(storage).get(project)
        found[str(project)] = {
            "serves": model_info.version if model_info else "",
            "snapshot": model_info.snapshot.digest if model_info and model_info.snapshot else "",
            "versions": [[each.name, each.accepted, each.current] for each in models.versions(project)],
            "turned_down": rolled_back.version if rolled_back else "",
            "runs": [[each.number, each.outcome, each.version, each.exit_code] for each in runs.history(project)],
            "trained": [each.trained.digest if each.trained else "" for each in runs.history(project)],
            "updates": [[each.at, each.action, each.weight] for each in Updates(storage).of(project)],
            "title": known.title if known else "",
        }
    return found


def predictions(golden: Path) -> dict[str, Any]:
    """Segments that each kept version finds in the recording of its project, or why it is refused."""
    models = ModelStore(open_storage(str(golden / "store")))
    found: dict[str, Any] = {}
    for project in PROJECTS:
        data = (golden / f"{project}.csv").read_bytes()
        for version in models.versions(project):
            try:
                stored = models.load_version(project, version.name)
                assert stored is not None
                segmenter = Segmenter.load(stored.data)
                series = read_series(data, segmenter.card.label_config)
                segments = segmenter.segment(series).segments
            except SegmenterError as error:
                found[version.name] = {"refused": str(error)}
                continue
            found[version.name] = [
                [each.first, each.last, each.label, round(each.score, 3), each.instant] for each in segments
            ]
    return found
