"""Label Studio may answer with shorter pages than requested (TASK_API_PAGE_SIZE_MAX): no task is left out."""

from datetime import UTC, datetime
from pathlib import Path

from examples.demo import label_studio as installed
from examples.demo.client import Client
from examples.demo.program import free_port
from shared.label_studio.client import LabelStudio
from shared.label_studio.credentials import Credentials
from shared.labelling.snapshots import same_annotations, take_snapshot
from shared.net.connections import Connections
from shared.settings import Settings
from tests.e2e.project import Project
from training.data.tasks import annotated_tasks


def test_both_readers_read_all_tasks(tmp_path: Path, figures: dict[str, str]) -> None:
    installed.install(print)
    port = free_port()
    program = installed.program(tmp_path / "data", port, tmp_path / "log", TASK_API_PAGE_SIZE_MAX="2")
    with program.start(installed.START_SECONDS):
        url = f"http://127.0.0.1:{port}"
        project = Project(Client(url, installed.TOKEN), seed=5, count=5, labels=2, axis="numeric")
        for number in range(5):
            project.annotate(number)
        connections = Connections()
        credentials = Credentials(Settings(label_studio_host=url, label_studio_api_key=installed.TOKEN), connections)
        found = annotated_tasks(credentials, project.id, "f")
        label_studio = LabelStudio(credentials, connections)
        cheap = label_studio.annotation_states(project.id)
        lacking = [
            task.id
            for page in label_studio.tasks_without_prediction(project.id, "v", only_unlabelled=False)
            for task in page.tasks
        ]
    figures["tasks read from pages of two"] = f"{len(found.tasks)} of 5"
    assert [task.id for task in found.tasks] == sorted(project.tasks) == lacking
    assert same_annotations(found.snapshot, take_snapshot(cheap, "f", datetime.now(UTC)))
