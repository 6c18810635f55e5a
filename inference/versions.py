"""Going back to a kept version, from the command line."""

from shared.model_store import ModelStore
from shared.settings import Settings
from shared.storage import open_storage
from shared.store_keys import read_project


def go_back(project: str, version: str | None, settings: Settings) -> int:
    """Let a kept version serve again; running servers notice within a second."""
    store = ModelStore(open_storage(settings.model_dir), keep_versions=settings.keep_versions)
    served = store.roll_back(read_project(project), version)
    print(f"Project {project} is served by {served} from now on; no restart is needed.")  # noqa: T201
    return 0
