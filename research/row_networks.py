"""Networks that see windows of rows, as ours does: a plain BiLSTM, a one-dimensional U-Net and a small conformer.

All draw the windows that our fit draws (`TrainingSet`), have its targets, class weights and loss, and
see both normalisations. The plain BiLSTM goes without the recipe's variations of windows; the others have them.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from shared.segmentation.windows import window_starts
from shared.settings import Settings
from training.data.annotations import LabelKinds, Recording
from training.fitting.batches import TrainingSet
from training.fitting.dataset import normalise, training_statistics
from training.fitting.fit import class_weights, weighted_loss
from training.planning.decoding_parameters import choose_shape, learn_heads
from training.planning.recipe import Recipe, recipe_for

LSTM_SIZE = 64
LEVELS = (32, 48, 64, 96)  # channels of the U-Net at 1, 1/2, 1/4, 1/8 of the rate
SIZE, BLOCKS, ATTENTION_HEADS, KERNEL = 64, 3, 4, 31  # of the conformer: 167 k parameters without its ends
WIDENED = 192  # hidden units of its feed-forward layers
FIRST_KERNEL = 7  # rows of its first convolution, beyond those of a step
DROPOUT = 0.1
ROWS_OF_A_STEP, MOST_STEPS = 68, 3000
LEAST_STEPS, LEAST_STEPS_OF_INSTANTS = 450, 400  # four times ours of ranges: without experts a network needs them
SHORT_WINDOW = 128  # rows, of the plain BiLSTM

Floats = NDArray[np.float32]


class PlainLSTM(nn.Module):
    """Two bidirectional layers, a step for each row: [batch, rows, features] ► logits [batch, rows, classes]."""

    learning_rate = 3e-3

    def __init__(self, features: int, classes: int, downsampling: int) -> None:  # noqa: ARG002
        super().__init__()
        self.lstm = nn.LSTM(features, LSTM_SIZE, 2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(2 * LSTM_SIZE, classes)

    def forward(self, rows: Tensor) -> Tensor:
        """Logits of every row."""
        logits: Tensor = self.head(self.lstm(rows)[0])
        return logits


class UNet(nn.Module):
    """Convolutions of five rows at four rates, with skips (Ronneberger et al. 2015, in one dimension)."""

    learning_rate = 3e-3

    def __init__(self, features: int, classes: int, downsampling: int) -> None:  # noqa: ARG002
        super().__init__()
        sizes = [features, *LEVELS]
        self.down = nn.ModuleList(_two_convolutions(*each) for each in zip(sizes, LEVELS, strict=False))
        self.up = nn.ModuleList(
            _two_convolutions(LEVELS[level] + LEVELS[level + 1], LEVELS[level]) for level in range(len(LEVELS) - 1)
        )
        self.leave = nn.Conv1d(LEVELS[0], classes, 1)

    def forward(self, rows: Tensor) -> Tensor:
        """Logits of every row."""
        length, coarsest = rows.shape[1], 2 ** (len(LEVELS) - 1)
        hidden = functional.pad(rows.transpose(1, 2), (0, -length % coarsest))
        skipped = []
        for level, layer in enumerate(self.down):
            hidden = layer(hidden if level == 0 else functional.max_pool1d(hidden, 2))
            skipped.append(hidden)
        for level in reversed(range(len(self.up))):
            wider = functional.interpolate(hidden, scale_factor=2.0)
            hidden = self.up[level](torch.cat([skipped[level], wider], dim=1))
        logits: Tensor = self.leave(hidden)
        return logits[:, :, :length].transpose(1, 2)


def _two_convolutions(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for size in (inputs, outputs):
        layers += [nn.Conv1d(size, outputs, 5, padding=2), nn.BatchNorm1d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


class Conformer(nn.Module):
    """A strided convolution, then blocks of self-attention, depthwise convolution and a feed-forward layer.

    Gulati et al. 2020, smaller: one feed-forward layer a block, no positions but those that convolutions give.
    """

    learning_rate = 2e-3

    def __init__(self, features: int, classes: int, downsampling: int) -> None:
        super().__init__()
        self.classes, self.downsampling = classes, downsampling
        self.first = nn.Conv1d(features, SIZE, downsampling + FIRST_KERNEL - 1, stride=downsampling)
        self.blocks = nn.ModuleList(Block() for _ in range(BLOCKS))
        self.norm = nn.LayerNorm(SIZE)
        self.head = nn.Linear(SIZE, downsampling * classes)

    def forward(self, rows: Tensor) -> Tensor:
        """Logits of every row."""
        batch, length, _ = rows.shape
        missing = -length % self.downsampling
        padded = functional.pad(rows.transpose(1, 2), (FIRST_KERNEL // 2, FIRST_KERNEL // 2 + missing))
        steps = self.first(padded).transpose(1, 2)
        for block in self.blocks:
            steps = block(steps)
        logits: Tensor = self.head(self.norm(steps)).reshape(batch, length + missing, self.classes)
        return logits[:, :length]


class Block(nn.Module):
    """[batch, steps, SIZE] ► the same; every part is added to what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(SIZE) for _ in range(3))
        self.queries = nn.Linear(SIZE, 3 * SIZE)
        self.mixed = nn.Linear(SIZE, SIZE)
        self.gated = nn.Linear(SIZE, 2 * SIZE)
        self.depthwise = nn.Conv1d(SIZE, SIZE, KERNEL, padding=KERNEL // 2, groups=SIZE)
        self.pointwise = nn.Linear(SIZE, SIZE)
        self.widen = nn.Linear(SIZE, WIDENED)
        self.narrow = nn.Linear(WIDENED, SIZE)

    def forward(self, steps: Tensor) -> Tensor:
        """Attention over the whole window, a convolution of KERNEL steps, a layer at each step."""
        batch, length, _ = steps.shape
        parts = self.queries(self.norms[0](steps)).reshape(batch, length, 3, ATTENTION_HEADS, -1)
        seen = functional.scaled_dot_product_attention(*parts.permute(2, 0, 3, 1, 4))
        steps = steps + self._dropped(self.mixed(seen.transpose(1, 2).reshape(batch, length, SIZE)))
        near = functional.glu(self.gated(self.norms[1](steps)), -1).transpose(1, 2)
        steps = steps + self._dropped(self.pointwise(functional.silu(self.depthwise(near).transpose(1, 2))))
        wide = functional.silu(self.widen(self.norms[2](steps)))
        return steps + self._dropped(self.narrow(self._dropped(wide)))

    def _dropped(self, values: Tensor) -> Tensor:
        return functional.dropout(values, DROPOUT, self.training)


RowNetwork = type[PlainLSTM] | type[UNet] | type[Conformer]


def row_network(
    kind: RowNetwork, training: Sequence[Recording], test: Sequence[Recording], kinds: LabelKinds, seed: int
) -> list[Floats]:
    """Probabilities of every row of the test recordings, all heads side by side, by a network fitted on `training`."""
    torch.manual_seed(seed)
    random = np.random.Generator(np.random.PCG64(seed))
    settings = Settings.from_environment()
    plain = kind is PlainLSTM
    recipe = replace(Recipe(), most_fit_rows=SHORT_WINDOW) if plain else recipe_for(kinds)
    shape = choose_shape(settings.sequence_size, recipe.most_fit_rows, training, kinds)
    heads = learn_heads(training, kinds)
    statistics = training_statistics(training, recipe.longest_recording)
    data = TrainingSet(training, heads, shape, statistics, recipe)
    network = kind(data.features, sum(data.head_classes), shape.downsampling)
    least = LEAST_STEPS if kinds.ranges and not kinds.instants else LEAST_STEPS_OF_INSTANTS
    steps = int(np.clip(data.rows / ROWS_OF_A_STEP, least, MOST_STEPS))
    _fit(network, data, recipe, steps, random)
    window, stride = (10**9, 10**9) if kind is not Conformer else (shape.window, shape.stride)
    network.eval()
    with torch.no_grad():
        return [
            _probabilities(network, normalise(each.series.values, statistics), data.head_classes, window, stride)
            for each in test
        ]


def _fit(network: nn.Module, data: TrainingSet, recipe: Recipe, steps: int, random: np.random.Generator) -> None:
    """As `training.fitting.fit` fits the LSTM."""
    weights = [
        torch.from_numpy(class_weights(data.class_counts(head), data.inflation(head), recipe))
        for head in range(len(data.head_classes))
    ]
    rate = float(network.learning_rate)  # type: ignore[arg-type]
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=recipe.weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=recipe.warm_up)
    for _ in range(steps):
        rows, targets, shares = (torch.from_numpy(each) for each in data.draw(random))
        logits = torch.split(network(rows), data.head_classes, dim=-1)
        loss = weighted_loss(logits, targets, shares, weights)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
        optimizer.step()
        schedule.step()


def _probabilities(
    network: nn.Module, features: Floats, head_classes: Sequence[int], window: int, stride: int
) -> Floats:
    """Mean over the windows that hold a row: [rows, 2·channels] ► [rows, classes of all heads]."""
    window = min(window, len(features))
    total = np.zeros((len(features), sum(head_classes)), np.float32)
    seen = np.zeros((len(features), 1), np.float32)
    for first in window_starts(len(features), window, min(stride, window)):
        here = slice(first, first + window)
        logits = network(torch.from_numpy(features[None, here])).split(list(head_classes), dim=-1)
        total[here] += torch.cat([part.softmax(-1) for part in logits], dim=-1)[0].numpy()
        seen[here] += 1
    found: Floats = total / seen
    return found
