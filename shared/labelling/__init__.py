"""What Label Studio's labelling configuration and regions mean: labels, channels, time axis, segments, snapshots.

No requests are sent from here (see `shared.label_studio`), and no recordings are read (see `shared.recordings`).
"""

from shared.labelling.label_config import LabelConfig, parse_label_config
from shared.labelling.regions import from_regions, to_regions
from shared.labelling.segments import Segment
from shared.labelling.snapshots import Snapshot, take_snapshot
from shared.labelling.time_axis import TimeAxis

__all__ = [
    "LabelConfig",
    "Segment",
    "Snapshot",
    "TimeAxis",
    "from_regions",
    "parse_label_config",
    "take_snapshot",
    "to_regions",
]
