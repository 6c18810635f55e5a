"""Steps are those of torch's own optimizer and schedule, without importing its compiler."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from tests.support.paths import ROOT
from training.fitting.one_cycle import OneCycle

RATE, DECAY, WARM_UP = 3e-3, 0.3, 0.3


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 30])
def test_steps_are_those_of_torch(steps: int) -> None:
    torch.manual_seed(0)
    ours, theirs, unused = nn.Linear(5, 3), nn.Linear(5, 3), nn.Linear(2, 2)
    theirs.load_state_dict(ours.state_dict())
    one = OneCycle([*ours.parameters(), *unused.parameters()], steps, rate=RATE, weight_decay=DECAY, warm_up=WARM_UP)
    other = torch.optim.AdamW(theirs.parameters(), lr=RATE, weight_decay=DECAY, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(other, RATE, total_steps=steps, pct_start=WARM_UP)
    before = [each.clone() for each in unused.parameters()]
    for step in range(steps):
        rows = torch.randn(4, 5)
        one.backward(ours(rows).square().sum())
        one.step()
        other.zero_grad(set_to_none=True)
        theirs(rows).square().sum().backward()
        other.step()
        if step + 1 < steps:
            schedule.step()
    for mine, expected in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-6, atol=1e-8)
    assert all(torch.equal(*each) for each in zip(before, unused.parameters(), strict=True))


def test_a_fit_imports_no_compiler_and_no_scikit_learn() -> None:
    code = (
        "import sys, torch; from torch import nn; from training.fitting.one_cycle import OneCycle\n"
        "import training.judging.evaluate, training.people.agreement, training.fitting.fit\n"
        "layer = nn.Linear(2, 1); some = OneCycle(layer.parameters(), 2, rate=.1, weight_decay=0, warm_up=.3)\n"
        "some.backward(layer(torch.ones(2)).sum()); some.step()\n"
        "sys.exit(any(each in sys.modules for each in ('torch._dynamo', 'sklearn')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
