"""May a candidate replace the model that serves?"""

from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from shared.labelling.segments import Segment
from training.data.annotations import LabelKinds, OwnRows, Recording
from training.judging.evaluate import HeldOutPrediction
from training.judging.gate import Reference, pass_gate, t_quantile

EMPTY = np.zeros((0, 3), np.float32)
SWAP = {"Run": "Walk", "Walk": "Run"}


def predict(recording: Recording, swapped: bool) -> HeldOutPrediction:
    segments = recording.segments()
    if swapped:
        segments = [msgspec.structs.replace(each, label=SWAP[each.label]) for each in segments]
    return HeldOutPrediction(recording, 0, (), EMPTY, tuple(segments))


def remember(recordings: list[Recording], swapped: int = 0, version: str = "champion") -> Reference:
    """A version that was right about all recordings but the first `swapped`."""
    found = [predict(each, number < swapped) for number, each in enumerate(recordings)]
    return Reference(version, {each.recording.key: (each.recording.rows, each.segments) for each in found}, b"")


@pytest.fixture
def recordings(make_recordings: Callable[..., list[Recording]]) -> list[Recording]:
    return make_recordings(10)


def test_the_first_model_passes(recordings: list[Recording]) -> None:
    assert pass_gate([predict(each, False) for each in recordings], [], 1.0).accepted


def test_an_equal_candidate_passes(recordings: list[Recording]) -> None:
    verdict = pass_gate([predict(each, False) for each in recordings], [remember(recordings)], 1.0)
    assert verdict.accepted
    assert "balanced accuracy +0.000" in verdict.reason


def test_a_reference_is_read_under_the_labels_of_today(recordings: list[Recording]) -> None:
    candidate = [predict(each, number < 4) for number, each in enumerate(recordings)]
    reference = remember(recordings)
    old = {
        key: (rows, [msgspec.structs.replace(each, label=f"old {each.label}") for each in segments])
        for key, (rows, segments) in reference.held_out.items()
    }
    assert pass_gate(candidate, [replace(reference, held_out=old)], 1.0).accepted, "what it finds has other names"
    renamed = replace(reference, held_out=old, renamed={"old Run": "Run", "old Walk": "Walk"})
    assert not pass_gate(candidate, [renamed], 1.0).accepted


def test_a_candidate_without_a_label_that_is_served_and_configured_is_rejected(recordings: list[Recording]) -> None:
    candidate = [predict(each, False) for each in recordings]
    reference = replace(remember(recordings), labels=frozenset({"Run", "Walk", "Swim"}), serves=True)
    verdict = pass_gate(candidate, [reference], 1.0, ("Run", "Walk", "Swim"))
    assert not verdict.accepted
    assert "no annotation has the label 'Swim' any more" in verdict.reason
    assert pass_gate(candidate, [reference], 1.0, ("Run", "Walk")).accepted, "nobody can annotate it any more"
    assert pass_gate(candidate, [replace(reference, serves=False)], 1.0, ("Run", "Walk", "Swim")).accepted


def test_a_candidate_that_is_worse_on_most_recordings_is_rejected(recordings: list[Recording]) -> None:
    candidate = [predict(each, number < 4) for number, each in enumerate(recordings)]
    verdict = pass_gate(candidate, [remember(recordings)], 1.0)
    assert not verdict.accepted
    assert "against champion" in verdict.reason


def test_one_worse_recording_is_noise(recordings: list[Recording]) -> None:
    candidate = [predict(each, number < 1) for number, each in enumerate(recordings)]
    assert pass_gate(candidate, [remember(recordings)], 1.0).accepted


def test_the_reference_is_the_best_version_that_is_kept(recordings: list[Recording]) -> None:
    candidate = [predict(each, number < 4) for number, each in enumerate(recordings)]
    versions = [remember(recordings, swapped=4, version="recent"), remember(recordings, version="best")]
    verdict = pass_gate(candidate, versions, 1.0)
    assert not verdict.accepted
    assert "best" in verdict.reason


def test_guessing_never_replaces_a_champion(recordings: list[Recording]) -> None:
    candidate = [HeldOutPrediction(each, 0, (), EMPTY, ()) for each in recordings[:2]]
    verdict = pass_gate(candidate, [remember(recordings, swapped=10)], 1.0)
    assert not verdict.accepted
    assert "chance" in verdict.reason


def test_a_first_model_that_saves_no_work_is_withheld(recordings: list[Recording]) -> None:
    verdict = pass_gate([HeldOutPrediction(each, 0, (), EMPTY, ()) for each in recordings], [], 1.0)
    assert not verdict.accepted
    assert "work saved 0%" in verdict.reason


def test_with_few_groups_only_a_large_loss_rejects(recordings: list[Recording]) -> None:
    two, champion = recordings[:2], remember(recordings)
    slightly = [replace(predict(each, False), segments=tuple(each.segments()[:-1])) for each in two]
    assert pass_gate([predict(each, False) for each in two], [champion], 1.0).accepted
    assert not pass_gate([predict(each, True) for each in two], [champion], 1.0).accepted
    assert not pass_gate(slightly, [champion], 1.0).accepted  # a fifth of the segments is missing


def test_of_two_recordings_a_model_replaces_one_that_was_never_evaluated(recordings: list[Recording]) -> None:
    """What people correct in their first two recordings is served, whatever two recordings say of each other."""
    two = recordings[:2]
    assert pass_gate([predict(each, True) for each in two], [remember(two)], 1.0).accepted
    assert pass_gate([], [remember(two)], 1.0).accepted


def test_todays_annotations_decide_about_yesterdays_predictions(recordings: list[Recording]) -> None:
    """The champion learned swapped labels, people corrected them since: it is no reference to fear."""
    champion = remember(recordings, swapped=10)
    assert pass_gate([predict(each, False) for each in recordings], [champion], 1.0).accepted


def test_nothing_held_out_never_replaces_a_champion(recordings: list[Recording]) -> None:
    assert not pass_gate([], [remember(recordings)], 1.0).accepted


def test_stored_segments_are_at_the_rows_of_a_recording_as_it_came(make_recording: Callable[..., Recording]) -> None:
    from training.judging.gate import _stored

    recording = make_recording([Segment(10, 59, "Run")], rows=100)
    reference = remember([recording])
    assert _stored(reference, recording) == [Segment(10, 59, "Run")]
    assert _stored(reference, replace(recording, own_rows=OwnRows(1.0, 99))) is None
    twice = make_recording([Segment(20, 119, "Run")], rows=200)
    assert _stored(reference, replace(twice, own_rows=OwnRows(0.5, 100))) == [
        Segment(19, 118, "Run")
    ]  # half a row of its own off


def test_quantiles_are_those_of_published_tables() -> None:
    """https://en.wikipedia.org/wiki/Student%27s_t-distribution#Table_of_selected_values."""
    found = [t_quantile(degrees) for degrees in (1, 2, 5, 16, 30, 1000)]
    assert found == pytest.approx([12.706, 4.303, 2.571, 2.120, 2.042, 1.962], abs=5e-4)


def test_the_verdict_holds_what_changed_against_each_reference(recordings: list[Recording]) -> None:
    candidate = [predict(each, False) for each in recordings]
    references = [remember(recordings, 4, "worse"), remember(recordings, 0, "equal")]
    worse, equal = pass_gate(candidate, references, 1.0).comparisons
    assert (worse.version, equal.version, worse.groups) == ("worse", "equal", 10)
    gain = worse.differences["balanced_accuracy"]
    assert gain.standard_error is not None
    assert gain.value > 2 * gain.standard_error > 0
    assert worse.f1_by_label["Run"] > 0.1
    assert equal.differences["balanced_accuracy"].value == 0.0
    assert set(equal.f1_by_label.values()) == {0.0}


def test_few_groups_give_a_difference_without_a_standard_error(recordings: list[Recording]) -> None:
    few = recordings[:2]
    (found,) = pass_gate([predict(each, False) for each in few], [remember(recordings, 1)], 1.0).comparisons
    assert found.differences["balanced_accuracy"].standard_error is None


def test_no_label_set_may_get_clearly_worse_though_the_whole_gets_better(
    make_recording: Callable[..., Recording],
) -> None:
    first, second = ("Run", "Walk", "Jump", "Sit"), ("Noise",)
    sets = (("activity", frozenset(first)), ("state", frozenset(second)))
    kinds = LabelKinds((first, second), (), (), sets)
    marks = [Segment(12 * at, 12 * at + 9, label) for at, label in enumerate((*first, "Noise", *first))]
    recordings = [replace(make_recording(marks, 120, kinds=kinds), key=str(n), group=str(n)) for n in range(10)]
    without_jumps = [each for each in marks if each.label not in ("Jump", "Sit", "Walk")]
    without_noise = [
        *(each for each in marks if each.label != "Noise"),
        Segment(48, 54, "Noise"),
    ]  # seven of its ten rows

    def found(segments: list[Segment]) -> list[HeldOutPrediction]:
        return [HeldOutPrediction(each, 0, (), EMPTY, tuple(segments)) for each in recordings]

    reference = Reference("champion", {each.key: (each.rows, without_jumps) for each in recordings}, b"")
    assert pass_gate(found(marks), [reference], 1.0).accepted
    verdict = pass_gate(found(without_noise), [reference], 1.0)
    assert not verdict.accepted
    assert verdict.reason.startswith("of the labels of 'state', its balanced accuracy -0.150")
