"""The URL to connect in Label Studio, as far as this server knows it."""

import socket
from contextlib import closing

from shared.label_studio.credentials import is_loopback
from shared.net.urls import Url, read_url
from shared.settings import Settings

HOST_OF_CONTAINER = "host.docker.internal"
WEBHOOK_SECRET = "WEBHOOK_SECRET"  # noqa: S105  stands for the secret, which is shown nowhere


def server_url(settings: Settings, port: int | None = None, *, seen: str = "") -> str:
    """Where Label Studio reaches this server: on the same machine by localhost, else by SERVER_URL or an address.

    `port`: that it listens on, where PORT is 0. `seen`: the URL by which a browser has reached it, without a path.
    """
    port = port or settings.port
    label_studio = read_url(settings.label_studio_host)
    near = is_loopback(label_studio.host) or label_studio.host == HOST_OF_CONTAINER
    if settings.server_url and not near:
        base = settings.server_url
    elif seen:
        base = seen
    elif near:
        base = f"http://localhost:{port}"
    else:
        address = _own_address(settings, label_studio)
        base = f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"
    return f"{base}/{WEBHOOK_SECRET}" if settings.webhook_secret else base


def _own_address(settings: Settings, label_studio: Url) -> str:
    """The address of this machine towards Label Studio; HOST where that is an address itself. Nothing is sent."""
    if settings.host not in ("0.0.0.0", "::"):  # noqa: S104
        return settings.host
    try:
        family, _, _, _, place = socket.getaddrinfo(label_studio.host, label_studio.port, type=socket.SOCK_DGRAM)[0]
        with closing(socket.socket(family, socket.SOCK_DGRAM)) as probe:
            probe.connect(place)
            return str(probe.getsockname()[0])
    except OSError:
        return socket.gethostname()
