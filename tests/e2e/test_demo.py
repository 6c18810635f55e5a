"""The first thing a newcomer runs."""

import signal
import subprocess
import sys
from pathlib import Path

from examples.demo.program import ROOT


def heed_ctrl_c() -> None:
    """A shell's background jobs ignore it, and so would all that they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def data_folders() -> set[Path]:
    """Those of all demos: one that was killed has left its own."""
    return set((ROOT / ".label-studio").glob("demo-*/label-studio"))


def test_the_demo_ends_with_predictions_and_stops_at_ctrl_c() -> None:
    """It leaves both programs running until then, and nothing behind afterwards."""
    before = data_folders()
    command = [sys.executable, "-m", "examples.demo"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=heed_ctrl_c
    ) as demo:
        assert demo.stdout is not None
        try:
            said = [next(demo.stdout)]
            while "Ctrl-C" not in said[-1]:
                said.append(next(demo.stdout, "Ctrl-C"))
            assert demo.poll() is None, said
            demo.send_signal(signal.SIGINT)
            said += demo.stdout.readlines()
        finally:
            demo.terminate()
    assert demo.returncode == 0, said
    assert any("Retrieved predictions" in line for line in said)
    assert data_folders() <= before
