"""Colours of labels on pages and reports: what the configuration says, where that is a colour and nothing else."""

import re
from collections.abc import Sequence

# Okabe and Ito's colours, told apart with any kind of colour vision; for labels whose configuration names none
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442", "#7f7f7f")
_COLOR = re.compile(r"#[0-9a-fA-F]{3,8}|[a-zA-Z]{3,24}", re.ASCII)


def colors(labels: Sequence[str], configured: Sequence[str]) -> dict[str, str]:
    """A colour for each label: the configuration's where that is a plain one, else one of the palette."""
    given = dict(zip(labels, configured, strict=False))
    return {
        label: given[label] if _COLOR.fullmatch(given.get(label, "")) else PALETTE[index % len(PALETTE)]
        for index, label in enumerate(labels)
    }
