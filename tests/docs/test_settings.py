"""docs/settings.md and the configurations printed in docs/connecting.md are held against the code."""

from dataclasses import fields

from shared.labelling.label_config import parse_label_config
from shared.recordings.series import read_series
from shared.settings import Settings
from tests.docs.markdown import between, page
from tests.support.paths import ROOT


def settings_table() -> str:
    """The table that docs/settings.md must hold."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    defaults = Settings().environment()
    for each in fields(Settings):
        names = [each.name.upper(), *each.metadata["aliases"]]
        default = defaults[each.name.upper()]
        about = f"{each.metadata['about']} Allowed: {each.metadata['reader'].allowed}."
        lines.append(f"| {', '.join(f'`{name}`' for name in names)} | {f'`{default}`' if default else ''} | {about} |")
    return "\n".join(lines)


def test_each_setting_is_listed_as_in_the_code() -> None:
    assert between(page("docs/settings.md"), "settings") == settings_table()


def test_the_printed_configurations_read_the_shipped_recording() -> None:
    printed = page("docs/connecting.md").partition("```xml\n")[2].partition("```")[0]
    data = (ROOT / "tests" / "time_series.csv").read_bytes()
    by_row = read_series(data, parse_label_config(printed))
    timed = printed.replace('value="$csv_url"', 'value="$csv_url" timeColumn="time"')
    by_time = read_series(data, parse_label_config(timed))
    assert by_row.rows == by_time.rows > 100
    assert by_row.axis.value(7) == 7
    assert float(by_time.axis.value(7)) > 0
