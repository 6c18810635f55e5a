"""Screenshot of the labelling page of a running `make demo`: a task nobody annotated, with the predicted regions.

python -m tests.e2e.screenshot docs/label-studio.png [http://127.0.0.1:8080]
"""

import sys
from pathlib import Path

from examples.demo import label_studio
from examples.demo.client import Client
from tests.e2e.page import browser_page, open_task
from tests.support.pictures import shrink

CHANNELS = 6
WIDTH, HEIGHT = 1280, 900
SETTLED_MS = 1500  # the last animation of the page


def main(picture: str, url: str = "http://127.0.0.1:8080") -> int:
    """Open the first task without an annotation and write the picture."""
    user = Client(url, label_studio.TOKEN)
    project = int(user.call("GET", "/api/projects")["results"][0]["id"])
    task = next(int(each["id"]) for each in user.tasks(project) if not each["total_annotations"])
    with browser_page(url, label_studio.USER, label_studio.PASSWORD) as page:
        page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
        open_task(page, project, task, CHANNELS)
        page.wait_for_timeout(SETTLED_MS)
        page.screenshot(path=Path(picture))
    shrink(Path(picture))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
