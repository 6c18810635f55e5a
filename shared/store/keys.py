"""Keys of the store. No other module spells them."""

import re

from shared.errors import RefusedError

MODEL = re.compile(r"model_project_(0|[1-9][0-9]{0,17})\.onnx", re.ASCII)
RECORD_BYTES = 1 << 24  # of records and log tails; a labelling configuration of the largest size has 4 MiB
REPORT_BYTES = 1 << 29  # of a version's report; 10^5 recordings of 100 segments have less
FIT_BYTES = 1 << 26  # of a network kept for later runs; a large one has 10 MiB
_PROJECT = re.compile(r"[0-9]{1,18}", re.ASCII)
_VERSION = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6,64}", re.ASCII)


def read_project(text: str) -> int:
    """Id of a project given by a user or a request. Raises RefusedError on anything but digits."""
    if not _PROJECT.fullmatch(text):
        raise RefusedError(f"The project id is {text[:100]!r}, but must be digits and nothing else.")
    return int(text)


CLOCK = "clock/now"  # written to read the store's clock; holds nothing


def model(project: int) -> str:
    """The model that serves a project now."""
    return f"model_project_{_checked(project)}.onnx"


def weights(project: int) -> str:
    """Its weights, for people's own use in PyTorch."""
    return f"model_project_{_checked(project)}.pt"


def versions(project: int) -> str:
    """Folder of the kept models of a project."""
    return f"versions/{_checked(project)}"


def is_version(name: str) -> bool:
    """Whether a version can have this name."""
    return _VERSION.fullmatch(name) is not None


def version(project: int, name: str, suffix: str) -> str:
    """A file of one version. Raises RefusedError on an invalid version name."""
    if not is_version(name):
        raise RefusedError(
            f"The version is {name[:100]!r}, but must look like 20261123T231501Z-9f3c2a, as in the list of versions."
        )
    return f"{versions(project)}/{name}.{suffix}"


def fits(project: int) -> str:
    """Folder of the networks of the last run, which the next one takes where nothing has changed."""
    return f"fits/{_checked(project)}"


FORGOTTEN_TASKS = "forget"  # folder of tasks that were deleted in Label Studio and are to be forgotten


def forgotten_task(project: int, task: int) -> str:
    """The request to forget a task."""
    return f"{FORGOTTEN_TASKS}/{_checked(project)}.{_checked(task)}.json"


def updates(project: int | None = None) -> str:
    """Folder of the waiting updates of a project, or of all."""
    return "updates" if project is None else f"updates/{_checked(project)}"


def runs(project: int) -> str:
    """Folder of everything about a project's runs."""
    return f"runs/{_checked(project)}"


def lease(project: int) -> str:
    """The lease of the run in progress."""
    return f"{runs(project)}/active"


def launched(project: int) -> str:
    """The run that was launched last."""
    return f"{runs(project)}/launched.json"


def rolled_back(project: int) -> str:
    """The model that a rollback replaced."""
    return f"{runs(project)}/turned-down.json"


def preannotation_plan(project: int) -> str:
    """What is predicted for all tasks of a project, and how far that is."""
    return f"{runs(project)}/preannotation/plan.json"


def preannotation_ranges(project: int, plan: str) -> str:
    """Folder of the ranges of tasks of one plan, with the batch of predictions being sent."""
    return f"{runs(project)}/preannotation/{plan}"


def aliases(project: int) -> str:
    """Renamed labels that an operator confirmed."""
    return f"{runs(project)}/aliases.json"


def accepted_labels(project: int) -> str:
    """Annotations that people found right against a model's suspicion."""
    return f"{runs(project)}/accepted-labels.json"


def refresh(project: int) -> str:
    """The last time that predictions were pushed after a publication."""
    return f"{runs(project)}/refresh.json"


def region_use(project: int) -> str:
    """What each annotation made of the prediction that it was made from."""
    return f"{runs(project)}/region-use.json"


def operators(project: int) -> str:
    """Who did what: the last actions of operators."""
    return f"{runs(project)}/operators.json"


def tasks(project: int) -> str:
    """The last prediction of each task."""
    return f"{runs(project)}/tasks.json.gz"


def curve(project: int) -> str:
    """Learning curve: metrics against the number of recordings."""
    return f"{runs(project)}/curve.json"


def run(project: int, kind: str, number: int, suffix: str) -> str:
    """A file of one run; `kind` is records (of runs in progress), ended, logs or cancel."""
    return f"{runs(project)}/{kind}/{number:08d}{suffix}"


def known(project: int | None = None) -> str:
    """The record of a connected project, or the folder of all."""
    return "projects" if project is None else f"projects/{_checked(project)}.json"


def size_limit(key: str) -> int | None:
    """Bytes that an object of this name may have to be read; None: not limited here."""
    folder = key.partition("/")[0]
    if folder == "versions" and key.endswith(".json"):
        return REPORT_BYTES
    return {"projects": RECORD_BYTES, "runs": RECORD_BYTES, "updates": RECORD_BYTES, "fits": FIT_BYTES}.get(folder)


def _checked(project: int) -> int:
    if not (isinstance(project, int) and 0 <= project < 10**18):
        raise RefusedError(f"The project id is {project!r}, but must be a whole number of at most 18 digits.")
    return project
