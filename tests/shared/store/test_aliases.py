"""Tests of shared.store.aliases: confirmed renames, without chains or circles, undoable."""

import pytest

from shared.errors import RefusedError
from shared.store.aliases import LabelAliases
from shared.store.storage import Storage


def test_a_rename_is_confirmed_with_who_and_when_and_undone(storage: Storage) -> None:
    aliases = LabelAliases(storage)
    assert aliases.of(3) == {}
    aliases.add(3, "Running", "Pumping", by="ann", labels=("Pumping", "Walk"))
    (found,) = aliases.confirmed(3)
    assert (found.old, found.new, found.by) == ("Running", "Pumping", "ann")
    assert abs(found.at - storage.now()) < 60
    assert aliases.of(4) == {}
    aliases.remove(3, "Running")
    assert aliases.of(3) == {}
    with pytest.raises(RefusedError, match="reads no label"):
        aliases.remove(3, "Running")


def test_two_labels_onto_one_are_merged(storage: Storage) -> None:
    aliases = LabelAliases(storage)
    aliases.add(3, "Run", "Move", by="a")
    aliases.add(3, "Walk", "Move", by="a")
    aliases.add(3, "Walk", "Move", by="b")
    assert aliases.of(3) == {"Run": "Move", "Walk": "Move"}


def test_a_label_renamed_twice_or_back_is_read_as_its_present_name(storage: Storage) -> None:
    aliases = LabelAliases(storage)
    aliases.add(3, "Running", "Pumping", by="a", labels=("Pumping",))
    aliases.add(3, "Pumping", "Jogging", by="b", labels=("Jogging",))
    assert aliases.of(3) == {"Running": "Jogging", "Pumping": "Jogging"}
    aliases.add(3, "Jogging", "Running", by="c", labels=("Running",))
    assert aliases.of(3) == {"Pumping": "Running", "Jogging": "Running"}


@pytest.mark.parametrize(
    ("old", "new", "labels", "sentence"),
    [
        ("B", "C", (), "No chains"),
        ("Z", "A", (), "No chains"),
        ("B", "A", (), "No chains"),
        ("A", "A", (), "another one"),
        ("", "A", (), "another one"),
        ("X", "Y", ("Z",), "has no label 'Y'"),
        ("X", "Y", ("X", "Y"), "is a label of the configuration"),
    ],
)
def test_chains_circles_and_what_the_configuration_speaks_against_are_refused(
    storage: Storage, old: str, new: str, labels: tuple[str, ...], sentence: str
) -> None:
    aliases = LabelAliases(storage)
    aliases.add(3, "A", "B", by="a")
    with pytest.raises(RefusedError, match=sentence):
        aliases.add(3, old, new, by="a", labels=labels)
    assert aliases.of(3) == {"A": "B"}
