"""The objects of a server, created from the settings. Used by `web` only."""

from threading import Event

from inference.launchers import choose_launcher
from inference.monitoring import (
    ActivityLog,
    CountingStorage,
    Diagnoser,
    LabelStudioMonitor,
    OutcomeRecorder,
    ServerMetrics,
    StatusCollector,
)
from inference.monitoring.task_table import TaskTable
from inference.operations import (
    BackgroundLoops,
    EventRecorder,
    ProjectSetup,
    ThreadPools,
    TokenAdoption,
    Trainings,
    UpdateQueue,
    Versions,
)
from inference.operations.forgetting import DeletedTasks, Forgetter
from inference.operations.labels import Labels
from inference.operations.operator_log import OperatorLog
from inference.preannotation.refresh import Refresher
from inference.serving import ModelCache, Predictor
from inference.serving.predictor import share_of_threads
from inference.status import Pages
from inference.version import program_version
from shared.label_studio import Credentials, Fetcher, LabelStudio, display_url
from shared.label_studio.token_file import open_token_file
from shared.logs import Redaction
from shared.net import Connections
from shared.retraining import Controller, Launcher, Runs, Updates
from shared.retraining.accepted_labels import AcceptedLabels
from shared.retraining.controller import make_reconciler
from shared.retraining.waiting import WaitingUpdates
from shared.settings import Settings
from shared.store import KnownProjects, ModelStore, Storage, keys, open_storage
from shared.store.aliases import LabelAliases
from shared.supervision import supervised

NOT_SEEN = "Label Studio cannot be read: annotations are not seen. The page /ui/ says why."


class Services:
    """The objects of one server process, running between `start` and `close`."""

    def __init__(
        self,
        settings: Settings,
        redaction: Redaction | None = None,
        *,
        opened: Storage | None = None,
        launcher: Launcher | None = None,
    ) -> None:
        """redaction: of the log; tokens received by /setup are added to it. opened: the store, if it is open already.

        launcher: in place of that of TRAIN_LAUNCHER.
        """
        self._closing = Event()
        self.metrics = ServerMetrics(program_version())
        self.activity_log = ActivityLog()

        storage = CountingStorage(
            opened or open_storage(settings.model_dir, settings.new_store), self.metrics.store_failed
        )
        tasks, self.operators = TaskTable(storage), OperatorLog(storage)
        outcomes = OutcomeRecorder(self.metrics, self.activity_log, tasks)
        store = ModelStore(storage, keep_versions=settings.keep_versions)
        updates, projects, runs = Updates(storage), KnownProjects(storage), Runs(storage)
        aliases, waiting = LabelAliases(storage), WaitingUpdates(updates)
        statuses = StatusCollector(
            store,
            runs,
            updates,
            projects,
            aliases=aliases,
            waiting=waiting,
            settings=settings,
            ended=outcomes.run_ended,
        )

        connections = Connections()
        credentials = Credentials(settings, connections, token_file=open_token_file(settings))
        label_studio = LabelStudio(credentials, connections)
        fetcher = Fetcher(settings, credentials, connections, share=share_of_threads(settings))
        self._monitor = monitor = LabelStudioMonitor(
            label_studio,
            credentials,
            projects,
            display_url(credentials.base_url),
            asked=self.metrics.label_studio,
            titles=statuses.titles,
        )

        models = ModelCache(store, cache_size=settings.model_cache_size, aliases=aliases.of)
        self.predictor = Predictor(models, fetcher, settings, observe=outcomes.task, stage=self.metrics.stage)
        self._diagnoser = Diagnoser(models, fetcher, label_studio, projects, settings)

        self._refresher = Refresher(settings, storage, label_studio, fetcher, models)
        self._refreshing = supervised("refresh", lambda: self._refresher.run(self._closing), self._closing)
        self._refreshes = settings.refresh_predictions != "none"

        self._launcher = launcher or choose_launcher(settings, runs, credentials)
        reconciler = make_reconciler(storage, credentials, connections, remembered=statuses.runs_of)
        self._controller = Controller(settings, storage, self._launcher, reconciler, waiting=waiting)

        self.metrics.watch(models, statuses, lambda: self._controller.launch_error)

        def reconcile_all() -> None:  # annotations made before there was a token
            self._controller.reconcile_soon(*projects.ids())

        self._tokens = TokenAdoption(credentials, redaction or Redaction(()), reconcile_all)
        monitor.token_sentence = lambda: self._tokens.sentence
        queue = UpdateQueue(updates, self._controller, statuses, self.activity_log)
        self.pools = ThreadPools()
        self.background = BackgroundLoops(
            models,
            monitor,
            tasks,
            statuses,
            read_store=lambda: storage.keys(keys.updates(0)),
            check_store=storage.check,
        )
        self.setup = ProjectSetup(projects, self._tokens, models, self._controller)
        forgetter = Forgetter(settings, storage, tasks, self.operators)
        self._deleted_tasks = DeletedTasks(storage, forgetter, label_studio, self._controller.wake)
        self._forgetting = supervised("forget", lambda: self._deleted_tasks.run(self._closing), self._closing)
        self._forgets = settings.forget_deleted_tasks
        forget = self._deleted_tasks.ask if self._forgets else None
        self.events = EventRecorder(queue, runs, self._controller, self.metrics, self.activity_log, aliases.of, forget)
        self.trainings = Trainings(queue, updates, runs, self.activity_log, self.operators)
        self.labels = Labels(queue, aliases, AcceptedLabels(storage), projects, self.operators, settings)
        self.versions = Versions(store, statuses, self.activity_log, self.operators)
        self.pages = Pages.of(
            settings,
            statuses=statuses,
            activity_log=self.activity_log,
            tasks=tasks,
            operators=self.operators,
            storage=storage,
            models=models,
            launcher=self._launcher.name,
            launch_error=lambda: str(self._controller.launch_error or ""),
            findings=self._controller.findings,
            background=self.background,
            monitor=monitor,
            diagnoser=self._diagnoser,
        )

    def label_studio_problem(self) -> str:
        """That annotations are not seen, "" if they are. For anybody: the pages say why, and name addresses."""
        return NOT_SEEN if self._monitor.state.problem else ""

    def start(self) -> None:
        """Start the loops."""
        self.background.start()
        self._controller.start()
        if self._refreshes:
            self._refreshing.start()
        if self._forgets:
            self._forgetting.start()

    def close(self) -> None:
        """Finish pending work, stop the loops, end the trainings of this process."""
        self._closing.set()
        self._refresher.close()
        self._deleted_tasks.stop()
        self.background.close()
        self._tokens.close()
        self._controller.stop()
        self._launcher.close()
        self.predictor.close()
        self._diagnoser.close()
        self.pools.close()
