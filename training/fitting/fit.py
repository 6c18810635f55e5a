"""The loop: draw windows, balanced loss, AdamW, one cycle of the learning rate. One whole schedule, from scratch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.data.annotations import UNKNOWN
from training.fitting.batches import TrainingSet
from training.fitting.dataset import Doubles
from training.fitting.experts import fit_event_expert, fit_experts
from training.fitting.network import Network, weights_of_seed
from training.fitting.optimizer import Optimizer
from training.planning.recipe import EVENT_EXPERT, EXPERTS, Recipe

REPORT_EVERY = 10  # steps between two reports of progress: a report costs a thousandth of them

Report = Callable[[int, float], None]  # step, loss


@dataclass(frozen=True, slots=True)
class FitResult:
    """A network, on the CPU, and how it came to be.

    losses: mean loss of each REPORT_EVERY steps. epochs: passes over the training windows.
    """

    network: Network
    steps: int
    epochs: float
    losses: tuple[float, ...]


def choose_device(wanted: str) -> torch.device:
    """`auto`: a GPU when torch finds one."""
    return torch.device("cuda" if wanted == "cuda" or (wanted == "auto" and torch.cuda.is_available()) else "cpu")


def class_weights(counts: Doubles, inflation: Doubles, recipe: Recipe) -> NDArray[np.float32]:
    """Square root of inverse frequency, 1 for the commonest class, within the recipe's caps; 0 without rows.

    counts: rows of each class. inflation: how much oftener batches hold it than recordings do. The full inverse costs
    .05 accuracy, no weights .03.
    """
    present = counts > 0
    weights = np.where(present, np.sqrt(counts.max(initial=1) / np.where(present, counts, 1)), 0)
    cap = np.minimum(recipe.weight_cap, recipe.most_inflation / np.maximum(inflation, 1e-9))
    capped: NDArray[np.float32] = np.minimum(weights, cap).astype(np.float32)
    return capped


def fit(
    data: TrainingSet,
    *,
    hidden_size: int,
    downsampling: int,
    ranges: Sequence[int],
    steps: int,
    epochs: int,
    seed: int,
    use_class_weights: bool,
    device: torch.device,
    recipe: Recipe,
    report: Report,
) -> FitResult:
    """Fit one network on `data`: its LSTM in `steps` steps, at most `epochs` passes; its experts apart.

    ranges: classes of each head of ranges, which come first. Same arguments, same machine: same weights.
    """
    random = np.random.Generator(np.random.PCG64(seed))
    steps = min(steps, max(1, epochs * data.windows // recipe.batch))

    classes = sum(data.head_classes)
    instants = classes > sum(ranges)
    with weights_of_seed(seed):
        network = Network(data.features, classes, hidden_size, downsampling, ranges, event_expert=instants)
    network.to(device)
    weights = [_head_weights(data, head, recipe, balanced=use_class_weights) for head in range(len(data.head_classes))]
    weights = [each.to(device) for each in weights]
    losses = _fit_recurrent(network, data, weights, steps, random, recipe, report)
    most = max(1, epochs * data.rows // (downsampling * EXPERTS.batch))
    if network.experts is not None:
        heads = weights[: len(ranges)]
        fit_experts(network.experts, data, heads, random, EXPERTS, most, downsampling)
    if network.event_expert is not None:
        fit_event_expert(network.event_expert, data, weights[-1], random, EVENT_EXPERT, most, downsampling)

    network.eval().cpu()  # where it serves: a GPU's shortened arithmetic (TF32) is off its graph by more than allowed
    return FitResult(network, steps, steps * recipe.batch / data.windows, tuple(losses))


def _head_weights(data: TrainingSet, head: int, recipe: Recipe, *, balanced: bool) -> Tensor:
    """Weight of each class of a head in the loss."""
    counts = data.class_counts(head)
    even = (counts > 0).astype(np.float32)
    return torch.from_numpy(class_weights(counts, data.inflation(head), recipe) if balanced else even)


def _fit_recurrent(
    network: Network,
    data: TrainingSet,
    weights: Sequence[Tensor],
    steps: int,
    random: np.random.Generator,
    recipe: Recipe,
    report: Report,
) -> list[float]:
    """Fit what the LSTM alone says, in place. Returns the mean loss of each REPORT_EVERY steps."""
    device = weights[0].device
    network.train()
    optimizer = Optimizer(network.parameters(), recipe, steps, recipe.clip)
    average = [each.detach().clone() for each in network.parameters()] if recipe.averaging else []
    losses, recent = [], torch.zeros((), device=device)
    for step in range(steps):
        rows, targets, shares = (torch.from_numpy(each).to(device) for each in data.draw(random))
        logits = torch.split(network.recurrent(rows), data.head_classes, dim=-1)
        loss = weighted_loss(logits, targets, shares, weights)
        optimizer.step(loss)
        if average:
            kept = min(recipe.averaging, (1 + step) / (10 + step))
            torch._foreach_lerp_(average, [each.detach() for each in network.parameters()], 1 - kept)

        recent += loss.detach()
        if (step + 1) % REPORT_EVERY == 0 or step + 1 == steps:
            losses.append(float(recent) / (step % REPORT_EVERY + 1))
            recent.zero_()
            report(step + 1, losses[-1])
    for each, mean in zip(network.parameters(), average, strict=False):
        each.data.copy_(mean)
    return losses


def weighted_loss(logits: Sequence[Tensor], targets: Tensor, shares: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Sum over heads of the weighted cross entropy of known rows; a batch that knows nothing of a head adds 0.

    logits: of each head [batch, window, classes]. targets, shares: [batch, window, heads], the class that is right and
    how much of the row it has; background has the rest. weights: of each head [classes].
    """
    total = torch.zeros((), device=targets.device)
    for head, (part, weight) in enumerate(zip(logits, weights, strict=True)):
        known = targets[..., head] != UNKNOWN
        wanted, share = targets[..., head][known], shares[..., head][known]
        logs = part[known].log_softmax(-1)
        own, rest = weight[wanted] * share, weight[0] * (1 - share)
        lost = -(own * logs.gather(-1, wanted[:, None])[:, 0] + rest * logs[:, 0]).sum()
        total = total + lost / (own.sum() + rest.sum()).clamp(min=1e-6)
    return total
