"""Screenshots that are small enough for a repository."""

from pathlib import Path

from PIL import Image

COLORS = 192  # pages have few; 250 kB become 80


def shrink(picture: Path) -> None:
    """Reduce a screenshot to a palette, in place."""
    with Image.open(picture) as found:
        small = found.convert("RGB").quantize(COLORS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    small.save(picture, optimize=True)
