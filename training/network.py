"""The network: a convolution of a few rows, a bidirectional LSTM, a linear head; what it sees is normalised before."""

from typing import cast

from torch import Tensor, nn
from torch.nn import functional

NUM_LAYERS = 2  # one layer loses .02 to .07 on every set tried
CONTEXT = 4  # rows that the convolution sees beyond its own step: 5 rows where a step is one row


class Network(nn.Module):
    """Logits of every row of a window, all heads side by side.

    Parameters
    ----------
    features : columns of the input, two for each channel (normalised by the training set, and by the recording)
    columns : columns of the output, background of each head included
    hidden_size : units of each LSTM layer and direction, and of the convolution
    stem : rows an LSTM step; the head gives `stem` × `columns` logits a step
    dropout : share of the LSTM's inputs and outputs dropped while fitting
    """

    def __init__(self, features: int, columns: int, hidden_size: int, stem: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.arguments = {
            "features": features,
            "columns": columns,
            "hidden_size": hidden_size,
            "stem": stem,
        }
        self.columns = columns
        self.stem = stem
        self.dropout = dropout
        self.convolution = nn.Conv1d(features, hidden_size, stem + CONTEXT, stride=stem)
        self.lstm = nn.LSTM(hidden_size, hidden_size, NUM_LAYERS, bidirectional=True)
        self.head = nn.Linear(2 * hidden_size, stem * columns)

    def forward(self, rows: Tensor) -> Tensor:
        """[batch, length, features] ► [batch, length, columns], for any length of at least one row."""
        batch, length, _ = rows.shape
        missing = -length % self.stem
        padded = functional.pad(rows.transpose(1, 2), (CONTEXT // 2, CONTEXT - CONTEXT // 2 + missing))
        steps = functional.relu(self.convolution(padded)).permute(2, 0, 1)
        steps = functional.dropout(steps, self.dropout, self.training)
        steps = functional.dropout(self.lstm(steps)[0], self.dropout, self.training)
        logits = self.head(steps).permute(1, 0, 2).reshape(batch, length + missing, self.columns)
        return cast(Tensor, logits[:, :length])

    def state(self) -> dict[str, Tensor]:
        """Weights on the CPU, by name."""
        return {name: value.detach().cpu().float() for name, value in self.state_dict().items()}
