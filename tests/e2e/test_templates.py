"""The time series templates of the installed Label Studio: each can be served, and docs/connecting.md says how."""

from pathlib import Path

from examples.demo import label_studio as installed
from shared.labelling.label_config import parse_label_config
from tests.support.paths import ROOT

NAMES = {
    "activity-recognition": "Activity recognition",
    "change-point-detection": "Change point detection",
    "outliers-anomaly-detection": "Outliers and anomaly detection",
    "signal-quality": "Signal quality detection",
    "time-series-forecasting": "Time series forecasting",
}


def test_each_template_is_read_and_documented() -> None:
    installed.install(print)
    (folder,) = Path(installed.HOME).glob("venv/lib/python*/site-packages/label_studio/annotation_templates")
    found = {path.parent.name: path.read_text() for path in folder.glob("time-series-analysis/*/config.xml")}
    assert found.keys() == NAMES.keys()
    table = (ROOT / "docs/connecting.md").read_text()
    for name, xml in found.items():
        config = parse_label_config(xml)
        assert config.labels
        about_regions = [each for each in config.left_out if "gets no predictions" in each]
        assert len(about_regions) == len(config.left_out) == xml.count('perRegion="true"')
        assert len(config.choice_tags) == xml.count("<Choices ") + xml.count("<Rating ") - len(about_regions)
        assert f"| {NAMES[name]} |" in table
