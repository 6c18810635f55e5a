"""What the server and the trainer share."""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read by onnxruntime when it is imported, which is after this
