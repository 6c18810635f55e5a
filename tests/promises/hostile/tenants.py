"""Projects that have nothing in common: names, labels, channels, separators and recordings of their own."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tests.support.synthetic import FAST, draw_ranges
from tests.support.web_server import Answer, Asked, Script, answer

SEPARATORS = {"comma": ",", ";": ";", "tab": "\t"}
DRIVER = """
import sys
from pathlib import Path
from training.__main__ import main
for project in sys.argv[2:]:
    folder = Path(sys.argv[1]) / project
    given = ["--tasks", str(folder / "tasks.json"), "--label-config", str(folder / "label_config.xml")]
    code = main(["run", "--project", project, *given])
    assert code == 0, (project, code)
"""


class Tenant:
    """One project. `mark` stands in all that is its own, and nowhere else."""

    def __init__(self, project: int) -> None:
        self.project = project
        self.mark = f"tenant{project}x"
        self.labels = (f"{self.mark}-run", f"{self.mark}-walk")
        self.channels = (f"{self.mark}-a", f"{self.mark}-b")[:: 1 if project % 2 else -1]
        self._sep = list(SEPARATORS)[project % len(SEPARATORS)]
        self._timed = project % 4 != 0
        random = np.random.default_rng(project)
        self.recordings = [self._recording(random) for _ in range(4)]

    @property
    def label_config(self) -> str:
        labels = "".join(f'<Label value="{label}"/>' for label in self.labels)
        channels = "".join(f'<Channel column="{channel}"/>' for channel in self.channels)
        time = f' timeColumn="{self.mark}-t"' if self._timed else ""
        return (
            f'<View><TimeSeriesLabels name="{self.mark}" toName="ts">{labels}</TimeSeriesLabels>'
            f'<TimeSeries name="ts" valueType="url" value="$csv" sep="{self._sep}"{time}>{channels}</TimeSeries></View>'
        )

    def write(self, folder: Path) -> None:
        """An export of three annotated tasks, and the fourth recording without annotations."""
        home = folder / str(self.project)
        home.mkdir(parents=True)
        tasks = []
        for number, (table, regions) in enumerate(self.recordings[:3], 1):
            (home / f"{number}.csv").write_bytes(table)
            annotation = {"id": number, "result": regions, "created_at": "2026-01-01T00:00:00Z"}
            tasks.append({"id": number, "data": {"csv": f"{number}.csv"}, "annotations": [annotation]})
        (home / "tasks.json").write_text(json.dumps(tasks))
        (home / "label_config.xml").write_text(self.label_config)

    def batch(self, url: str) -> bytes:
        """A batch of the recording that nobody annotated."""
        tasks = [{"id": 4, "project": self.project, "data": {"csv": f"{url}/{self.project}/4.csv"}}]
        return json.dumps({"tasks": tasks, "project": str(self.project), "label_config": self.label_config}).encode()

    def _recording(self, random: "np.random.Generator") -> tuple[bytes, list[dict[str, object]]]:
        values, segments = draw_ranges(random, 200)
        names = [f"{self.mark}-t", f"{self.mark}-a", f"{self.mark}-b"]
        separator = SEPARATORS[self._sep]
        rows = [separator.join(names)]
        rows += [separator.join(f"{each:.4f}" for each in (row, *values[row])) for row in range(len(values))]
        regions: list[dict[str, object]] = [
            {
                "id": f"{self.mark}-{place}",
                "from_name": self.mark,
                "to_name": "ts",
                "type": "timeserieslabels",
                "value": {
                    "start": each.first,
                    "end": each.last,
                    "instant": False,
                    "timeserieslabels": [self.labels[("Run", "Walk").index(each.label)]],
                },
            }
            for place, each in enumerate(segments)
        ]
        return "\n".join(rows).encode(), regions


def recordings(tenants: Sequence[Tenant]) -> Script:
    """What the server that holds everybody's recordings answers."""
    tables = {f"/{each.project}/4.csv": each.recordings[3][0] for each in tenants}

    def script(asked: Asked) -> Answer:
        if asked.headers.get("if-none-match") == '"a-1"':
            return answer(status=304, ETag='"a-1"')
        return answer(tables[asked.path], ETag='"a-1"')

    return script


@contextmanager
def trainers(
    tenants: Sequence[Tenant], exports: Path, model_dir: Path, count: int = 2
) -> Iterator[list["subprocess.Popen[str]"]]:
    """Processes that train all of them, `count` at a time."""
    command = [sys.executable, "-c", DRIVER, str(exports)]
    environment = {**FAST, "PATH": "", "MODEL_DIR": str(model_dir), "OMP_NUM_THREADS": "1"}
    environment |= {"BALANCED_ACCURACY_THRESHOLD": "0", "MIN_CLASS_F1_THRESHOLD": "0"}
    started = [
        subprocess.Popen(
            [*command, *(str(each.project) for each in tenants[first::count])],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for first in range(count)
    ]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
