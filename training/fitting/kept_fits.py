"""Fits that are not repeated: networks of earlier runs whose whole input is unchanged."""

import logging
from collections.abc import Sequence

from shared.lineage import KeptFits
from training.data.annotations import Recording
from training.fitting.fit import FitResult
from training.fitting.fit_input import FitInput
from training.fitting.network_file import decode_network, encode_network

log = logging.getLogger("training")


class FitMemory:
    """Finds and keeps the fits of one plan."""

    def __init__(self, kept: KeptFits, inputs: FitInput) -> None:
        self._kept = kept
        self._inputs = inputs

    def find(self, recordings: Sequence[Recording], steps: int, seed: int) -> FitResult | None:
        """The same fit, made before; None if it was not, or cannot be read."""
        data = self._kept.take(self._inputs.digest(recordings, steps, seed))
        if data is None:
            return None
        try:
            network, content = decode_network(data)
            return FitResult(network, content["steps"], content["epochs"], tuple(content["losses"]))
        except Exception as error:  # whatever a foreign file makes torch raise: a fit from scratch is always right
            log.warning("A network of an earlier run cannot be read, and is fitted again: %s", error)
            return None

    def keep(self, recordings: Sequence[Recording], steps: int, seed: int, fit: FitResult) -> None:
        """Store a fit for later runs."""
        data = encode_network(fit.network, {"steps": fit.steps, "epochs": fit.epochs, "losses": list(fit.losses)})
        self._kept.keep(self._inputs.digest(recordings, steps, seed), data, self._inputs.learned(recordings))
