from typing import get_args

from shared.doubts import EFFECTS, UNSURE_SCORE, Doubt, Effect, Kind, doubtful_score


def test_each_kind_says_what_it_does_to_an_answer() -> None:
    assert set(EFFECTS) == set(get_args(Kind))


def test_a_doubt_against_an_answer_caps_its_score_and_a_note_does_not() -> None:
    note = Doubt(kind="unterminated", sentence="The last line does not end with a line break.")
    against = Doubt(kind="sampling-rate", sentence="It has 50 rows a second; the training recordings had 100.")
    assert (note.effect, against.effect) == (Effect.NOTE, Effect.UNSURE)
    assert doubtful_score(0.9, [note]) == 0.9
    assert doubtful_score(0.9, [note, against]) == UNSURE_SCORE
    assert doubtful_score(0.2, [against]) == 0.2
