"""Reports for people: report.html, and the parts of it that the project page shows, from one set of templates.

What report.json holds is defined in `shared.store.report`; the pages around the parts are in `inference.status`.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from shared.reporting.environment import template_environment
    from shared.reporting.html_report import render_report
    from shared.reporting.wording import (
        agreement_sentence,
        class_names,
        evaluation_sentence,
        label_error_sentence,
        use_sentence,
        work_sentence,
    )

__all__ = [
    "agreement_sentence",
    "class_names",
    "evaluation_sentence",
    "label_error_sentence",
    "render_report",
    "template_environment",
    "use_sentence",
    "work_sentence",
]
# imported at first use: they need Jinja
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "environment": ["template_environment"],
        "html_report": ["render_report"],
        "wording": [
            "agreement_sentence",
            "class_names",
            "evaluation_sentence",
            "label_error_sentence",
            "use_sentence",
            "work_sentence",
        ],
    },
)
