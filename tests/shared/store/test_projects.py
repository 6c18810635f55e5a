import pytest

from shared.errors import StoreError
from shared.store.projects import KnownProject, KnownProjects
from shared.store.storage import Storage


def test_a_project_is_remembered_and_written_only_when_it_changes(storage: Storage) -> None:
    known = KnownProjects(storage)
    project = KnownProject(id=7, created="1795475439", title="Gestures <b>", label_config="<View/>")
    assert known.remember(project)
    assert not known.remember(project)
    assert known.remember(KnownProject(id=70))
    assert known.get(7) == project
    assert known.get(8) is None
    assert known.ids() == [7, 70]


def test_no_password_is_ever_stored(storage: Storage) -> None:
    known = KnownProjects(storage)
    known.remember(KnownProject(id=7, hostname="https://user:secret@label.example:8080/studio"))
    found = storage.get("projects/7.json")
    assert found is not None
    assert b"secret" not in found.data
    project = known.get(7)
    assert project is not None
    assert project.hostname == "https://label.example:8080/studio"


def test_a_damaged_file_is_named(storage: Storage) -> None:
    storage.put("projects/7.json", b'{"id":')
    with pytest.raises(StoreError, match=r"projects/7\.json cannot be read .* Label Studio's next connection"):
        KnownProjects(storage).get(7)
