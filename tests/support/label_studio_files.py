"""The small Label Studio with recordings to train on."""

import math

from tests.support.label_studio import Studio
from tests.support.web_server import Answer, Asked, answer

REGIONS = [
    {
        "id": str(first),
        "from_name": "label",
        "to_name": "ts",
        "type": "timeserieslabels",
        "value": {"start": first, "end": first + 39, "instant": False, "timeserieslabels": ["Run"]},
    }
    for first in (0, 80, 160)
]
RECORDING = "value\n" + "".join(f"{math.sin(row / (2 if row % 80 < 40 else 9)):.3f}\n" for row in range(240))


class StudioWithFiles(Studio):
    """Uploads that are there; that of task 4 may be away."""

    away = False
    away_answer = answer(status=503)  # in place of the recording
    all_away = False

    def __call__(self, asked: Asked) -> Answer:
        if not asked.path.startswith("/data/upload/"):
            return super().__call__(asked)
        if self.all_away or (self.away and "00000004-" in asked.path):
            return self.away_answer
        body = RECORDING.encode()
        return answer(body, 206, Content_Range=f"bytes 0-{len(body) - 1}/{len(body)}")
