"""How the SDK's requests travel: over our own connections, whose answers end by a deadline however slowly they drip."""

import httpx
from urllib3.exceptions import HTTPError

from shared.errors import LabelStudioError, RefusedError
from shared.label_studio.request import MAX_RESPONSE_BYTES
from shared.net.connections import Connections, describe_error, read_body
from shared.net.urls import Url

_OURS = ("host", "connection", "accept-encoding")  # headers that the connection decides on
_DONE = ("content-encoding", "content-length", "transfer-encoding")  # headers of a body that is decoded already


class TimedTransport(httpx.BaseTransport):
    """Sends requests to Label Studio's host alone. Redirects are answers, as everywhere here."""

    def __init__(self, connections: Connections, home: Url, seconds: float) -> None:
        """`seconds`: for one whole answer, head and body together; a time-out of httpx restarts with every byte."""
        self._connections = connections
        self._home = home
        self._seconds = seconds

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send and read. Raises httpx.TransportError with the reason, LabelStudioError if the answer is too large."""
        url = self._home._replace(target=request.url.raw_path.decode("ascii"))
        headers = {name: value for name, value in request.headers.items() if name not in _OURS}
        try:
            response = self._connections.open(
                url,
                url.host,
                method=request.method,
                headers=headers,
                body=request.read() or None,
                seconds=self._seconds,
            )
            content = read_body(
                response, MAX_RESPONSE_BYTES, f"The answer to {request.method} {url.display}", "this program"
            )
        except HTTPError as error:
            raise httpx.TransportError(describe_error(error, self._seconds)) from error
        except RefusedError as error:
            raise LabelStudioError(str(error)) from error
        kept = [(name, value) for name, value in response.headers.items() if name.lower() not in _DONE]
        return httpx.Response(response.status, headers=kept, content=content, request=request)

    def close(self) -> None:
        """Close idle connections."""
        self._connections.close()
