"""Annotations that people found right: matched by labels and rows in common, whoever stores at the same time."""

import pytest
from msgspec.structs import replace

from shared.errors import RefusedError
from shared.retraining.accepted_labels import AcceptedLabel, AcceptedLabels, without_accepted
from shared.store.storage import Storage
from tests.support.published import LABEL_ERRORS

RIGHT = AcceptedLabel(task="1", first=60, last=69, annotated="Run", decoded="Walk")


def test_what_was_accepted_is_suspected_no_more_wherever_its_borders_move(storage: Storage) -> None:
    accepted = AcceptedLabels(storage)
    accepted.add(3, RIGHT, by="ann")
    accepted.add(3, RIGHT, by="bob")
    (known,) = accepted.of(3)
    assert known.by == "bob"
    assert abs(known.at - storage.now()) < 60
    error, other = LABEL_ERRORS
    assert without_accepted([error, other], accepted.of(3)) == [other]
    assert without_accepted([replace(error, first=69, last=90)], accepted.of(3)) == []
    for changed in ({"first": 70, "last": 90}, {"task": "2"}, {"decoded": ""}, {"annotated": "Walk"}):
        moved = replace(error, **changed)
        assert without_accepted([moved], accepted.of(3)) == [moved]
    assert accepted.of(4) == []
    accepted.remove(3, RIGHT)
    assert accepted.of(3) == []
    with pytest.raises(RefusedError, match="No such annotation"):
        accepted.remove(3, RIGHT)


def test_what_names_no_annotation_is_refused(storage: Storage) -> None:
    for wrong in ({"task": ""}, {"first": -1}, {"last": 5}, {"annotated": "", "decoded": ""}, {"task": "1" * 1001}):
        with pytest.raises(RefusedError):
            AcceptedLabels(storage).add(3, replace(RIGHT, **wrong), by="ann")
    assert AcceptedLabels(storage).of(3) == []
