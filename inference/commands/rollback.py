"""Going back to a kept version, from the command line."""

import json

from shared.settings import Settings
from shared.store.keys import read_project
from shared.store.models import ModelStore
from shared.store.opening import open_storage


def go_back(project: str, version: str | None, settings: Settings, *, as_json: bool) -> int:
    """Let a kept version serve again; running servers notice within a second."""
    store = ModelStore(open_storage(settings.model_dir), keep_versions=settings.keep_versions)
    served = store.roll_back(read_project(project), version)
    said = json.dumps({"project": int(project), "version": served})
    print(said if as_json else f"Project {project} is served by {served} from now on; no restart is needed.")  # noqa: T201
    return 0
