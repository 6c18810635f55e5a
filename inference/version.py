"""Which program this is."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version


def program_version() -> str:
    """Version of this program as installed; "source" when it runs from a folder."""
    try:
        return package_version("time-series-segmenter")
    except PackageNotFoundError:
        return "source"
