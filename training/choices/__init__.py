"""Learning choices about recordings as a whole: a linear classifier on their numbers, evaluated out of fold."""

from training.choices.learning import LearnedChoices, held_out_logits, learn_choices

__all__ = ["LearnedChoices", "held_out_logits", "learn_choices"]
