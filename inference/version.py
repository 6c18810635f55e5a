"""Version of this program."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version


def program_version() -> str:
    """The installed version; "source" if the program runs from a folder."""
    try:
        return package_version("time-series-segmenter")
    except PackageNotFoundError:
        return "source"
