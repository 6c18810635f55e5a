"""Commands as people and scripts use them: processes of their own."""

import os
import subprocess
import sys

from tests.support.paths import ROOT


def run_inference(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`python -m inference` with these arguments and variables, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "inference", *arguments],
        env={**os.environ, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
