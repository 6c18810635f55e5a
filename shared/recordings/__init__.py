"""Bytes of a recording (CSV or JSON) to a `Series`: values and time axis, as Label Studio's page reads them.

Fetching the bytes is the task of `shared.label_studio`; normalising and cutting into windows that of
`shared.segmentation`. pandas is imported only when a CSV needs it.
"""

from shared.recordings.csv_reader import MAX_CELLS
from shared.recordings.series import Series, cell_limit, read_series

__all__ = ["MAX_CELLS", "Series", "cell_limit", "read_series"]
