"""Several label sets (TimeSeriesLabels tags) on one time series.

A name that occurs in more than one set stands for different labels: within a configuration, and so in models, reports
and pages, each is named with its tag, such as `Rest (activity)`. Regions carry the name that people gave it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec


class LabelSet(msgspec.Struct, frozen=True):
    """Labels of one tag. Regions of different tags may overlap, and say nothing of each other."""

    from_name: str
    names: dict[str, str]  # label as regions of this tag carry it ► its name within the configuration

    @property
    def labels(self) -> tuple[str, ...]:
        """Names within the configuration, in document order."""
        return tuple(dict.fromkeys(self.names.values()))


def name_apart(tags: Sequence[tuple[str, Iterable[str], Mapping[str, str]]]) -> tuple[LabelSet, ...]:
    """Label sets in which no two labels have one name within the configuration.

    tags: name of each tag, its labels, and `value` ► alias of those that have one.
    """
    owners = Counter(name for _, labels, synonyms in tags for name in {*labels, *synonyms})
    taken = set(owners)
    found = []
    for from_name, labels, synonyms in tags:
        names = {label: label if owners[label] == 1 else _qualified(label, from_name, taken) for label in labels}
        names |= {value: names[label] for value, label in synonyms.items() if value not in names}
        found.append(LabelSet(from_name, names))
    return tuple(found)


def earlier_names(sets: Sequence[LabelSet]) -> dict[str, str]:
    """Names that a model may have learned before another set or an alias was added ► those of today.

    A name without its tag means the first set that has it: others were not served when the model was made.
    """
    today = {label for each in sets for label in each.labels}
    found: dict[str, str] = {}
    for each in sets:
        for name, label in each.names.items():
            if name not in today:
                found.setdefault(name, label)
    return found


def _qualified(label: str, from_name: str, taken: set[str]) -> str:
    name = f"{label} ({from_name})"
    while name in taken:
        name += f" ({from_name})"
    taken.add(name)
    return name
