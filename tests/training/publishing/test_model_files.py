"""Weights for people's own use in PyTorch."""

import io
from typing import Any

import pytest
import torch

from training.fitting.network import Network
from training.publishing import read_weights


def stored(network: Network, arguments: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save({"states": [network.state()], "arguments": arguments, "card": "{}"}, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("renamed", [{}, {"downsampling": "stem"}], ids=["today", "first release"])
def test_weights_of_every_version_give_the_network_back(renamed: dict[str, str]) -> None:
    torch.manual_seed(3)
    network = Network(6, 4, 8, 2, 4).eval()
    arguments = {renamed.get(name, name): value for name, value in network.arguments.items()}
    if renamed:
        del arguments["event_expert"]  # the first release had none
    rows = torch.randn(2, 37, 6)
    assert torch.equal(read_weights(stored(network, arguments))(rows), network(rows))
