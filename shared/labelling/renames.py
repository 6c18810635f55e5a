"""Labels that were renamed in a labelling configuration, while annotations keep the old name."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from shared.labelling.label_config import LabelConfig


def suggest_renames(before: Sequence[str], now: Sequence[str], aliases: Mapping[str, str]) -> list[tuple[str, str]]:
    """Pairs of an old label that is gone and a new one at its place in the list, without those confirmed."""
    if len(before) != len(now):
        return []
    pairs = [(old, new) for old, new in zip(before, now, strict=True) if old not in now and new not in before]
    return [(old, new) for old, new in pairs if old not in aliases]


def rename_sentence(project: int, old: str, new: str) -> str:
    """What is offered to an operator."""
    return (
        f"{old} ► {new}? The labelling configuration has {new!r} at the place of {old!r}, and annotations may keep the "
        "old name: their rows are unknown until then. If it is the same label, confirm it: "
        f"`tss labels alias --project {project} {old!r} {new!r}`."
    )


def with_aliases(config: LabelConfig, aliases: Mapping[str, str]) -> LabelConfig:
    """The configuration with confirmed renames: old labels of annotations and models are read as the new ones.

    Those whose old name is a label again, or whose new name is none, have no effect.
    """
    used = {old: new for old, new in aliases.items() if old not in config.label_set and new in config.label_set}
    if not used:
        return config
    return replace(config, synonyms={**used, **config.synonyms}, aliases=used)
