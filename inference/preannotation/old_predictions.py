"""Predictions of our own older versions, deleted from Label Studio: `REFRESH_DELETE`."""

from collections.abc import Callable, Set

from shared.label_studio.client import LabelStudio
from shared.store.keys import is_version

KEPT = 2  # versions whose predictions stay, the newest


def delete_old(
    label_studio: LabelStudio,
    project: int,
    serving: str,
    ours: Set[str],
    *,
    rate: float,
    wait: Callable[[float], bool | None],
) -> int:
    """Delete predictions by versions of `ours` older than the last two. Returns how many.

    What an annotation was made from stays, and so do all of tasks with a draft and what other models made. `wait` is
    given seconds between two deletions and returns whether to stop. Raises LabelStudioError.
    """
    versions = sorted(each for each in ours if is_version(each))
    kept = {serving, *versions[-KEPT:]}
    old = {each for each in versions if each not in kept and each < min(kept)}
    deleted = 0
    if not old:
        return 0
    for task in label_studio.tasks_with_predictions(project, without_drafts=True):
        referred = {each.parent_prediction for each in task.annotations}
        for prediction in task.predictions:
            if prediction.model_version in old and prediction.id not in referred:
                if wait(1 / rate):
                    return deleted
                deleted += label_studio.delete_prediction(prediction.id)
    return deleted
