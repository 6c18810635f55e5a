"""Pictures of the status page from the shipped example: `make screenshots` writes them into a folder.

The example is trained twice, on half of its recordings and on all, unless MODEL_DIR holds that already (a copy of it is
served). Label Studio is the tests' small one, holding the example's tasks. `--states` takes all pages with nothing yet,
training, good and broken as well, light, dark and on a phone.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from shared.retraining.active_run import begin_run
from shared.retraining.runs import Progress
from shared.store.models import ModelStore
from shared.store.opening import open_storage
from shared.store.projects import KnownProject, KnownProjects
from tests.pages.conftest import CHROMIUM, FLAGS
from tests.support.label_studio import LabelStudioDouble
from tests.support.paths import ROOT
from tests.support.pictures import shrink
from tests.support.server import run_server
from tests.support.tokens import TOKEN
from tests.support.web_server import serve as serve_web

EXAMPLE = ROOT / "examples" / "watch"
CONFIG = (EXAMPLE / "label_config.xml").read_text()
TITLE = "Shoulder exercises"
SKIP = {"action": "ANNOTATION_CREATED", "annotation": {"was_cancelled": True}, "project": {"id": 1}}
PICTURES = {
    "overview": ("/ui/", "light"),
    "project": ("/ui/projects/1", "light"),
    "project-dark": ("/ui/projects/1", "dark"),
    "task": ("/ui/projects/1/task?number=3", "light"),
}
MODELS = "./models"  # in a temporary folder, so that the pictures show no path of this machine
PAGES = {
    "overview": "/ui/",
    "project": "/ui/projects/1",
    "tasks": "/ui/projects/1/tasks",
    "task": "/ui/projects/1/task?number=3",
}
LOOKS = {"light": ("light", 1400), "dark": ("dark", 1400), "phone": ("light", 360)}  # colours, width


def main() -> int:
    """Train, serve, and take the pictures into the folder named by the first argument."""
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        if "MODEL_DIR" in os.environ:
            shutil.copytree(os.environ["MODEL_DIR"], MODELS)
        if not ModelStore(open_storage(MODELS)).versions(1):
            train(Path(scratch))
        with serve_web(example_label_studio()) as web:
            take(folder, web.url)
            if "--states" in sys.argv:
                take_states(folder / "states", web.url)
    return 0


def train(scratch: Path) -> None:
    """Two versions of project 1."""
    tasks = json.loads((EXAMPLE / "tasks.json").read_text())
    shutil.copytree(EXAMPLE / "csv", scratch / "csv")
    for count in (len(tasks) // 2, len(tasks)):
        export = scratch / f"tasks{count}.json"
        export.write_text(json.dumps(tasks[:count]))
        command = [sys.executable, "-m", "training", "run", "--project", "1", "--tasks", str(export)]
        environment = {**os.environ, "MODEL_DIR": MODELS, "PYTHONPATH": str(ROOT)}
        subprocess.run([*command, "--label-config", str(EXAMPLE / "label_config.xml")], env=environment, check=True)


def example_label_studio() -> LabelStudioDouble:
    """A Label Studio that holds the example's tasks."""
    label_studio = LabelStudioDouble()
    label_studio.project.update(title=TITLE, label_config=CONFIG)
    for task in json.loads((EXAMPLE / "tasks.json").read_text()):
        with (EXAMPLE / task["data"]["csv_url"]).open(newline="") as file:
            rows = list(csv.DictReader(file))
        columns: dict[str, list[float]] = {name: [float(row[name]) for row in rows] for name in rows[0]}
        label_studio.annotate(task["id"], result=task["annotations"][0]["result"])
        label_studio.tasks[-1]["data"] = {"csv_url": columns}
    return label_studio


def take(folder: Path, label_studio: str) -> None:
    """Serve, predict a few tasks, and take the pictures."""
    connect(MODELS, label_studio)
    settings = {"LABEL_STUDIO_HOST": label_studio, "LABEL_STUDIO_API_KEY": TOKEN, "PYTHONPATH": str(ROOT)}
    with run_server(MODELS, Path.cwd(), **settings) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name, (path, scheme) in PICTURES.items():
            options: dict[str, Any] = {"color_scheme": scheme, "viewport": {"width": 1400, "height": 860}}
            page = browser.new_context(base_url=server.url, **options).new_page()
            page.request.post("/predict", data=batch())
            page.request.post("/webhook", data=SKIP)
            page.goto(path)
            page.screenshot(path=folder / f"{name}.png", full_page=name == "task")
            shrink(folder / f"{name}.png")
        browser.close()


def connect(store: str, label_studio: str) -> None:
    """Have project 1 connected."""
    known = KnownProject(id=1, title=TITLE, label_config=CONFIG, hostname=label_studio)
    KnownProjects(open_storage(store)).remember(known)


def take_states(folder: Path, label_studio: str) -> None:
    """Nothing yet, training, good, broken: light, dark, and on a phone."""
    folder.mkdir(exist_ok=True)
    storage = open_storage(MODELS)
    for state in ("nothing", "training", "good", "broken"):
        settings = {
            "LABEL_STUDIO_HOST": label_studio,
            "LABEL_STUDIO_API_KEY": "wrong" if state == "broken" else TOKEN,
            "PYTHONPATH": str(ROOT),
        }
        store = "./empty" if state == "nothing" else MODELS
        training = begin_run(storage, 1, launcher="process", host="here") if state == "training" else nullcontext()
        with training as run, run_server(store, Path.cwd(), **settings) as server, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            if run is not None:
                losses = tuple((step, 2.0 * 0.97**step) for step in range(1, 90, 2))
                progress = Progress(fraction=0.6, step=270, steps=450, losses=losses, eta_seconds=40.0)
                run.report(state="fitting", progress=progress)
                run.log("fitting: step 270 of 450, loss 0.132.")
                run.beat()
            for name, path in PAGES.items():
                for look, (scheme, width) in LOOKS.items():
                    options: dict[str, Any] = {"color_scheme": scheme, "viewport": {"width": width, "height": 860}}
                    page = browser.new_context(base_url=server.url, **options).new_page()
                    page.goto(path)
                    page.screenshot(path=folder / f"{state}-{name}-{look}.png", full_page=True)
                if state == "nothing" and name == "overview":
                    connect(store, label_studio)
            browser.close()
            if run is not None:
                run.end("cancelled", exit_code=75)


def batch() -> dict[str, Any]:
    """What Label Studio asks for when some tasks are opened."""
    tasks = [{"id": task["id"], "data": task["data"]} for task in example_label_studio().tasks[:4]]
    return {"tasks": tasks, "project": "1", "label_config": CONFIG}


if __name__ == "__main__":
    sys.exit(main())
