"""Two time series with data of their own and three label sets, two of which have a label of one name."""

from typing import Any

import numpy as np

CONFIG = (
    '<View><TimeSeriesLabels name="activity" toName="acc"><Label value="Active"/></TimeSeriesLabels>'
    '<TimeSeriesLabels name="machine" toName="acc"><Label value="On"/></TimeSeriesLabels>'
    '<TimeSeriesLabels name="light" toName="lux"><Label value="On"/></TimeSeriesLabels>'
    '<TimeSeries name="acc" valueType="url" value="$csv_url"><Channel column="a"/><Channel column="b"/></TimeSeries>'
    '<TimeSeries name="lux" valueType="json" value="$lux" timeColumn="time"><Channel column="lux"/></TimeSeries></View>'
)
ROWS = 240
PAIRS = {"activity": ("acc", "Active"), "machine": ("acc", "On"), "light": ("lux", "On")}


def region(control: str, first: int, length: int) -> dict[str, Any]:
    """A region of one tag; rows of lux are 10 units of time apart."""
    series, label = PAIRS[control]
    end, scale = first + length - 1, 1 if series == "acc" else 10
    value = {"start": scale * first, "end": scale * end, "instant": False, "timeserieslabels": [label]}
    return {
        "id": f"{control}{first}",
        "from_name": control,
        "to_name": series,
        "type": "timeserieslabels",
        "value": value,
    }


def draw(task: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], list[dict[str, Any]]]:
    """Values of acc [rows, 2] and of lux [rows // 2], and regions; the rows of lux are 10 units of time apart."""
    random = np.random.default_rng(task)
    acc, lux = random.normal(0, 0.3, (ROWS, 2)), random.normal(0, 0.3, ROWS // 2)
    regions = []
    for start in range(10 + 5 * (task % 3), ROWS - 50, 70):
        acc[start : start + 35, 0] += 3 * np.sin(np.arange(35))
        regions.append(region("activity", start, 35))
    start = 60 + 10 * (task % 4)
    acc[start : start + 90, 1] += 3
    regions.append(region("machine", start, 90))
    lux[20 + task : 60 + task] += 3
    regions.append(region("light", 20 + task, 40))
    return acc, lux, regions


def covered(regions: list[dict[str, Any]], control: str) -> np.ndarray[Any, Any]:
    """Units of time that regions of one tag cover."""
    found = np.zeros(10 * ROWS, bool)
    for each in regions:
        if each["from_name"] == control:
            assert (each["to_name"], each["value"]["timeserieslabels"][0]) == PAIRS[control]
            found[each["value"]["start"] : each["value"]["end"] + 1] = True
    return found


def overlap(one: list[dict[str, Any]], other: list[dict[str, Any]], control: str) -> float:
    """Intersection over union of what regions of one tag cover."""
    found, true = covered(one, control), covered(other, control)
    return float((found & true).sum() / (found | true).sum())
