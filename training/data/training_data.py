"""Where training data come from: a project in Label Studio, or an export of one."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Self

from shared.errors import LabelConfigError, TrainingDataError
from shared.label_studio.client import LabelStudio
from shared.label_studio.credentials import Credentials
from shared.label_studio.fetcher import Fetcher
from shared.labelling.label_config import LabelConfig, parse_label_config
from shared.labelling.renames import with_aliases
from shared.labelling.snapshots import Snapshot, take_snapshot
from shared.net.connections import Connections
from shared.settings import Settings
from training.data.exports import OfflineSource, read_export
from training.data.label_heads import Heads
from training.data.recordings import Loaded, Source, load_recordings
from training.data.tasks import AnnotatedTask, annotated_tasks, annotation_states

NO_ALIASES: Mapping[str, str] = MappingProxyType({})


class TrainingData(NamedTuple):
    """What a run learns from, as it is at one moment."""

    config: LabelConfig
    tasks: list[AnnotatedTask]
    snapshot: Snapshot
    source: Source
    project_created: str  # as Label Studio sends it after the dot of "id.created"; "" offline
    notes: tuple[str, ...] = ()  # sentences about tasks that are none
    label_studio: LabelStudio | None = None  # None offline

    def of_series(self, config: LabelConfig) -> Self:
        """The same tasks, to learn one series from."""
        return self._replace(config=config)

    def snapshot_of(self, tasks: Iterable[AnnotatedTask]) -> Snapshot:
        """What the snapshot would be if only these were annotated."""
        moment = datetime.fromisoformat(self.snapshot.taken_at)
        return take_snapshot(annotation_states(tasks), self.snapshot.fingerprint, moment)

    def load(self, settings: Settings, previous: Heads = (), *, to_learn: bool = True) -> Loaded:
        """What `load_recordings` makes of it. previous: labels by head of ranges of the model that serves."""
        return load_recordings(
            self.tasks,
            self.config,
            self.source,
            settings.unlabelled,
            annotators=settings.annotators,
            machine_annotations=settings.machine_annotations,
            overlaps=settings.overlaps,
            previous=previous,
            to_learn=to_learn,
        )


def training_data_of_project(
    project: int,
    settings: Settings,
    aliases: Mapping[str, str] = NO_ALIASES,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> TrainingData:
    """Annotated tasks of a project. Raises LabelStudioError, LabelConfigError, TrainingDataError if there is none.

    `aliases` are renamed labels that an operator confirmed. `now` dates the snapshot, which separates newer models from
    older ones.
    """
    connections = Connections()
    credentials = Credentials(settings, connections)
    label_studio = LabelStudio(credentials, connections)
    found = label_studio.project(project)
    if found is None:
        raise TrainingDataError(
            f"Label Studio at {settings.label_studio_host} has no project {project}, or the user of the token may not "
            "see it."
        )
    config = with_aliases(parse_label_config(found.label_config), aliases)
    annotated = annotated_tasks(credentials, project, config.fingerprint, now=now)
    source = Fetcher(settings, credentials, connections)
    return TrainingData(config, annotated.tasks, annotated.snapshot, source, found.created, label_studio=label_studio)


def training_data_of_export(
    tasks: Path, label_config: Path, settings: Settings, aliases: Mapping[str, str] = NO_ALIASES
) -> TrainingData:
    """Annotated tasks of a JSON export. Raises LabelConfigError, TrainingDataError."""
    try:
        xml = label_config.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LabelConfigError(f"The labelling configuration {label_config} cannot be read: {error}.") from error
    config = with_aliases(parse_label_config(xml), aliases)
    annotated = read_export(tasks, config.fingerprint)
    connections = Connections()
    fetcher = Fetcher(settings, Credentials(settings, connections), connections)
    source = OfflineSource(tasks.parent, fetcher, settings.data_root)
    return TrainingData(config, annotated.tasks, annotated.snapshot, source, "", annotated.notes)
