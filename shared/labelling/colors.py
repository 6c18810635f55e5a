"""Colours of labels on pages and reports: those of the configuration, else those that Label Studio itself shows."""

import re
from collections.abc import Sequence
from colorsys import hsv_to_rgb

# 20 colours where those of Label Studio are hardly told apart: Okabe and Ito's, distinguishable with any colour vision,
# then 12 that differ from these and from each other in hue or lightness
PALETTE = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442", "#7f7f7f",
    "#8c2d04", "#6a3d9a", "#b2df8a", "#e31a1c", "#1b4f1b", "#c2a5ff", "#00d0c0", "#ff7f7f",
    "#4d2600", "#b3b300", "#ff33cc", "#08306b",
)  # fmt: skip
LEAST_HUES_APART = 25.0  # degrees; Label Studio's colours differ in hue alone
_COLOR = re.compile(r"#[0-9a-fA-F]{3,8}|[a-zA-Z]{3,24}", re.ASCII)


def colors(labels: Sequence[str], configured: Sequence[str]) -> dict[str, str]:
    """A colour for each label: the configured one where it is a hex or named colour, else the one that Label Studio
    gives it, unless that is nearly the colour of an earlier label: then one of the palette.
    """
    given = dict(zip(labels, configured, strict=False))
    found: dict[str, str] = {}
    hues: list[float] = []
    for index, label in enumerate(labels):
        if _COLOR.fullmatch(given.get(label, "")):
            found[label] = given[label]
            continue
        hue = _hue(label)
        if any(abs((hue - other + 180) % 360 - 180) < LEAST_HUES_APART for other in hues):
            found[label] = PALETTE[index % len(PALETTE)]
        else:
            hues.append(hue)
            found[label] = _hex(hue)
    return found


def _hue(label: str) -> float:
    """Hue that Label Studio gives a label without a colour, in degrees: it seeds Please.js with the label.

    That is a whole number of degrees from the RC4 generator, turned by the golden ratio.
    """
    units = label.encode("utf-16-le", "surrogatepass")
    key = [low + 256 * high for low, high in zip(units[::2], units[1::2], strict=True)] or [0]
    state, j = list(range(256)), 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    j, fraction = 0, 0.0
    for i in range(1, 9):
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        fraction += state[(state[i] + state[j]) % 256] * 256.0 ** (i - 1)
    degrees = int(fraction / 2.0**64 * 361)
    return (degrees + degrees / 0.618033988749895) % 360


def _hex(hue: float) -> str:
    """The colour of a hue at the saturation and value of Label Studio's."""
    return "#" + "".join(f"{int(255 * part):02x}" for part in hsv_to_rgb(hue / 360, 0.4, 0.75))


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
