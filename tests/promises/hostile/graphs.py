"""Corrupted graphs under a real server: many projects at once, a bad file in the place of each good one, over and over.

python -m tests.promises.hostile graphs 10000
"""

import json
import os
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.promises.hostile.corruption import KINDS, with_card
from tests.promises.hostile.memory_peak import Peak
from tests.promises.hostile.messages import VALUES, label_config
from tests.support.server import Server
from tests.support.store import VERSION, publish_model
from tests.support.waiting import NEVER_SECONDS

CLIENTS = 4


class Counts(NamedTuple):
    """What came of a storm."""

    graphs: int
    by_kind: Counter[str]
    served: list[str]  # kinds that answered in the place of a good one
    unseen: int  # files that the server was not seen to refuse
    answers: int  # by the good ones meanwhile
    failed: list[str]  # answers that were not the good one's
    before: float  # resident memory [MiB]
    peak: float
    after: float


def fill(model_dir: Path, projects: int) -> dict[int, bytes]:
    """Publish a good model for each project; returns their files."""
    return {project: publish_model(model_dir, project) for project in range(1, projects + 1)}


def storm(server: Server, model_dir: Path, good: dict[int, bytes], total: int, seed: int = 0) -> Counts:
    """Put `total` corrupted files into the places of the good ones, a round at a time, while all projects predict."""
    names = list(KINDS)
    counts = Counts(0, Counter(), [], 0, 0, [], server.rss, 0, 0)
    ask_all(server, list(good))  # all are loaded
    answers, failed, unseen = 0, [], 0
    with Peak(server) as memory:
        for first in range(0, total, len(good)):
            chosen = list(good)[: total - first]
            seen = server.metric("tss_refusals_total")
            for place, project in enumerate(chosen):
                name = names[(first + place) % len(names)]
                newer = with_card(good[project], version=f"20260102T000000Z-{first + place:06x}")
                put(model_dir, project, KINDS[name](newer, random.Random(f"{seed} {first + place}")))
                counts.by_kind[name] += 1
            end = time.monotonic() + NEVER_SECONDS  # for the server to look at a round of files
            while True:
                wrong = ask_all(server, chosen)
                answers += len(chosen) - len(wrong)
                failed += wrong
                refused = server.metric("tss_refusals_total") - seen
                if refused >= len(chosen) or time.monotonic() > end or not server.alive:
                    break
            unseen += max(0, len(chosen) - int(refused))
            if not server.alive:
                break
            for project in chosen:
                put(model_dir, project, good[project])
    served = [each for each in failed if "served" in each]
    return counts._replace(
        graphs=counts.by_kind.total(), served=served, unseen=unseen, answers=answers, failed=failed,
        before=memory.before, peak=memory.peak, after=server.rss,
    )  # fmt: skip


def put(model_dir: Path, project: int, data: bytes) -> None:
    """Replace a project's file, as anybody with access to the folder may."""
    place = model_dir / f"model_project_{project}.onnx"
    staged = place.with_suffix(".tmp")
    staged.write_bytes(data)
    os.replace(staged, place)  # noqa: PTH105


def ask_all(server: Server, projects: list[int]) -> list[str]:
    """Predict for all projects, side by side; returns what was not the good model's answer."""

    def ask(project: int) -> str:
        task = {"id": 1, "data": {"csv_url": {"value": VALUES}}}
        body = {"project": str(project), "label_config": label_config(), "tasks": [task]}
        try:
            status, found = server.ask("POST", "/predict", json.dumps(body).encode())
            (result,) = json.loads(found)["results"]
        except (OSError, ValueError, KeyError) as error:
            return f"project {project}: {error!r}"
        if status == 200 and result and result["model_version"] == VERSION and len(result["result"]) == 1:
            return ""
        version = result["model_version"] if result else ""
        return f"project {project}: {status} {f'served {version}' if version else found[:200]!r}"

    with ThreadPoolExecutor(CLIENTS) as pool:
        return [problem for problem in pool.map(ask, projects) if problem]
