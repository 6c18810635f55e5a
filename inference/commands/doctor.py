"""`python -m inference doctor`: checks everything needed for training and predicting, with remedies."""

import argparse
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from inference.launchers.choose import choose_launcher
from inference.server_url import server_url
from shared.errors import ExitCode, LabelConfigError, ModelError, SegmenterError
from shared.label_studio.client import LabelStudio
from shared.label_studio.credentials import Credentials
from shared.label_studio.messages import Backend, Project
from shared.label_studio.request import send_request
from shared.label_studio.token_file import open_token_file
from shared.label_studio.webhook_address import webhook_objection
from shared.labelling.label_config import parse_label_config
from shared.labelling.renames import rename_sentence, suggest_renames
from shared.net.connections import Connections
from shared.net.urls import read_url
from shared.retraining.runs import Runs
from shared.retraining.updates import Updates
from shared.segmentation.segmenter import ProjectModel
from shared.settings import Settings
from shared.store.aliases import LabelAliases
from shared.store.keys import is_version
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.projects import KnownProjects
from shared.store.storage import Storage

ANSWER_SECONDS = 5.0
NETWORK_FILE_SYSTEMS = ("nfs", "nfs4", "cifs", "smb3", "fuse.s3fs", "fuse.sshfs", "9p", "virtiofs")


class Check(NamedTuple):
    """Result of a check, with a remedy if it fails."""

    holds: bool
    what: str
    remedy: str = ""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `doctor`."""
    parser.add_argument("--json", action="store_true", help="write an array of checks to stdout")


def main(options: argparse.Namespace, settings: Settings) -> int:
    """Run all checks and print them."""
    return doctor(settings, as_json=options.json)


def doctor(settings: Settings, *, as_json: bool) -> int:
    """Print all checks. Returns 0 if all hold, else 1."""
    found = list(examine(settings))
    if as_json:
        sys.stdout.write(json.dumps([check._asdict() for check in found], indent=1) + "\n")
    else:
        for check in found:
            sys.stdout.write(f"{'✓' if check.holds else '✗'} {check.what}\n")
            if not check.holds and check.remedy:
                sys.stdout.write(f"    {check.remedy}\n")
    return ExitCode.DONE if all(check.holds for check in found) else ExitCode.INCOMPLETE


def examine(settings: Settings) -> Iterator[Check]:
    """All checks, in the order in which their remedies should be tried."""
    yield Check(True, "The settings can be read.")
    try:
        storage = open_storage(settings.model_dir, settings.new_store)
        yield _writable(storage, settings)
    except SegmenterError as error:
        yield Check(False, f"MODEL_DIR={settings.model_dir} cannot be used.", str(error))
        return
    connections = Connections()
    credentials = Credentials(settings, connections, token_file=open_token_file(settings))
    label_studio = LabelStudio(credentials, connections)
    reached = _attempt(lambda: f"Label Studio {label_studio.version()} answers at {settings.label_studio_host}.")
    yield reached
    named = False
    if reached.holds:
        yield (token := _token(credentials, label_studio, storage))
        named = token.holds
    yield _launcher(settings, storage, credentials)
    store = ModelStore(storage, keep_versions=settings.keep_versions)
    projects = KnownProjects(storage).ids()
    for project in sorted({*projects, *store.projects()}):
        yield from _model(store, project)
        yield from _history(storage, project)
        yield from _renames(storage, store, project)
        if named and project in projects:
            model_info = store.model_info(project)
            yield from _connection(label_studio, connections, project, model_info.version if model_info else "")
    if not projects:
        yield Check(False, "No project has connected yet.", f"Connect {server_url(settings)} in Label Studio.")


def _writable(storage: Storage, settings: Settings) -> Check:
    key = f"projects/doctor-{uuid4().hex}"
    storage.put(key, b"written and deleted by doctor")
    storage.delete([key])
    if "://" in settings.model_dir:
        return Check(True, f"MODEL_DIR={settings.model_dir} can be written.")
    kind = _file_system(Path(settings.model_dir))
    note = ", over a network: all servers and trainers may share it" if kind in NETWORK_FILE_SYSTEMS else ""
    return Check(True, f"MODEL_DIR={settings.model_dir} can be written ({kind}{note}).")


def _file_system(folder: Path) -> str:
    """Kind of the file system that holds a folder, from the kernel's table of mounts; "unknown" elsewhere."""
    best, kind = "", "unknown"
    try:
        lines = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return kind
    place = str(folder.resolve())
    for line in lines:
        _, mount, found, *_ = line.split(" ")
        if (place == mount or place.startswith(mount.rstrip("/") + "/")) and len(mount) >= len(best):
            best, kind = mount, found
    return kind


def _token(credentials: Credentials, label_studio: LabelStudio, storage: Storage) -> Check:
    if credentials.kind == "none":
        elsewhere = _connected_elsewhere(credentials, storage)
        if elsewhere:
            return Check(
                False,
                f"Label Studio connected as {elsewhere!r}, which is not LABEL_STUDIO_HOST: its token is not used.",
                "Set LABEL_STUDIO_HOST to its address as seen from here, or LABEL_STUDIO_API_KEY.",
            )
        return Check(
            False,
            "LABEL_STUDIO_API_KEY is empty; a running server uses the token that Label Studio sends when it connects.",
            "After a restart it has none until somebody opens the Data Manager: set it to a token from Account & "
            "Settings, or KEEP_TOKEN=true.",
        )
    return _attempt(lambda: f"The token is a {credentials.kind} one, of {label_studio.whoami().email}.")


def _connected_elsewhere(credentials: Credentials, storage: Storage) -> str:
    """Address of a connected Label Studio whose token may not be used; "" if there is none."""
    projects = KnownProjects(storage)
    for project in projects.ids()[:20]:
        known = projects.get(project)
        if known is not None and known.hostname and not credentials.may_adopt(known.hostname, "token"):
            return known.hostname[:60]
    return ""


def _launcher(settings: Settings, storage: Storage, credentials: Credentials) -> Check:
    try:
        launcher = choose_launcher(settings, Runs(storage), credentials)
    except SegmenterError as error:
        return Check(False, "Trainings cannot be started.", str(error))
    if launcher.name == "none":
        remedy = "Install '.[serve,train]', or run `python -m training watch` over the same MODEL_DIR."
        return Check(settings.train_launcher == "none", "The server starts no trainings itself.", remedy)
    torch = "" if importlib.util.find_spec("torch") else "; torch is not needed here"
    return Check(True, f"Trainings are started by the launcher {launcher.name!r}{torch}.")


def _model(store: ModelStore, project: int) -> Iterator[Check]:
    try:
        stored = store.current(project)
        if stored is None:
            yield Check(
                False,
                f"Project {project} has no model yet.",
                f"Annotate a few tasks, or press Train now on /ui/projects/{project}, which says what is missing.",
            )
            return
        ProjectModel.load(stored.data)
    except ModelError as error:
        remedy = (
            f"`python -m inference rollback --project {project}` lets the previous one serve; "
            "`python -m inference models verify` checks them all."
        )
        yield Check(False, f"The model of project {project} is invalid: {error}", remedy)
        return
    yield Check(True, f"Project {project}: model {stored.model_info.version} loads, and its probe passes.")
    snapshot = stored.model_info.snapshot
    if snapshot is not None and snapshot.is_outdated:
        yield Check(
            False,
            f"Project {project}: the model was trained by older rules for what annotations mean.",
            f"Press Train now on /ui/projects/{project}, or train all such models: `tss train --all-outdated`.",
        )


def _renames(storage: Storage, store: ModelStore, project: int) -> Iterator[Check]:
    """Labels that seem to have been renamed since the model was trained."""
    known, model_info = KnownProjects(storage).get(project), store.model_info(project)
    if known is None or model_info is None or not known.label_config:
        return
    try:
        config = parse_label_config(known.label_config)
    except LabelConfigError:
        return
    aliases = LabelAliases(storage).of(project)
    for old, new in suggest_renames(model_info.labels, config, aliases, model_info.renames):
        yield Check(False, f"Project {project}: a label may have been renamed.", rename_sentence(project, old, new))


def _history(storage: Storage, project: int) -> Iterator[Check]:
    waiting = Updates(storage).of(project)
    if waiting:
        age = storage.now() - waiting[-1].at
        yield Check(True, f"Project {project}: {len(waiting)} updates wait; the last event arrived {age:.0f} s ago.")
    last = Runs(storage).last_ended(project)
    if last is not None:
        done = last.outcome != "failed"
        age = storage.now() - (last.ended_at or 0.0)
        yield Check(
            done,
            f"Project {project}: the last run was {last.outcome}, {age:.0f} s ago.",
            f"{last.reason} Its log is on /ui/projects/{project}; "
            f"`python -m training run --project {project} --explain` shows what it would learn from.",
        )


def _connection(label_studio: LabelStudio, connections: Connections, project: int, serving: str) -> Iterator[Check]:
    try:
        found = label_studio.project(project)
        if found is None:
            remedy = f"If it was deleted: `python -m inference models delete --project {project}`."
            yield Check(False, f"Project {project} no longer exists, or the token's user may not see it.", remedy)
            return
        backends = [each for each in label_studio.backends(project) if _is_ours(each, connections)]
        hooks = {hook.url.rstrip("/") for hook in label_studio.webhooks(project) if hook.is_active}
    except SegmenterError as error:
        yield Check(False, f"Project {project} cannot be read.", str(error))
        return
    if not backends:
        remedy = "Connect it in the project's Settings > Model, by a URL that Label Studio can reach."
        yield Check(False, f"Project {project} is not connected to this program.", remedy)
        return
    backend = backends[0]
    yield Check(
        f"{backend.url.rstrip('/')}/webhook" in hooks,
        f"Project {project}: Label Studio sends events to {backend.url}/webhook.",
        webhook_objection(backend.url)
        or "Delete the model in Settings > Model and connect it again; see docs/connecting.md.",
    )
    yield chosen_predictions(found, backend, serving)
    yield Check(
        found.evaluate_predictions_automatically,
        f"Project {project}: predictions are retrieved automatically.",
        "Switch it on in Settings > Model, or use Retrieve predictions in the Data Manager.",
    )


def chosen_predictions(project: Project, backend: Backend, serving: str) -> Check:
    """Whose predictions annotators see: this program's, or one version's, whose scores Label Studio can order by."""
    shown, place = project.model_version or "", "Settings > Annotation > Use predictions to prelabel tasks"
    if is_version(shown):
        return Check(
            shown == serving,
            f"Project {project.id}: predictions of version {shown} are shown, and order tasks; no others are asked.",
            f"Choose {serving or backend.title!r}, which serves, or {backend.title!r} in {place}.",
        )
    return Check(
        shown == backend.title,
        f"Project {project.id}: predictions of {backend.title!r} are shown to annotators.",
        f"Choose {backend.title!r} in {place}.",
    )


def _is_ours(backend: Backend, connections: Connections) -> bool:
    """Whether this program answers at a backend's URL, as seen from this machine."""
    try:
        url = read_url(backend.url)
        home = url._replace(target=url.path.rstrip("/"))
        reply = send_request(connections, home, "GET", "/health", seconds=ANSWER_SECONDS)
    except SegmenterError:
        return False
    return reply.status == 200 and b"TimeSeriesSegmenter" in reply.body


def _attempt(work: Callable[[], str]) -> Check:
    try:
        return Check(True, work())
    except SegmenterError as error:
        return Check(False, "Label Studio does not answer as expected.", str(error))
