"""Labels that were renamed in Label Studio, and annotations that look wrong: confirmed, and undone."""

from inference.operations.operator_log import NOBODY, Actor, OperatorLog
from inference.operations.update_queue import UpdateQueue
from shared.errors import LabelConfigError
from shared.labelling.label_config import parse_label_config
from shared.retraining.accepted_labels import AcceptedLabel, AcceptedLabels
from shared.retraining.updates import LABEL_ALIAS
from shared.settings import Settings
from shared.store.aliases import LabelAliases
from shared.store.projects import KnownProjects


def configured_labels(projects: KnownProjects, project: int) -> tuple[str, ...]:
    """Labels of a project's labelling configuration as last seen; none where it is not known or cannot be served."""
    known = projects.get(project)
    try:
        config = parse_label_config(known.label_config) if known and known.label_config else None
        return tuple(dict.fromkeys(label for each in config.series for label in each.labels)) if config else ()
    except LabelConfigError:
        return ()


class Labels:
    """What the page's buttons ask for. A rename starts a training: it changes what annotations mean."""

    def __init__(
        self,
        queue: UpdateQueue,
        aliases: LabelAliases,
        accepted: AcceptedLabels,
        projects: KnownProjects,
        operators: OperatorLog,
        settings: Settings,
    ) -> None:
        self._queue = queue
        self._projects = projects
        self._aliases = aliases
        self._accepted = accepted
        self._operators = operators
        self._weight = settings.start_training_each_n_updates
        self._by = f"{settings.basic_auth_user} on the page" if settings.basic_auth_user else "the page"

    def confirm(self, project: int, old: str, new: str, actor: Actor = NOBODY) -> None:
        """Read an old label as a new one. Raises RefusedError for a chain, a circle, or another configuration."""
        self._aliases.add(project, old, new, by=self._by, labels=configured_labels(self._projects, project))
        sentence = f"{old} is read as {new}."
        self._queue.add(project, LABEL_ALIAS, sentence, weight=self._weight)
        self._operators.record(project, actor, "alias", sentence, {"action": "unalias", "old": old})

    def accept(self, project: int, label: AcceptedLabel, actor: Actor = NOBODY) -> None:
        """Suspect an annotation no more. Trains nothing. Raises RefusedError for one that says nothing."""
        self._accepted.add(project, label, by=self._by)
        undo = {"action": "looks-wrong", **_fields(label)}
        self._operators.record(project, actor, "looks-right", f"{_named(label)} looks right.", undo)

    def suspect(self, project: int, label: AcceptedLabel, actor: Actor = NOBODY) -> None:
        """Suspect an accepted annotation again. Raises RefusedError if it was not accepted."""
        self._accepted.remove(project, label)
        undo = {"action": "looks-right", **_fields(label)}
        self._operators.record(project, actor, "looks-wrong", f"{_named(label)} is suspected again.", undo)

    def undo(self, project: int, old: str, actor: Actor = NOBODY) -> None:
        """Read a label under its own name again. Raises RefusedError if it is."""
        new = self._aliases.of(project).get(old, "")
        self._aliases.remove(project, old)
        sentence = f"{old} is read as itself again."
        self._queue.add(project, LABEL_ALIAS, sentence, weight=self._weight)
        undo = {"action": "alias", "old": old, "new": new} if new else {}
        self._operators.record(project, actor, "unalias", sentence, undo)


def _named(label: AcceptedLabel) -> str:
    return f"Task {label.task}, rows {label.first} to {label.last}: {label.annotated or 'nothing'}"


def _fields(label: AcceptedLabel) -> dict[str, str]:
    """Of the request that names it."""
    return {name: str(getattr(label, name)) for name in ("task", "first", "last", "annotated", "decoded")}
