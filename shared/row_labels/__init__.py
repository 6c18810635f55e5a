"""Labels by row, as people who work with sensors keep them: a CSV with a label in each row ◄► segments.

What a segment means to Label Studio is in `shared.labelling`; how recordings are read in `shared.recordings`.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from shared.row_labels.columns import LabelColumn, label_columns
    from shared.row_labels.reading import LabelTable, read_labels
    from shared.row_labels.writing import write_rows

__all__ = ["LabelColumn", "LabelTable", "label_columns", "read_labels", "write_rows"]
# imported at first use: reading needs pandas
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "columns": ["LabelColumn", "label_columns"],
        "reading": ["LabelTable", "read_labels"],
        "writing": ["write_rows"],
    },
)
