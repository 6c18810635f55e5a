"""The Jinja environment of reports and pages: everything that is put into a template is escaped."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from shared.reporting import charts
from shared.reporting.wording import (
    AGREEMENT_NOTE,
    METRIC_TITLES,
    agreement_sentence,
    evaluation_sentence,
    sets_sentence,
    use_sentence,
    work_sentence,
)

TEMPLATES = Path(__file__).parent / "templates"
# characters that XML does not allow; Jinja escapes only markup
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@cache
def template_environment(*folders: Path) -> jinja2.Environment:
    """An environment over `folders` and this room's templates, `report_parts.html` among them.

    The same one each time: it compiles a template once, which takes as long as fitting a small network for 100 steps.
    """
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, TEMPLATES]),
        autoescape=True,
        auto_reload=False,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_replace_forbidden,
    )
    made.globals |= {
        "evaluation_sentence": evaluation_sentence,
        "AGREEMENT_NOTE": AGREEMENT_NOTE,
        "METRIC_TITLES": METRIC_TITLES,
        "agreement_sentence": agreement_sentence,
        "use_sentence": use_sentence,
        "sets_sentence": sets_sentence,
        "work_sentence": work_sentence,
        "line": charts.line,
        "plot": charts.plot,
        "strip": charts.strip,
        "lanes": charts.lanes,
    }
    return made


def _replace_forbidden(value: Any) -> Any:
    """Text without characters that XML forbids; markup that a macro made passes, its parts came through here."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return _NOT_IN_XML.sub("\ufffd", value)
    return value
