"""Projects that Label Studio has connected: `projects/{id}.json`. Tokens and passwords are never stored."""

from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

import msgspec

from shared.digits import read_digits
from shared.errors import RefusedError
from shared.store import keys
from shared.store.storage import Storage, read_record


class KnownProject(msgspec.Struct, frozen=True, kw_only=True):
    """What `/setup` and events say about a project."""

    id: int
    created: str = ""  # creation time as Label Studio sends it after the dot of "id.created"
    title: str = ""
    label_config: str = ""  # labelling XML
    fingerprint: str = ""  # of the parsed labelling configuration; "" if it cannot be served
    hostname: str = ""  # URL of its Label Studio as sent by it, without user name and password
    called_as: str = ""  # host and port by which Label Studio reached the server


class KnownProjects:
    """The known projects of a store."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def get(self, project: int) -> KnownProject | None:
        """One project, or None if it never connected. Raises RecordError if its file is damaged."""
        remedy = "Label Studio's next connection writes a new one."
        return read_record(self._storage, keys.known(project), KnownProject, remedy)

    def remember(self, project: KnownProject) -> bool:
        """Store a project unless it is stored already; returns whether it changed."""
        project = msgspec.structs.replace(project, hostname=without_user(project.hostname))
        data = msgspec.json.encode(project)
        with suppress(RefusedError):  # a link, a pipe, or too large: replaced
            found = self._storage.get(keys.known(project.id))
            if found is not None and found.data == data:
                return False
        self._storage.put(keys.known(project.id), data)
        return True

    def ids(self) -> list[int]:
        """Ids of all known projects, from one listing."""
        return sorted(self.marks())

    def marks(self) -> dict[int, str]:
        """Known projects, each with a mark of its record, from one listing."""
        found = self._storage.marks(keys.known()).items()
        numbers = (
            (read_digits(key.removeprefix(f"{keys.known()}/").removesuffix(".json")), mark) for key, mark in found
        )
        return {number: mark for number, mark in numbers if number is not None}


def without_user(address: str) -> str:
    """An address without user name and password; "" if it cannot be read."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
