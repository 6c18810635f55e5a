"""The server process: uvicorn with the application, a banner once it is up, graceful shutdown."""

import argparse
import ctypes
import importlib.util
import logging
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import uvicorn

from inference.server_url import server_url
from inference.services import Services
from inference.web.app import create_app
from inference.web.connection_limits import ConnectionLimits, make_protocol
from inference.web.request_log import RequestIds
from shared.errors import SettingsError
from shared.label_studio.credentials import is_loopback
from shared.logs import start_logging
from shared.settings import Settings

log = logging.getLogger(__name__)

BACKLOG = 2048
M_ARENA_MAX = -8  # of glibc's malloc.h
ARENAS = 2
LEAST_CONNECTIONS = 8
DRAIN_SECONDS = 100  # Label Studio waits as long for a prediction


def configure(parser: argparse.ArgumentParser) -> None:
    """`serve` has no arguments: settings come from the environment."""


def main(options: argparse.Namespace, settings: Settings) -> int:
    """Serve."""
    return serve(settings)


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT. Requests in flight are finished; a second signal ends at once."""
    secrets = (settings.label_studio_api_key, settings.basic_auth_pass, settings.webhook_secret)
    redaction = start_logging(settings.log_level, settings.log_format, secrets)
    for handler in logging.getLogger().handlers:
        handler.addFilter(RequestIds())
    check_system()
    check_exposure(settings)
    _limit_arenas()
    listener = _listen(settings)
    services = Services(settings, redaction)
    limits = ConnectionLimits(
        most_connections(settings.max_connections),
        settings.client_timeout_seconds,
        services.metrics.refused,
        services.metrics.connected,
    )
    config = uvicorn.Config(
        create_app(settings, services),
        http=make_protocol(limits),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,  # longer than the 60 s that proxies keep idle connections
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    server = _Server(config, lambda: _show_banner(settings, listener))
    try:
        server.run(sockets=[listener])
    finally:
        listener.close()
    return 0


def check_system() -> None:
    """Raise SettingsError on a system that cannot limit open files and end trainings with their children."""
    if importlib.util.find_spec("resource") is None:
        raise SettingsError(
            f"The server needs Linux or macOS, not {sys.platform}: run it in Docker or WSL. The library, `tss predict` "
            "and `tss train --tasks` work here."
        )


def most_connections(wanted: int) -> int:
    """MAX_CONNECTIONS, or half of the files that this process may open (`ulimit -n`) where that is less.

    The other half is for the store, downloads and models.
    """
    import resource  # of POSIX systems; `check_system` refuses others

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < 2 * wanted:
        raised = 2 * wanted if hard == resource.RLIM_INFINITY else min(2 * wanted, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    if soft == resource.RLIM_INFINITY or soft >= 2 * wanted:
        return wanted
    allowed = max(LEAST_CONNECTIONS, soft // 2)
    log.warning("This process may open %d files (ulimit -n): MAX_CONNECTIONS is %d, not %d.", soft, allowed, wanted)
    return allowed


def check_exposure(settings: Settings) -> None:
    """Raise SettingsError where anybody on the network could do everything and the operator has not allowed it."""
    if is_loopback(settings.host) or settings.allow_open:
        return
    if not settings.basic_auth_user:
        raise SettingsError(
            f"HOST={settings.host} is reached by other machines and no credentials are set: set BASIC_AUTH_USER and "
            "BASIC_AUTH_PASS (and WEBHOOK_SECRET, for events), or ALLOW_OPEN=true if everybody may do everything."
        )
    if not settings.webhook_secret:
        sentence = "events are accepted from anybody who reaches this port: set WEBHOOK_SECRET"
        if settings.train_launcher == "kubernetes":  # every pod of a cluster reaches it, and each event may cost a Job
            raise SettingsError(f"WEBHOOK_SECRET is not set, so that {sentence}, or ALLOW_OPEN=true.")
        log.warning("HOST=%s: %s.", settings.host, sentence)


class _Server(uvicorn.Server):
    """Prints the banner once it is up; ends immediately at the second signal."""

    def __init__(self, config: uvicorn.Config, banner: Callable[[], None]) -> None:
        super().__init__(config)
        self._banner = banner

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._banner()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            log.warning("Second signal: ending immediately.")
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)
        log.info("Shutting down: requests in flight are finished first.")
        super().handle_exit(sig, frame)


def _limit_arenas() -> None:
    """Let all threads share two of glibc's malloc arenas. By default it creates up to eight per core, and each keeps
    memory that its threads freed. No effect with other allocators.
    """
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)


def _listen(settings: Settings) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise SettingsError(
            f"HOST={settings.host} PORT={settings.port} cannot be listened on ({error.strerror}): "
            "end the program that does, or choose another PORT."
        ) from None


def _show_banner(settings: Settings, listener: socket.socket) -> None:
    url = server_url(settings, listener.getsockname()[1])
    log.info("Serving on %s, models in %s.", url, settings.model_dir)
    if sys.stderr.isatty() or settings.log_format == "text":
        sys.stderr.write(
            f"""
  Ready. Next, in Label Studio {settings.label_studio_host}:
    1. open a project with a TimeSeries configuration, Settings > Model > Connect model, URL {url}
    2. Settings > Annotation > use predictions to prelabel tasks, from the model you connected
    3. annotate a few tasks; the next ones arrive pre-annotated
  "URL resolves to a reserved network address"? Start Label Studio with SSRF_PROTECTION_ENABLED=false
  ML_BLOCK_LOCAL_IP=false and, once, LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN=true (docs/connecting.md).

"""
        )
