"""A network as bytes that torch.load(…, weights_only=True) reads: no code is run by reading them."""

import io
from collections.abc import Mapping
from typing import Any

import torch

from training.fitting.network import Network

RENAMED_ARGUMENTS = {"stem": "downsampling"}  # of `Network`, as the first release stored them


def encode_network(network: Network, more: Mapping[str, object]) -> bytes:
    """State and arguments of a network, and what else is to be kept with them."""
    buffer = io.BytesIO()
    torch.save({"states": [network.state()], "arguments": network.arguments, **more}, buffer)
    return buffer.getvalue()


def decode_network(data: bytes) -> tuple[Network, dict[str, Any]]:
    """The network, in evaluation mode, and all that is stored; of this version or an older one."""
    content: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    network = Network(**{RENAMED_ARGUMENTS.get(name, name): value for name, value in content["arguments"].items()})
    network.load_state_dict(content["states"][0])
    return network.eval(), content
