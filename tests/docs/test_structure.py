"""Rooms import each other in one direction."""

import pytest

from tests.docs.structure import PACKAGES, arrows, floors


@pytest.mark.parametrize("package", PACKAGES)
def test_no_rooms_form_a_circle(package: str) -> None:
    assert floors(arrows(package)) > 1
