"""Where in the store what lies. The only place that knows names."""

import re

from shared.errors import RefusedError

MODEL = re.compile(r"model_project_(0|[1-9][0-9]{0,17})\.onnx", re.ASCII)
_PROJECT = re.compile(r"[0-9]{1,18}", re.ASCII)
_VERSION = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6,64}", re.ASCII)


def read_project(text: str) -> int:
    """Id of a project as it comes from outside. Raises RefusedError on anything but digits."""
    if not _PROJECT.fullmatch(text):
        raise RefusedError(f"The project id is {text[:100]!r}, but must be digits and nothing else.")
    return int(text)


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
    """A file of one version. Raises RefusedError on a name that no version has."""
    if not is_version(name):
        raise RefusedError(
            f"The version is {name[:100]!r}, but must look like 20261123T231501Z-9f3c2a, as in the list of versions."
        )
    return f"{versions(project)}/{name}.{suffix}"


def updates(project: int | None = None) -> str:
    """Folder of the waiting updates of a project, or of all."""
    return "updates" if project is None else f"updates/{_checked(project)}"


def runs(project: int) -> str:
    """Folder of everything about a project's runs."""
    return f"runs/{_checked(project)}"


def lease(project: int) -> str:
    """Who trains the project now."""
    return f"{runs(project)}/active"


def turned_down(project: int) -> str:
    """The snapshot that a roll back turned down."""
    return f"{runs(project)}/turned-down.json"


def preannotation(project: int) -> str:
    """The batch of predictions that is on its way to Label Studio."""
    return f"{runs(project)}/preannotation.json"


def curve(project: int) -> str:
    """How the score grows with the number of recordings."""
    return f"{runs(project)}/curve.json"


def run(project: int, kind: str, number: int, suffix: str) -> str:
    """A file of one run; `kind` is records (of runs that go on), ended, logs or cancel."""
    return f"{runs(project)}/{kind}/{number:08d}{suffix}"


def known(project: int | None = None) -> str:
    """What is known of a project, or the folder of all."""
    return "projects" if project is None else f"projects/{_checked(project)}.json"


def _checked(project: int) -> int:
    if not (isinstance(project, int) and 0 <= project < 10**18):
        raise RefusedError(f"The project id is {project!r}, but must be a whole number of at most 18 digits.")
    return project
