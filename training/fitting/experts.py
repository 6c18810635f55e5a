"""Fit the experts on window statistics: on whole recordings, apart from the LSTM."""

import numpy as np
import torch
from torch.nn import functional

from training.data.annotations import UNKNOWN
from training.fitting.batches import TrainingSet
from training.fitting.dataset import Floats, Integers
from training.fitting.network import Experts
from training.planning.recipe import ExpertRecipe

CHUNK = 16_384  # rows whose statistics are computed at once, beside REACH on both sides
REACH = 256  # rows on each side that the widest statistics may see
LEAST_SPREAD = 1e-3  # added to a statistic's spread: a constant one says nothing


def fit_experts(
    experts: Experts,
    data: TrainingSet,
    weights: torch.Tensor,
    random: np.random.Generator,
    recipe: ExpertRecipe,
    steps: int,
) -> None:
    """Fit in place. weights: of the classes of the head of ranges; steps: at most recipe.steps."""
    device = weights.device
    statistics, targets = (torch.from_numpy(each).to(device) for each in _pool(experts, data, recipe.pool, random))
    if not len(targets):
        return
    experts.center.copy_(statistics.mean(0))
    experts.rate.copy_(1 / (statistics.std(0, correction=0) + LEAST_SPREAD))
    experts.train()
    optimizer = torch.optim.AdamW(
        experts.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    steps = min(steps, recipe.steps)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=steps, pct_start=recipe.warm_up
    )
    for _ in range(steps):
        some = torch.from_numpy(random.integers(len(targets), size=recipe.batch)).to(device)
        opinions = experts(statistics[some])
        loss = torch.stack(
            [functional.cross_entropy(each, targets[some], weights) for each in opinions.unbind(-2)]
        ).sum()
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
    experts.eval()


@torch.inference_mode()
def _pool(experts: Experts, data: TrainingSet, size: int, random: np.random.Generator) -> tuple[Floats, Integers]:
    """Statistics and targets of steps drawn from recordings by their weight; steps that nobody knows are left out.

    The target of a step is that of its first row. Computed chunk by chunk: only what was drawn is kept.
    """
    drawn = data.draw_rows(size, random)
    downsampling = experts.downsampling
    device = experts.center.device
    statistics, targets = [], []
    for number in np.unique(drawn[:, 0]).tolist():
        features, columns = data.recording(number)
        steps = np.unique(drawn[drawn[:, 0] == number, 1] // downsampling)
        for first in range(0, len(features), CHUNK):
            some = steps[(steps >= first // downsampling) & (steps < (first + CHUNK) // downsampling)]
            if len(some):
                start = max(first - REACH, 0)
                rows = torch.from_numpy(features[start : first + CHUNK + REACH]).to(device)
                found = experts.statistics(rows[None])[0].cpu().numpy()
                statistics.append(found[some - start // downsampling])
                targets.append(columns[some * downsampling, 0])
    wanted = np.concatenate(targets)
    known = wanted != UNKNOWN
    return np.concatenate(statistics)[known], wanted[known]
