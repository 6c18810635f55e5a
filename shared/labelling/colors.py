"""Colours of labels on pages and reports: those of the configuration, where they are valid CSS colours."""

import re
from collections.abc import Sequence

# Okabe and Ito's palette, distinguishable with any colour vision; for labels without a configured colour
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442", "#7f7f7f")
_COLOR = re.compile(r"#[0-9a-fA-F]{3,8}|[a-zA-Z]{3,24}", re.ASCII)


def colors(labels: Sequence[str], configured: Sequence[str]) -> dict[str, str]:
    """A colour for each label: the configured one where it is a hex or named colour, else one of the palette."""
    given = dict(zip(labels, configured, strict=False))
    return {
        label: given[label] if _COLOR.fullmatch(given.get(label, "")) else PALETTE[index % len(PALETTE)]
        for index, label in enumerate(labels)
    }
