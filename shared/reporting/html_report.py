"""report.html: report.json for people, in one file: inline styles and SVG, no script, nothing from another host.

Well-formed as XML too. Everything that was read is escaped; colours of the configuration count only if plain.
"""

from shared.labelling.colors import colors
from shared.labelling.label_config import LabelConfig
from shared.reporting.environment import template_environment
from shared.reporting.wording import class_names
from shared.store.report import ReportFile

MOST_STRIPS = 100  # recordings that are drawn; report.json holds all


def render_report(report: ReportFile, config: LabelConfig) -> bytes:
    """The page of a report, series after series. config: names the colours of the labels."""
    template = template_environment().get_template("report.html")
    page = template.render(
        report=report,
        series=[
            (each, class_names(each.metrics), colors(own.labels, own.colors))
            for each in (report, *report.others)
            for own in [next((one for one in config.series if one.to_name == each.series), config)]
        ],
        most_strips=MOST_STRIPS,
    )
    return page.encode()
