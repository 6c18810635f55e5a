"""The HTTP server: application, authentication, origins, limits, error responses, OpenAPI.

Handlers of the status pages are in `inference.status`; what the other routes do is in `inference.operations` and
`inference.serving`.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from inference.web.app import create_app
    from inference.web.openapi import document
    from inference.web.server import serve

__all__ = ["create_app", "document", "serve"]
# imported at first use: they need Starlette and uvicorn
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "app": ["create_app"],
        "openapi": ["document"],
        "server": ["serve"],
    },
)
