"""`python -m training pending`: what waits, and what would be trained now."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from shared.errors import RecordError, RefusedError
from shared.retraining.runs import LaunchRecord, Runs, RunState
from shared.retraining.scheduler import decide, due_at
from shared.retraining.updates import Update, Updates
from shared.settings import Settings
from shared.store.opening import open_storage


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `pending`."""
    parser.add_argument("--json", action="store_true", help="write an array to stdout instead of a table")


def main(arguments: argparse.Namespace, settings: Settings) -> int:
    """Show it. Returns 0."""
    storage = open_storage(settings.model_dir, settings.new_store)
    waiting = Updates(storage).waiting()
    runs = Runs(storage)
    states: dict[int, RunState | None] = {}
    unreadable: dict[int, str] = {}
    for project in waiting:
        try:
            states[project] = runs.state(project)
        except (RecordError, RefusedError) as error:
            states[project], unreadable[project] = None, str(error)
    now = storage.now()
    launched = {launch.project: launch.reason for launch in decide(waiting, states.__getitem__, now, settings)}
    rows = [
        _row(
            project,
            waiting[project],
            states[project] or unreadable[project],
            launched.get(project),
            now,
            settings,
            _starting(runs, project, states[project]),
        )
        for project in sorted(waiting)
    ]
    if arguments.json:
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
        return 0
    for row in rows:
        sys.stdout.write(
            "project {project}: {updates} waiting, the oldest for {oldest_seconds:.0f} s; {verdict}\n".format(**row)
        )
    if not rows:
        sys.stdout.write("Nothing waits: every known annotation is trained on.\n")
    return 0


def _starting(runs: Runs, project: int, state: RunState | None) -> LaunchRecord | None:
    """The launch of a run that has not reported yet."""
    return None if state is None or state.active or state.abandoned else runs.launched(project, state.next_number)


def _row(
    project: int,
    updates: Sequence[Update],
    state: RunState | str,
    reason: str | None,
    now: float,
    settings: Settings,
    starting: LaunchRecord | None,
) -> dict[str, Any]:
    """A row; `state` is a sentence where the project's records cannot be read."""
    due = None if isinstance(state, str) else due_at(updates, state, settings)
    if isinstance(state, str):
        verdict = f"is not trained: {state}"
    elif state.active is not None:
        verdict = f"run {state.active.number} goes on ({state.active.state})"
    elif state.abandoned is not None:
        verdict = f"run {state.abandoned.number} ended without recording its end; the next pass records it as failed"
    elif starting is not None:
        verdict = f"run {starting.number} is starting: launched {now - starting.at:.0f} s ago, it has not reported yet"
    elif reason is not None:
        verdict = f"would be trained now: {reason}"
    elif due is None:
        verdict = f"waits for START_TRAINING_EACH_N_UPDATES={settings.start_training_each_n_updates} updates"
    elif due > now:
        verdict = f"backs off for {due - now:.0f} s after {state.last.reason if state.last else 'a failure'}"
    else:
        verdict = f"waits for one of MAX_CONCURRENT_RUNS={settings.max_concurrent_runs} places"
    return {
        "project": project,
        "updates": len(updates),
        "oldest_seconds": max(0.0, now - min(update.at for update in updates)),
        "actions": sorted({update.action for update in updates}),
        "due": due is not None and due <= now,
        "verdict": verdict,
    }
