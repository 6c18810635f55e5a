"""Fit the experts on window statistics: on whole recordings, apart from the LSTM."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from training.data.annotations import UNKNOWN
from training.fitting.batches import TrainingSet
from training.fitting.dataset import Integers
from training.fitting.network import WIDTHS, EventExpert, Experts, window_statistics
from training.fitting.optimizer import Optimizer
from training.planning.recipe import ExpertRecipe

CHUNK = 16_384  # rows whose statistics are computed at once, beside REACH on both sides
REACH = 256  # rows on each side that the widest statistics may see
LEAST_SPREAD = 1e-3  # added to a statistic's spread: a constant one carries no information


def fit_experts(
    experts: Experts,
    data: TrainingSet,
    weights: Sequence[Tensor],
    random: np.random.Generator,
    recipe: ExpertRecipe,
    steps: int,
    downsampling: int,
) -> None:
    """Fit in place. weights: of the classes of each head of ranges; steps: at most recipe.steps.

    The targets of a step are those of its first row. Steps are drawn uniformly from recordings drawn by their weight;
    those that no head knows are left out.
    """
    device, heads = weights[0].device, range(len(weights))
    a_step = np.array([1, downsampling])
    drawn: Integers = np.unique(data.draw_rows(recipe.pool, random) // a_step, axis=0)
    found = np.stack([data.targets_at(drawn * a_step, head)[0] for head in heads], axis=1)
    targets = torch.from_numpy(found).to(device)
    known = (targets != UNKNOWN).any(dim=1)
    statistics, targets = _statistics_of(data, drawn, downsampling).to(device)[known], targets[known]

    def loss(opinions: Tensor, some: Tensor) -> Tensor:
        return _range_loss(opinions, targets[some], weights)

    _fit(experts, statistics, np.arange(len(statistics)), loss, random, recipe, steps)


def _range_loss(opinions: Tensor, targets: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Sum over heads and experts of the weighted cross entropy of known steps.

    opinions: logits [steps, 2, classes of all heads]. targets: [steps, heads]. weights: of each head [classes].
    """
    losses = []
    for head, part in enumerate(torch.split(opinions, [len(each) for each in weights], dim=-1)):
        wanted = targets[:, head]
        if len(weights) > 1:  # with one head only known steps are in the pool
            known = wanted != UNKNOWN
            if not known.any():
                continue
            part, wanted = part[known], wanted[known]
        losses += [functional.cross_entropy(each, wanted, weights[head]) for each in part.unbind(-2)]
    return torch.stack(losses).sum()


def fit_event_expert(
    expert: EventExpert,
    data: TrainingSet,
    weights: Tensor,
    random: np.random.Generator,
    recipe: ExpertRecipe,
    steps: int,
    downsampling: int,
) -> None:
    """Fit in place. weights: of the classes of the head of instants, the last one; steps: at most recipe.steps.

    Rows are drawn as the LSTM's batches hold them and weighted alike: odds of both must be on one scale to be mixed.
    """
    a_step = np.array([1, downsampling])
    drawn: Integers = data.draw_batch_rows(recipe.pool, random) // a_step
    drawn = drawn[data.targets_at(drawn * a_step, -1)[0] != UNKNOWN]
    different, pool = np.unique(drawn, axis=0, return_inverse=True)
    statistics = _statistics_of(data, different, downsampling).to(weights.device)
    found = data.targets_at(different * a_step, -1)
    targets, shares = (torch.from_numpy(each).to(weights.device) for each in found)
    own = torch.where(targets > 0, weights[targets] * shares, 0.0)
    rest = weights[0] * torch.where(targets > 0, 1 - shares, 1.0)

    def loss(opinions: Tensor, some: Tensor) -> Tensor:
        odds = opinions[:, 0]
        lost = own[some] * functional.softplus(-odds) + rest[some] * functional.softplus(odds)
        return lost.sum() / (own[some] + rest[some]).sum().clamp(min=1e-6)

    _fit(expert, statistics, pool.reshape(-1), loss, random, recipe, steps)


def _fit(
    experts: Experts | EventExpert,
    statistics: Tensor,
    pool: Integers,
    loss_of: Callable[[Tensor, Tensor], Tensor],
    random: np.random.Generator,
    recipe: ExpertRecipe,
    steps: int,
) -> None:
    """pool: which statistics batches are drawn from, uniformly; a step may be in it more than once.

    loss_of: loss of what the experts say about the steps of a batch, and their numbers.
    """
    if not len(pool):
        return
    experts.center.copy_(statistics.mean(0))
    experts.rate.copy_(1 / (statistics.std(0, correction=0) + LEAST_SPREAD))
    scaled = experts.scaled(statistics)
    drop = _Dropout(random)
    steps = min(steps, recipe.steps)
    optimizer = Optimizer(experts.parameters(), recipe, steps)
    for _ in range(steps):
        some = torch.from_numpy(pool[random.integers(len(pool), size=recipe.batch)]).to(statistics.device)
        optimizer.step(loss_of(experts.opinions(scaled[some], drop), some))


class _Dropout:
    """Leaves out a share of the values, to the next 1/256. numpy draws them ten times as fast as torch on a CPU."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random

    def __call__(self, values: Tensor, share: float) -> Tensor:
        left_out = round(256 * share)
        drawn = np.frombuffer(self._random.bytes(values.numel()), np.uint8)
        kept = torch.from_numpy(drawn >= left_out).view(values.shape).to(values.device)
        return values * kept * (256 / (256 - left_out))


@torch.no_grad()
def _statistics_of(data: TrainingSet, steps: Integers, downsampling: int) -> Tensor:
    """Statistics of steps of recordings: float32 [n, statistics].

    steps: int64 [n, 2], number of the recording and step in it, sorted. Computed chunk by chunk: only what was drawn
    is kept.
    """
    statistics = [torch.zeros(0, 4 * len(WIDTHS) * data.features)]
    for number in np.unique(steps[:, 0]).tolist():
        features = data.recording_features(number)
        wanted = steps[steps[:, 0] == number, 1]
        for first in range(0, len(features), CHUNK):
            some = wanted[(wanted >= first // downsampling) & (wanted < (first + CHUNK) // downsampling)]
            if len(some):
                start = max(first - REACH, 0)
                near = torch.from_numpy(features[start : first + CHUNK + REACH])
                statistics.append(window_statistics(near[None], downsampling)[0][some - start // downsampling])
    return torch.cat(statistics)
