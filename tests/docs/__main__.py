"""Write the tables of docs/settings.md and docs/metrics.md from the code: `python -m tests.docs`."""

import sys
import tempfile

from tests.docs.markdown import between
from tests.docs.test_metrics import metrics_table, metrics_text
from tests.docs.test_settings import settings_table
from tests.support.paths import ROOT


def main() -> int:
    """Replace what stands between the marks."""
    with tempfile.TemporaryDirectory() as folder:
        tables = {"settings": settings_table(), "metrics": metrics_table(metrics_text(folder))}
    for name, table in tables.items():
        path = ROOT / "docs" / f"{name}.md"
        text = path.read_text()
        path.write_text(text.replace(between(text, name), table))
    return 0


if __name__ == "__main__":
    sys.exit(main())
