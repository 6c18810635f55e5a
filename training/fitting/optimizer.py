"""AdamW with one cycle of the learning rate, for networks and experts alike."""

import inspect
from collections.abc import Iterable

import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from training.planning.recipe import ExpertRecipe, Recipe


class _AdamW(torch.optim.AdamW):
    """torch's, without what imports torch's compiler, only to keep the optimizer out of it: 1.2 s of CPU."""

    add_param_group = inspect.unwrap(torch.optim.AdamW.add_param_group)
    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))


class Optimizer:
    """Fits parameters in so many steps, as a recipe says.

    clip: largest norm of a gradient; 0 for any.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], recipe: Recipe | ExpertRecipe, steps: int, clip: float = 0.0
    ) -> None:
        rate = recipe.learning_rate
        self._parameters = list(parameters)
        self._clip = clip
        self._adam = _AdamW(self._parameters, lr=rate, weight_decay=recipe.weight_decay, fused=True)
        self._cycle = OneCycleLR(self._adam, rate, total_steps=steps, pct_start=recipe.warm_up)

    def step(self, loss: torch.Tensor) -> None:
        """One step against the gradient of the loss."""
        for each in self._parameters:
            each.grad = None
        torch.autograd.backward(loss)
        if self._clip:
            nn.utils.clip_grad_norm_(self._parameters, self._clip)
        self._adam.step()
        self._cycle.step()
