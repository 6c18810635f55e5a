"""The network: an LSTM over steps of a few rows, and experts on window statistics: two for ranges, one for instants.

What it sees is normalised before (dataset.py): each channel by the training set, then each by the recording.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any, cast

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
# Of the event expert in the log odds of "some event". Its label comes from the LSTM alone: an expert's labels cost
# ECGs .04 event F1.
EVENT_SHARE = 0.7
EVENT_DROPOUT = 0.2  # of statistics and hidden units

_drawing = Lock()


@contextmanager
def weights_of_seed(seed: int) -> Iterator[None]:
    """Networks made within begin with the weights of a seed. torch has one generator for all threads: one at a time."""
    with _drawing:
        torch.manual_seed(seed)
        yield


Dropout = Callable[[Tensor, float], Tensor]  # values, and the share of them that a fit leaves out


def keep_all(values: Tensor, _: float) -> Tensor:
    """No dropout."""
    return values


class Network(nn.Module):
    """Logits of every row of a window, all heads side by side.

    Parameters
    ----------
    features : inputs of a row, two for each channel (by the training set; by the recording)
    columns : classes of all heads, background of each included; stored weights name it so
    hidden_size : units of each LSTM layer and direction, and of the convolution
    downsampling : rows an LSTM step; the head gives `downsampling` × `classes` logits a step
    ranges : classes of each head of ranges, the first of the output; empty without one, and then without experts.
        One number stands for one head, 0 for none: stored weights say it so
    event_expert : whether an expert has a say in the head of instants, the last of the output
    """

    def __init__(
        self,
        features: int,
        columns: int,
        hidden_size: int,
        downsampling: int,
        ranges: int | Sequence[int] = 0,
        event_expert: bool = False,
    ) -> None:
        super().__init__()
        self.range_heads = tuple(each for each in ([ranges] if isinstance(ranges, int) else ranges) if each)
        self.arguments: dict[str, Any] = {
            "features": features,
            "columns": columns,
            "hidden_size": hidden_size,
            "downsampling": downsampling,
            "ranges": self.range_heads if len(self.range_heads) > 1 else sum(self.range_heads),
            "event_expert": event_expert,
        }
        self.classes = columns
        self.downsampling = downsampling
        self.ranges = sum(self.range_heads)
        self.convolution = nn.Conv1d(features, hidden_size, downsampling + CONTEXT, stride=downsampling)
        self.lstm = nn.LSTM(hidden_size, hidden_size, NUM_LAYERS, bidirectional=True)
        self.head = nn.Linear(2 * hidden_size, downsampling * columns)
        self.experts = Experts(features, self.range_heads) if self.range_heads else None
        self.event_expert = EventExpert(features) if event_expert else None

    def forward(self, rows: Tensor) -> Tensor:
        """[batch, length, features] ► [batch, length, classes], for any length of at least one row."""
        logits = self.recurrent(rows)
        if self.experts is None and self.event_expert is None:
            return logits
        statistics = window_statistics(rows, self.downsampling)
        ranges, instants = logits[..., : self.ranges], logits[..., self.ranges :]
        if self.experts is not None:
            ranges = self._mixed(ranges, self._by_row(self.experts(statistics), rows))
        if self.event_expert is not None:
            background, labels = instants[..., :1], instants[..., 1:]
            odds = labels.logsumexp(-1, keepdim=True) - background
            moved = EVENT_SHARE * (self._by_row(self.event_expert(statistics), rows) - odds)
            instants = torch.cat([background, labels + moved], dim=-1)
        return torch.cat([ranges, instants], dim=-1)

    def _mixed(self, logits: Tensor, opinions: Tensor) -> Tensor:
        """What LSTM and experts say together, head of ranges by head."""
        widths = list(self.range_heads)
        heads = zip(torch.split(logits, widths, dim=-1), torch.split(opinions, widths, dim=-1), strict=True)
        found = [
            LSTM_SHARE * own.log_softmax(-1) + EXPERT_SHARE * others.log_softmax(-1).sum(-2) for own, others in heads
        ]
        return torch.cat(found, dim=-1)

    def _by_row(self, steps: Tensor, rows: Tensor) -> Tensor:
        """The logits of a step, for each of its rows."""
        return steps.repeat_interleave(self.downsampling, 1)[:, : rows.shape[1]]

    def recurrent(self, rows: Tensor) -> Tensor:
        """The same shapes from the LSTM alone."""
        batch, length, _ = rows.shape
        missing = -length % self.downsampling
        padded = functional.pad(rows.transpose(1, 2), (CONTEXT // 2, CONTEXT - CONTEXT // 2 + missing))
        steps = functional.relu(self.convolution(padded)).permute(2, 0, 1)
        steps = self.lstm(steps)[0]
        logits = self.head(steps).permute(1, 0, 2).reshape(batch, length + missing, self.classes)
        return cast(Tensor, logits[:, :length])

    def without_event_expert(self) -> "Network":
        """A copy without the event expert; the same network if it has none."""
        if self.event_expert is None:
            return self
        features, hidden_size = self.convolution.in_channels, self.lstm.hidden_size
        found = Network(features, self.classes, hidden_size, self.downsampling, self.range_heads)
        found.load_state_dict({key: each for key, each in self.state_dict().items() if key in found.state_dict()})
        return found.eval()

    def state(self) -> dict[str, Tensor]:
        """Weights on the CPU, by name."""
        return {name: value.detach().cpu().float() for name, value in self.state_dict().items()}


class _OnStatistics(nn.Module):
    """What experts have in common: statistics are scaled by what is usual of them in training."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.center: Tensor
        self.rate: Tensor
        self.register_buffer("center", torch.zeros(size))
        self.register_buffer("rate", torch.ones(size))

    def scaled(self, statistics: Tensor) -> Tensor:
        """[…, statistics] ► the same shape, clipped."""
        return ((statistics - self.center) * self.rate).clamp(-LARGEST_FEATURE, LARGEST_FEATURE)


class Experts(_OnStatistics):
    """Two small networks on mean, deviation, largest and least value of the steps around a step.

    The first sees the channels normalised by the recording only: it holds where levels differ between recordings, and
    with few of them; the second sees both normalisations. Each speaks for all heads of ranges.

    range_heads: classes of each.
    """

    def __init__(self, features: int, range_heads: Sequence[int]) -> None:
        size = 4 * len(WIDTHS) * features
        super().__init__(size)
        seen = torch.ones(2, size)
        seen[0] = torch.cat([torch.zeros(features // 2), torch.ones(features - features // 2)]).repeat(size // features)
        self.seen: Tensor
        self.register_buffer("seen", seen)  # which statistics each expert sees
        self.hidden = nn.ModuleList(nn.Linear(size, EXPERT_SIZE) for _ in range(2))
        self.heads = nn.ModuleList(nn.Linear(EXPERT_SIZE, sum(range_heads)) for _ in range(2))

    def forward(self, statistics: Tensor) -> Tensor:
        """[…, statistics] ► logits […, 2, classes of all heads]."""
        return self.opinions(self.scaled(statistics))

    def opinions(self, scaled: Tensor, drop: Dropout = keep_all) -> Tensor:
        """Scaled […, statistics] ► logits […, 2, classes of all heads]."""
        scaled = drop(scaled, FEATURE_DROPOUT)
        found = []
        for seen, hidden, head in zip(self.seen, self.hidden, self.heads, strict=True):
            found.append(head(drop(functional.relu(hidden(scaled * seen)), HIDDEN_DROPOUT)))
        return torch.stack(found, dim=-2)


class EventExpert(_OnStatistics):
    """A small network on the same statistics, in both normalisations, that only detects whether there is an event."""

    def __init__(self, features: int) -> None:
        size = 4 * len(WIDTHS) * features
        super().__init__(size)
        self.hidden = nn.Linear(size, EXPERT_SIZE)
        self.head = nn.Linear(EXPERT_SIZE, 1)

    def forward(self, statistics: Tensor) -> Tensor:
        """[…, statistics] ► log odds of an event […, 1]."""
        return self.opinions(self.scaled(statistics))

    def opinions(self, scaled: Tensor, drop: Dropout = keep_all) -> Tensor:
        """Scaled […, statistics] ► log odds of an event […, 1]."""
        units = functional.relu(self.hidden(drop(scaled, EVENT_DROPOUT)))
        odds: Tensor = self.head(drop(units, EVENT_DROPOUT))
        return odds


def window_statistics(rows: Tensor, downsampling: int) -> Tensor:
    """[batch, length, features] ► [batch, steps, statistics]; a last, partial step is filled with zeros."""
    values = functional.pad(rows.transpose(1, 2), (0, -rows.shape[1] % downsampling))
    mean = functional.avg_pool1d(values, downsampling)
    square = functional.avg_pool1d(values * values, downsampling)
    largest = functional.max_pool1d(values, downsampling)
    least = functional.max_pool1d(-values, downsampling)
    found = []
    for width in WIDTHS:
        half = width // 2
        level = functional.avg_pool1d(mean, width, 1, half, count_include_pad=False)
        power = functional.avg_pool1d(square, width, 1, half, count_include_pad=False)
        found += [level, (power - level * level).clamp_min(0).sqrt()]
        found += [functional.max_pool1d(each, width, 1, half) for each in (largest, least)]
    return torch.cat(found, 1).transpose(1, 2)
