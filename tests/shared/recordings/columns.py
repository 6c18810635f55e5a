"""What the tests of reading share: a configuration, one column, and equality with missing values."""

from typing import Any

import numpy as np

from shared.labelling.label_config import LabelConfig, parse_label_config
from shared.recordings.series import read_series

NAN = float("nan")
CLOCK = "%Y-%m-%d %H:%M:%S"


def config(*channels: str, time: str = "", **attributes: str) -> LabelConfig:
    written = " ".join(
        f'{name}="{value}"' for name, value in {"valueType": "url", "timeColumn": time, **attributes}.items()
    )
    tags = "".join(f'<Channel column="{each}"/>' for each in channels or ["value"])
    return parse_label_config(
        '<View><TimeSeriesLabels name="label" toName="ts"><Label value="Run"/><Label value="Walk"/></TimeSeriesLabels>'
        f'<TimeSeries name="ts" value="$csv_url" {written}>{tags}</TimeSeries></View>'
    )


def column(data: Any, wanted: LabelConfig | None = None) -> list[float]:
    found: list[float] = read_series(data, wanted or config()).values[:, 0].tolist()
    return found


def equal(found: list[float], expected: list[float]) -> bool:
    return np.array_equal(found, expected, equal_nan=True)
