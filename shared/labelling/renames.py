"""Labels that were renamed in a labelling configuration, while annotations keep the old name."""

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

from msgspec.structs import replace

from shared.labelling.choice_tags import ChoiceTag
from shared.labelling.label_config import LabelConfig

Rename = tuple[str, str]  # old label, new label


def suggest_renames(
    before: Sequence[str], config: LabelConfig, aliases: Mapping[str, str], earlier: Sequence[Rename] = ()
) -> list[Rename]:
    """Pairs of an old label that is gone and a new one that seems to be the same, without those confirmed.

    The new label stands in the old one's place in the list; where a single new label stands in the place of several,
    they seem to be merged; a name that differs in case or blanks only is the same wherever it stands.
    before: labels of the configuration that the model was trained with. earlier: pairs that were offered when it was
    trained, while annotations had the old label.
    """
    now = config.labels
    if tuple(before) == now and not earlier:
        return []
    known = frozenset(before)
    gone, added = [each for each in before if each not in config.label_set], [each for each in now if each not in known]
    same = {_folded(new): new for new in reversed(added)}
    pairs = [(old, same[_folded(old)]) for old in gone if _folded(old) in same]
    named = {label for pair in pairs for label in pair}
    for _, first, end, new_first, new_end in SequenceMatcher(None, before, now, autojunk=False).get_opcodes():
        old_ones = [label for label in before[first:end] if label not in config.label_set | named]
        new_ones = [label for label in now[new_first:new_end] if label not in known | named]
        if len(old_ones) == len(new_ones):
            pairs += zip(old_ones, new_ones, strict=True)
        elif len(new_ones) == 1:
            pairs += [(old, new_ones[0]) for old in old_ones]
    paired = {old for old, _ in pairs}
    labels = config.label_set
    pairs += [(old, new) for old, new in earlier if old not in paired and old not in labels and new in labels]
    settled = {*config.synonyms, *(old for old, new in aliases.items() if new in labels)}
    return [(old, new) for old, new in pairs if old not in settled]


def _folded(label: str) -> str:
    return " ".join(label.split()).casefold()


def rename_sentence(project: int, old: str, new: str) -> str:
    """What is offered to an operator."""
    return (
        f"{old} ► {new}? The labelling configuration has {new!r} at the place of {old!r}, and annotations may keep the "
        "old name: their rows are unknown until then. If it is the same label, confirm it: "
        f"`tss labels alias --project {project} {old!r} {new!r}`."
    )


def with_aliases(config: LabelConfig, aliases: Mapping[str, str]) -> LabelConfig:
    """The configuration with confirmed renames: old labels of annotations and models are read as the new ones.

    Those whose old name is a label again, or whose new name is none, have no effect. Choices are renamed alike.
    """
    tags = tuple(_renamed(tag, aliases) for tag in config.choice_tags)
    config = replace(config, choice_tags=tags) if tags != config.choice_tags else config
    used = {old: new for old, new in aliases.items() if old not in config.label_set and new in config.label_set}
    others = tuple(with_aliases(each, aliases) for each in config.others)
    if not used:
        return replace(config, others=others) if others else config
    return replace(config, synonyms={**used, **config.synonyms}, aliases=used, others=others)


def _renamed(tag: ChoiceTag, aliases: Mapping[str, str]) -> ChoiceTag:
    used = {old: new for old, new in aliases.items() if old not in tag.choices and new in tag.choices}
    return replace(tag, synonyms={**used, **tag.synonyms}) if used else tag
