"""Operations behind the routes: connecting a project, events, trainings, versions; thread pools, background loops.

Each object has one subject, is called in threads and may block. HTTP is in `web` and `status`, Label Studio's JSON in
`serving`; `inference.services` creates the objects.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from inference.operations.background import BackgroundLoops
    from inference.operations.events import EventRecorder
    from inference.operations.setup import ProjectSetup
    from inference.operations.thread_pools import ThreadPools
    from inference.operations.token_adoption import TokenAdoption
    from inference.operations.trainings import Trainings
    from inference.operations.update_queue import UpdateQueue
    from inference.operations.versions import Versions

__all__ = [
    "BackgroundLoops",
    "EventRecorder",
    "ProjectSetup",
    "ThreadPools",
    "TokenAdoption",
    "Trainings",
    "UpdateQueue",
    "Versions",
]
# imported at first use: they need models and the store
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "background": ["BackgroundLoops"],
        "events": ["EventRecorder"],
        "setup": ["ProjectSetup"],
        "thread_pools": ["ThreadPools"],
        "token_adoption": ["TokenAdoption"],
        "trainings": ["Trainings"],
        "update_queue": ["UpdateQueue"],
        "versions": ["Versions"],
    },
)
