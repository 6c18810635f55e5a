"""AdamW under one cycle of the learning rate.

The same steps as torch.optim.AdamW under torch.optim.lr_scheduler.OneCycleLR. Those import torch's compiler, which no
fit here uses: 1.3 s of CPU at the start of each run, a tenth of a run on few recordings.
"""

import math
from collections.abc import Iterable

import torch
from torch import nn

START = 25.0  # times lower than its peak the rate begins …
END = 1e4  # … and times lower than there it ends
MOMENTUM = (0.95, 0.85)  # at the ends of the cycle; at its peak
SQUARES = 0.999  # decay of the mean of squared gradients
EPSILON = 1e-8


class OneCycle:
    """Steps of AdamW (Loshchilov & Hutter 2019): the rate rises to its peak, then falls to nearly nothing, by cosines.

    Momentum goes the other way (Smith & Topin 2019). warm_up: share of the steps in which the rate rises.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], steps: int, *, rate: float, weight_decay: float, warm_up: float
    ) -> None:
        self._parameters = list(parameters)
        self._means = [torch.zeros_like(each) for each in self._parameters]
        self._squares = [torch.zeros_like(each) for each in self._parameters]
        self._counts = [torch.zeros((), device=each.device) for each in self._parameters]
        self._steps, self._rate, self._weight_decay, self._warm_up = steps, rate, weight_decay, warm_up
        self._taken = 0

    def backward(self, loss: torch.Tensor) -> None:
        """New gradients."""
        for each in self._parameters:
            each.grad = None
        torch.autograd.backward(loss)

    @torch.no_grad()
    def step(self) -> None:
        """Change the parameters that have a gradient."""
        rate, momentum = self._now()
        some = [index for index, each in enumerate(self._parameters) if each.grad is not None]
        counts = [self._counts[index] for index in some]
        torch._foreach_add_(counts, 1)
        torch._fused_adamw_(
            [self._parameters[index] for index in some],
            [found for each in self._parameters if (found := each.grad) is not None],
            [self._means[index] for index in some],
            [self._squares[index] for index in some],
            [],
            counts,
            lr=rate,
            beta1=momentum,
            beta2=SQUARES,
            weight_decay=self._weight_decay,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )
        self._taken += 1

    def _now(self) -> tuple[float, float]:
        """Rate and momentum of this step."""
        peak, last = self._warm_up * self._steps - 1, self._steps - 1
        if self._taken <= peak:
            return _cosine((self._rate / START, self._rate), self._taken / peak), _cosine(MOMENTUM, self._taken / peak)
        done = (self._taken - peak) / (last - peak)
        return _cosine((self._rate, self._rate / START / END), done), _cosine(MOMENTUM[::-1], done)


def _cosine(ends: tuple[float, float], share: float) -> float:
    first, last = ends
    return last + (first - last) / 2 * (math.cos(math.pi * share) + 1)
