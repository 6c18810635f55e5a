"""Settings from the environment: one frozen object; each field states its unit, its default and why."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self

from shared.errors import SettingsError
from shared.setting_readers import (
    FLAG,
    HOST_NAMES,
    HOSTS,
    OPTIONAL_URL,
    SECRET_PATH,
    TEXT,
    URL,
    Reader,
    integer,
    number,
    one_of,
)

TaskScore = Literal["plausible", "mean", "min-segment", "margin", "entropy"]
Annotators = Literal["majority", "latest"]
Overlaps = Literal["auto", "forbid"]
NewStore = Literal["make", "refuse"]
Refresh = Literal["none", "unlabelled", "all"]
MachineAnnotations = Literal["leave-out", "learn"]


def setting(default: Any, reader: Reader, about: str, *aliases: str) -> Any:
    """A field read from the variable of its upper-cased name, or else from one of `aliases`."""
    return field(default=default, metadata={"reader": reader, "about": about, "aliases": aliases})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings. An empty variable counts as unset.

    Raises SettingsError, from `from_environment`, with the variable, what was found and what is allowed.
    """

    # Label Studio
    label_studio_host: str = setting(
        "http://localhost:8080",
        URL,
        "Address of Label Studio, as seen from here; task URLs without a host are relative to it.",
        "LABEL_STUDIO_URL",
    )
    label_studio_api_key: str = setting(
        "",
        TEXT,
        "Legacy token or personal access token. Empty: the token that Label Studio sends with /setup is used if it "
        "connects under LABEL_STUDIO_HOST and that accepts the token; it is held in memory, see KEEP_TOKEN.",
    )
    keep_token: bool = setting(
        False,
        FLAG,
        "Keep the token that Label Studio sends with /setup over restarts, in a file of mode 600 outside MODEL_DIR, "
        "until Label Studio refuses it. Only where MODEL_DIR is a folder; ignored with LABEL_STUDIO_API_KEY.",
    )
    data_hosts_allowed: tuple[str, ...] = setting(
        (),
        HOSTS,
        "Internal hosts that task data may come from; loopback, private and link-local addresses other than "
        "LABEL_STUDIO_HOST are refused unless named here.",
    )
    ca_file: str = setting(
        "",
        TEXT,
        "File of certificate authorities in PEM that are trusted besides the system's: for Label Studio, recordings "
        "and the bucket.",
    )
    data_root: str = setting(
        "",
        TEXT,
        "Folder with a copy of Label Studio's media, for training from an export without Label Studio.",
    )
    cache_dir: str = setting(
        "",
        TEXT,
        "Folder for downloaded recordings. Empty: nothing is cached on disk.",
    )
    cache_max_mb: int = setting(
        1024,
        integer(1, 10**6),
        "Size of CACHE_DIR [MiB] at which the recordings unused longest are deleted; a recording "
        "above half of it is not cached.",
    )

    # Store
    model_dir: str = setting(
        "./models",
        TEXT,
        "Folder or s3://, gs://, az:// address of models, updates and runs; /app/models in images.",
    )
    new_store: NewStore = setting(
        "make",
        one_of("make", "refuse"),
        "An empty folder at MODEL_DIR: make a store there, or refuse it as a volume that is not mounted (not ready, no "
        "training, until the store is there). Set refuse once a store exists.",
    )
    keep_versions: int = setting(
        10,
        integer(1, 1000),
        "Versions kept for each project; older ones are deleted when a new one is published.",
    )
    forget_deleted_tasks: bool = setting(
        False,
        FLAG,
        "Forget tasks that are deleted in Label Studio, as `tss forget` does: reports, logs and caches lose them, and "
        "versions that learned from them are named. Those stay until `tss forget --versions` deletes them.",
    )

    # When to train
    start_training_each_n_updates: int = setting(
        1,
        integer(1, 10**6),
        "Annotation events that start a training. Higher values save computing time; fewer events than that wait "
        "for more.",
    )
    max_concurrent_runs: int = setting(
        1,
        integer(1, 1000),
        "Trainings at the same time on this machine. Default 1: a second one would take the core that predicts. Beside "
        "a training of more than a minute one more may run, of a project whose last one took less.",
    )
    reconcile_seconds: int = setting(
        300,
        integer(0, 10**6),
        "Seconds between comparisons with Label Studio, which find annotations whose events were lost. "
        "0: never (on Kubernetes a CronJob does it).",
    )
    train_launcher: str = setting(
        "auto",
        one_of("auto", "process", "kubernetes", "none"),
        "How trainings run. auto: as Jobs in a Kubernetes cluster, as a child process where torch is installed, "
        "otherwise not at all (a worker runs `python -m training watch`).",
    )
    train_cronjob: str = setting(
        "train",
        TEXT,
        "Suspended CronJob whose template makes the training Jobs (launcher kubernetes).",
    )
    train_timeout_seconds: int = setting(
        3600,
        integer(1, 10**6),
        "Seconds after which a training is stopped. Default: one hour, which no small project needs.",
    )
    train_threads: int = setting(
        2,
        integer(1, 256),
        "Fits of a training that go on side by side, one thread each; each needs memory of its own. Predictions come "
        "first: a server starts trainings at the lowest priority.",
    )

    # How to train
    train_epochs: int = setting(
        1000,
        integer(1, 10**6),
        "Upper limit of passes over the training windows; the schedule usually stops far earlier.",
    )
    sequence_size: int = setting(
        50,
        integer(4, 10000),
        "LSTM steps in a window; a step is one row, or 2 or 4 where the data allow downsampling.",
    )
    hidden_size: int = setting(64, integer(4, 1024), "Units of each LSTM layer and direction.")
    balanced_accuracy_threshold: float = setting(
        0.85,
        number(0, 1),
        "Mean recall on held-out recordings at which training stops trying longer schedules.",
    )
    min_class_f1_threshold: float = setting(
        0.70,
        number(0, 1),
        "F1 of the worst class on held-out recordings at which training stops trying longer schedules.",
    )
    use_class_weights: bool = setting(
        True,
        FLAG,
        "Weigh rare classes more (square root of inverse frequency, capped).",
    )
    unlabelled: str = setting(
        "background",
        one_of("background", "ignore"),
        "Rows outside regions: background, or ignore (unknown, for people who label one event in a long file).",
    )
    annotators: Annotators = setting(
        "majority",
        one_of("majority", "latest"),
        "Which annotations of a task count where it has no ground truth: majority (rows on which more than half of "
        "the annotators agree), or latest (the last annotation alone).",
    )
    machine_annotations: MachineAnnotations = setting(
        "leave-out",
        one_of("leave-out", "learn"),
        "Annotations that Label Studio created from predictions and nobody looked at: leave-out, or learn (from those "
        "of tasks without other annotations; models are never evaluated on them).",
    )
    overlaps: Overlaps = setting(
        "auto",
        one_of("auto", "forbid"),
        "Ranges of one label set over each other: auto (labels that people put over each other are learned and "
        "predicted side by side), or forbid (one range a row in a label set, of annotated ones the shorter).",
    )
    seed: int = setting(
        0,
        integer(0, 2**31 - 1),
        "Random seed of a training.",
    )
    device: str = setting("auto", one_of("auto", "cpu", "cuda"), "Device for training; auto: a GPU if torch finds one.")

    # Serving
    host: str = setting("127.0.0.1", TEXT, "Address to listen on; 0.0.0.0 in images.")
    allowed_hosts: tuple[str, ...] = setting(
        (),
        HOST_NAMES,
        "Host names accepted without credentials, besides IP addresses, localhost and HOST. Others are refused: a web "
        "page could reach the server under them (DNS rebinding).",
    )
    allow_open: bool = setting(
        False,
        FLAG,
        "Serve without credentials on addresses other than loopback: everybody who reaches the port may do everything.",
    )
    port: int = setting(9090, integer(0, 65535), "Port to listen on; 0: any free one.")
    server_url: str = setting(
        "",
        OPTIONAL_URL,
        "URL under which Label Studio reaches this server, for banner, pages and doctor. Empty: its machine's "
        "address. Not used where Label Studio runs on the same machine: localhost.",
    )
    basic_auth_user: str = setting("", TEXT, "User name of basic authentication; empty: no authentication.")
    basic_auth_pass: str = setting("", TEXT, "Password that goes with BASIC_AUTH_USER.")
    webhook_secret: str = setting(
        "",
        SECRET_PATH,
        "Path prefix of the webhook: events are accepted under /SECRET only; enter http://HOST:9090/SECRET in Label "
        "Studio. Empty: no prefix.",
    )
    predict_threads: int = setting(
        2,
        integer(1, 256),
        "Threads that predict; each uses one core. Default 2: a slow recording does not hold up the others.",
    )
    predict_budget_seconds: float = setting(
        90.0,
        number(1, 86400),
        "Seconds for one batch of tasks; tasks left over are answered empty and asked again. Default 90: Label Studio "
        "gives up after 100.",
    )
    model_cache_size: int = setting(
        16, integer(1, 10000), "Models held in memory, 5 to 15 MiB each; the least recently used is unloaded."
    )
    refresh_predictions: Refresh = setting(
        "none",
        one_of("none", "unlabelled", "all"),
        "Tasks whose predictions are pushed to Label Studio in the background after a publication: none, unlabelled, "
        "or all. 10 tasks a second, at most one refresh an hour of a project. Label Studio adds predictions beside the "
        "old ones.",
    )
    refresh_delete: bool = setting(
        False,
        FLAG,
        "After a refresh, delete this program's own predictions older than the last two versions; never those that an "
        "annotation was made from, and none of tasks with a draft.",
    )
    task_score: TaskScore = setting(
        "plausible",
        one_of("plausible", "mean", "min-segment", "margin", "entropy"),
        "Formula of a task's prediction score, by which Label Studio can sort tasks: how clear segments and events "
        "are, lowered where labels come unusually often or seldom; others: docs/advice.md.",
    )
    max_body_mb: int = setting(
        64,
        integer(1, 4096),
        "Largest request body [MiB]; a batch of 10^4 tasks has about 10. At most four such bodies are in memory.",
    )
    max_requests: int = setting(
        32,
        integer(1, 10**4),
        "Requests of one kind (predictions; pages; events and the rest) in progress or waiting; further ones get 503 "
        "with Retry-After. Label Studio sends from a few threads at a time, each a whole batch.",
    )
    max_connections: int = setting(
        512,
        integer(8, 10**5),
        "Open connections; when the limit is reached, the connection idle longest is closed. Default: half of the "
        "1,024 files that a process may usually open.",
    )
    client_timeout_seconds: float = setting(
        30.0,
        number(0.1, 3600),
        "Seconds for a request to arrive completely, and for a client to read the response; slower connections are "
        "closed. A body of 64 MiB takes 6 s at 100 Mbit/s.",
    )
    max_series_mb: int = setting(
        1024,
        integer(1, 65536),
        "Largest recording [MiB], both as a file and as values of 8 bytes in memory.",
    )
    fetch_timeout_seconds: float = setting(30.0, number(0.1, 3600), "Seconds for the download of one recording.")
    log_level: str = setting(
        "info", one_of("debug", "info", "warning", "error"), "Lowest level of log lines that are written."
    )
    log_format: str = setting(
        "auto",
        one_of("auto", "text", "json"),
        "Format of log lines; auto: text on a terminal, otherwise one JSON object a line.",
    )

    def __post_init__(self) -> None:
        if self.refresh_delete and self.refresh_predictions == "none":
            raise SettingsError(
                "REFRESH_DELETE is true, but REFRESH_PREDICTIONS is none: old predictions are deleted after a refresh "
                "only; set REFRESH_PREDICTIONS to unlabelled or all."
            )
        if bool(self.basic_auth_user) != bool(self.basic_auth_pass):
            raise SettingsError(
                "BASIC_AUTH_USER and BASIC_AUTH_PASS go together: one is set, the other is empty; set both or neither."
            )
        if self.keep_token and "://" in self.model_dir:
            raise SettingsError(
                f"KEEP_TOKEN is true, but MODEL_DIR is {self.model_dir!r}: tokens are kept on one machine only; set "
                "LABEL_STUDIO_API_KEY instead."
            )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read all settings from `environ` (default: the process's)."""
        environ = os.environ if environ is None else environ
        found: dict[str, Any] = {}
        for each in fields(cls):
            for name in (each.name.upper(), *each.metadata["aliases"]):
                text = environ.get(name, "").strip()
                if text:
                    found[each.name] = _parse(name, text, each.metadata["reader"])
                    break
        return cls(**found)

    def environment(self) -> dict[str, str]:
        """Environment variables with the same settings, for a child process."""
        return {each.name.upper(): _text(getattr(self, each.name)) for each in fields(self)}


def _parse(name: str, text: str, reader: Reader) -> Any:
    try:
        return reader.read(text)
    except (ValueError, KeyError):
        shown = "a value that is not shown" if "SECRET" in name else repr(text)
        raise SettingsError(f"{name} is {shown}, but must be {reader.allowed}.") from None


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
