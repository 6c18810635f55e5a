"""Choices about recordings: what more than half of the annotators say."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from shared.labelling.choice_tags import ChoiceTag
from shared.recordings.series import Series
from training.data.annotations import AnnotatedSeries

Answers = Mapping[str, Mapping[str, bool]]  # tag ► for each choice on which most agree, whether it is chosen


class ChosenRecording(NamedTuple):
    """A recording of which people chose something."""

    key: str
    group: str
    series: Series
    answers: Answers
    disputed: frozenset[str] = frozenset()  # tags of which annotators chose different things, without a majority


def chosen_recordings(marked: Sequence[AnnotatedSeries], tags: Sequence[ChoiceTag]) -> list[ChosenRecording]:
    """Recordings with choices. Those that nobody looked at are left out: they say what a model chose."""
    found = []
    for each in marked if tags else ():
        if each.machine_made:
            continue
        answers = {
            tag.from_name: majority(tag, votes)
            for tag in tags
            if (votes := [one[tag.from_name] for one in each.chosen if tag.from_name in one])
        }
        disputed = frozenset(name for name, answer in answers.items() if not answer)
        if answers:
            known = {name: answer for name, answer in answers.items() if answer}
            found.append(ChosenRecording(each.key, each.group, each.series, known, disputed))
    return found


def majority(tag: ChoiceTag, votes: Sequence[frozenset[str]]) -> dict[str, bool]:
    """Whether more than half of those who chose anything of a tag chose each choice.

    Choices of which exactly half did are left out; all of them, where one is meant and none has a majority.
    """
    counts = Counter(choice for vote in votes for choice in vote)
    found = {choice: 2 * counts[choice] > len(votes) for choice in tag.choices if 2 * counts[choice] != len(votes)}
    return found if tag.multiple or any(found.values()) else {}


def choice_counts(recordings: Iterable[ChosenRecording]) -> list[str]:
    """How often each choice of each tag was made, and where annotators differ: a sentence a tag."""
    counts: dict[str, Counter[str]] = {}
    disputed: Counter[str] = Counter()
    for each in recordings:
        disputed.update(each.disputed)
        for tag, answer in each.answers.items():
            counts.setdefault(tag, Counter()).update(choice for choice, yes in answer.items() if yes)
    found = []
    for tag in dict.fromkeys((*counts, *disputed)):
        shown = ", ".join(f"{choice} {count}" for choice, count in counts.get(tag, Counter()).items())
        differing = f"; annotators differ on {disputed[tag]}" if disputed[tag] else ""
        found.append(f"{tag}: {shown or 'none'} recordings{differing}.")
    return found
