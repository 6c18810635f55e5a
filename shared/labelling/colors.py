"""Colours of labels on pages and reports: those of the configuration, where they are valid CSS colours."""

import re
from collections.abc import Sequence

# 20 colours for labels without a configured one: Okabe and Ito's, distinguishable with any colour vision, then 12 that
# differ from these and from each other in hue or lightness
PALETTE = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442", "#7f7f7f",
    "#8c2d04", "#6a3d9a", "#b2df8a", "#e31a1c", "#1b4f1b", "#c2a5ff", "#00d0c0", "#ff7f7f",
    "#4d2600", "#b3b300", "#ff33cc", "#08306b",
)  # fmt: skip
_COLOR = re.compile(r"#[0-9a-fA-F]{3,8}|[a-zA-Z]{3,24}", re.ASCII)


def colors(labels: Sequence[str], configured: Sequence[str]) -> dict[str, str]:
    """A colour for each label: the configured one where it is a hex or named colour, else one of the palette."""
    given = dict(zip(labels, configured, strict=False))
    return {
        label: given[label] if _COLOR.fullmatch(given.get(label, "")) else PALETTE[index % len(PALETTE)]
        for index, label in enumerate(labels)
    }


def is_light(color: str) -> bool:
    """Whether text on a hex colour is read better in black; named colours count as light."""
    digits = color.removeprefix("#")
    if len(digits) in (3, 4):
        digits = "".join(2 * each for each in digits[:3])
    if not color.startswith("#") or len(digits) < 6:
        return True
    red, green, blue = (_linear(int(digits[at : at + 2], 16) / 255) for at in (0, 2, 4))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179  # where black and white have the same contrast


def _linear(part: float) -> float:
    return float(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)
