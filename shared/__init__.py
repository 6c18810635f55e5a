"""What server and trainer have in common, and nothing that only one of them needs.

From the ground up: errors, settings and logs; `labelling` (configuration and regions of Label Studio), `net`
(connections and which hosts may be reached); `recordings` (bytes to series), `label_studio` (its API and media),
`model_file` (card, probe, checksum); `segmentation` (series to segments), `store` (MODEL_DIR); `retraining` (updates,
runs, launching). No package imports one that comes later, and none imports `inference`, `training` or their libraries.
"""

import os

from shared.errors import ExitCode, PermanentError, SegmenterError, TemporaryError
from shared.settings import Settings

__all__ = ["ExitCode", "PermanentError", "SegmenterError", "Settings", "TemporaryError"]

# Read by onnxruntime 1.32 when it is imported, which only happens after this: it keeps a device id and a queue of
# events under the home folder, and looks its collector up.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
