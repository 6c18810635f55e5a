"""The network: an LSTM over steps of a few rows, and two experts on window statistics for what is a range.

What it sees is normalised before (dataset.py): each channel by the training set, then each by the recording.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

NUM_LAYERS = 2  # one layer loses .02 to .07 on every set tried
CONTEXT = 4  # rows that the convolution sees beyond its own step: 5 rows where a step is one row
WIDTHS = (1, 5, 13, 37)  # steps around a step whose statistics the experts see: leaving one out costs .03
EXPERT_SIZE = 64  # hidden units of each expert
FEATURE_DROPOUT = 0.5
HIDDEN_DROPOUT = 0.2
LARGEST_FEATURE = 10.0  # standard deviations at which statistics are clipped
# Geometric mean of LSTM, expert on channels normalised by the recording, expert on all: macro F1 .80 ► .84 (cross-
# validated); the LSTM alone falls apart where few recordings teach it.
LSTM_SHARE = 0.4
EXPERT_SHARE = 0.3


class Network(nn.Module):
    """Logits of every row of a window, all heads side by side.

    Parameters
    ----------
    features : inputs of a row, two for each channel (by the training set; by the recording)
    columns : classes of all heads, background of each included; stored weights name it so
    hidden_size : units of each LSTM layer and direction, and of the convolution
    downsampling : rows an LSTM step; the head gives `downsampling` × `classes` logits a step
    ranges : classes of the head of ranges, the first of the output; 0 without one, and then without experts
    """

    def __init__(self, features: int, columns: int, hidden_size: int, downsampling: int, ranges: int = 0) -> None:
        super().__init__()
        self.arguments = {
            "features": features,
            "columns": columns,
            "hidden_size": hidden_size,
            "downsampling": downsampling,
            "ranges": ranges,
        }
        self.classes = columns
        self.downsampling = downsampling
        self.ranges = ranges
        self.convolution = nn.Conv1d(features, hidden_size, downsampling + CONTEXT, stride=downsampling)
        self.lstm = nn.LSTM(hidden_size, hidden_size, NUM_LAYERS, bidirectional=True)
        self.head = nn.Linear(2 * hidden_size, downsampling * columns)
        self.experts = Experts(features, ranges, downsampling) if ranges else None

    def forward(self, rows: Tensor) -> Tensor:
        """[batch, length, features] ► [batch, length, classes], for any length of at least one row."""
        logits = self.recurrent(rows)
        if self.experts is None:
            return logits
        length = rows.shape[1]
        opinions = self.experts(self.experts.statistics(rows)).repeat_interleave(self.downsampling, 1)[:, :length]
        mixed = LSTM_SHARE * logits[..., : self.ranges].log_softmax(-1)
        mixed = mixed + EXPERT_SHARE * opinions.log_softmax(-1).sum(-2)
        return torch.cat([mixed, logits[..., self.ranges :]], dim=-1)

    def recurrent(self, rows: Tensor) -> Tensor:
        """What the LSTM alone says: the same shapes."""
        batch, length, _ = rows.shape
        missing = -length % self.downsampling
        padded = functional.pad(rows.transpose(1, 2), (CONTEXT // 2, CONTEXT - CONTEXT // 2 + missing))
        steps = functional.relu(self.convolution(padded)).permute(2, 0, 1)
        steps = self.lstm(steps)[0]
        logits = self.head(steps).permute(1, 0, 2).reshape(batch, length + missing, self.classes)
        return cast(Tensor, logits[:, :length])

    def state(self) -> dict[str, Tensor]:
        """Weights on the CPU, by name."""
        return {name: value.detach().cpu().float() for name, value in self.state_dict().items()}


class Experts(nn.Module):
    """Two small networks on mean, deviation, largest and least value of the steps around a step.

    The first sees the channels normalised by the recording only: it holds where levels differ between recordings, and
    with few of them; the second sees both normalisations.
    """

    def __init__(self, features: int, classes: int, downsampling: int) -> None:
        super().__init__()
        self.downsampling = downsampling
        self.classes = classes
        size = 4 * len(WIDTHS) * features
        seen = torch.ones(2, size)
        seen[0] = torch.cat([torch.zeros(features // 2), torch.ones(features - features // 2)]).repeat(size // features)
        self.seen: Tensor
        self.center: Tensor
        self.rate: Tensor
        self.register_buffer("seen", seen)  # which statistics each expert sees
        self.register_buffer("center", torch.zeros(size))
        self.register_buffer("rate", torch.ones(size))
        self.hidden = nn.ModuleList(nn.Linear(size, EXPERT_SIZE) for _ in range(2))
        self.heads = nn.ModuleList(nn.Linear(EXPERT_SIZE, classes) for _ in range(2))

    def statistics(self, rows: Tensor) -> Tensor:
        """[batch, length, features] ► [batch, steps, statistics]; a last, partial step is filled with zeros."""
        values = functional.pad(rows.transpose(1, 2), (0, -rows.shape[1] % self.downsampling))
        mean = functional.avg_pool1d(values, self.downsampling)
        square = functional.avg_pool1d(values * values, self.downsampling)
        largest = functional.max_pool1d(values, self.downsampling)
        least = functional.max_pool1d(-values, self.downsampling)
        found = []
        for width in WIDTHS:
            half = width // 2
            level = functional.avg_pool1d(mean, width, 1, half, count_include_pad=False)
            power = functional.avg_pool1d(square, width, 1, half, count_include_pad=False)
            found += [level, (power - level * level).clamp_min(0).sqrt()]
            found += [functional.max_pool1d(each, width, 1, half) for each in (largest, least)]
        return torch.cat(found, 1).transpose(1, 2)

    def forward(self, statistics: Tensor) -> Tensor:
        """[…, statistics] ► logits […, 2, classes]."""
        scaled = ((statistics - self.center) * self.rate).clamp(-LARGEST_FEATURE, LARGEST_FEATURE)
        scaled = functional.dropout(scaled, FEATURE_DROPOUT, self.training)
        opinions = []
        for seen, hidden, head in zip(self.seen, self.hidden, self.heads, strict=True):
            units = functional.relu(hidden(scaled * seen))
            opinions.append(head(functional.dropout(units, HIDDEN_DROPOUT, self.training)))
        return torch.stack(opinions, dim=-2)
