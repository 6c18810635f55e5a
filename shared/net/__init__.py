"""HTTP as a client: URLs, which hosts may be reached, connections with deadlines and size limits.

Nothing here knows Label Studio, tokens or the cluster.
"""

from shared.net.connections import Connections, describe_error, read_body
from shared.net.urls import HostPolicy, Url, read_url

__all__ = ["Connections", "HostPolicy", "Url", "describe_error", "read_body", "read_url"]
