"""The status pages: their data, their templates, their routes.

What they show is collected in `inference.monitoring`; the report's parts are in `shared.reporting`.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from inference.status.overview import Overview
    from inference.status.pages import Pages
    from inference.status.project_contents import ProjectPage
    from inference.status.routes import status_routes
    from inference.status.task_page import TaskPage

__all__ = ["Overview", "Pages", "ProjectPage", "TaskPage", "status_routes"]
# imported at first use: routes need Starlette and Jinja
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "overview": ["Overview"],
        "pages": ["Pages"],
        "project_contents": ["ProjectPage"],
        "routes": ["status_routes"],
        "task_page": ["TaskPage"],
    },
)
