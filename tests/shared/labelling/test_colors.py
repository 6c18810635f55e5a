"""Colours of labels: configured, Label Studio's own, or told apart."""

import pytest

from shared.labelling.colors import PALETTE, colors


@pytest.mark.parametrize(
    ("label", "color"),  # by Please.js of Label Studio 1.23.2 in Chromium
    [
        ("Run", "#bf7286"),
        ("Ä", "#72bf87"),
        ("日本", "#72bf76"),
        ("a", "#a272bf"),
        ("😀", "#7cbf72"),
    ],
)
def test_a_label_without_a_colour_has_the_one_of_label_studio(label: str, color: str) -> None:
    assert colors([label], [""]) == {label: color}


def test_labels_whose_colours_are_hardly_told_apart_get_others() -> None:
    labels = ("Run", "Forward elevation", "Walk", "N")  # hues of 344, 323, 313 and 194 degrees
    assert colors(labels, ()) == {
        "Run": "#bf7286",
        "Forward elevation": PALETTE[1],
        "Walk": "#bf72ae",
        "N": "#72adbf",
    }


def test_an_empty_label_and_half_a_character_have_a_colour() -> None:
    assert all(color.startswith("#") for color in colors(["", "\ud83d"], ()).values())
