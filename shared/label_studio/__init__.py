"""Label Studio as a client sees it: credentials, API requests, and the files of its tasks with their cache on disk.

What configurations and regions mean is in `shared.labelling`; the routes that Label Studio calls are in
`inference.serving`.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from shared.label_studio.cache import RecordingCache
    from shared.label_studio.client import LabelStudio
    from shared.label_studio.credentials import Credentials
    from shared.label_studio.fetcher import Fetcher
    from shared.label_studio.messages import Project
    from shared.label_studio.request import display_url, send_request

__all__ = ["Credentials", "Fetcher", "LabelStudio", "Project", "RecordingCache", "display_url", "send_request"]
# imported at first use: they need urllib3
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "cache": ["RecordingCache"],
        "client": ["LabelStudio"],
        "credentials": ["Credentials"],
        "fetcher": ["Fetcher"],
        "messages": ["Project"],
        "request": ["display_url", "send_request"],
    },
)
