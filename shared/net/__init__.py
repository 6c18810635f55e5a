"""HTTP as a client: URLs, which hosts may be reached, connections with deadlines and size limits.

Nothing here knows Label Studio, tokens or the cluster.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from shared.net.connections import Connections, describe_error, read_body
    from shared.net.urls import HostPolicy, Url, read_url

__all__ = ["Connections", "HostPolicy", "Url", "describe_error", "read_body", "read_url"]
# imported at first use: connections need urllib3
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "connections": ["Connections", "describe_error", "read_body"],
        "urls": ["HostPolicy", "Url", "read_url"],
    },
)
