"""One model file for several time series: a model of each, published and read in one piece.

The file of the first series carries those of the others, each sealed by itself, as base64 in its metadata. A file of
one series is as ever.
"""

import base64
import binascii
from collections.abc import Sequence

from shared.errors import ModelError
from shared.model_file.card import ModelCard, decode_card
from shared.model_file.onnx_file import SEAL_BYTES, add_metadata, read_metadata, seal

OTHER = "series "  # and 2, 3, …: key of a metadata entry
MOST_SERIES = 16  # in one file


def join_models(models: Sequence[bytes]) -> bytes:
    """One sealed file of several, the first of which names version and project."""
    first, *others = models
    if len(others) >= MOST_SERIES:
        raise ModelError(f"A model is made for {len(models)} time series, at most {MOST_SERIES} are supported.")
    entries = {f"{OTHER}{place}": base64.b64encode(each).decode() for place, each in enumerate(others, 2)}
    # in front, which the order of protobuf's fields allows: the store reads card and checksum from a file's last bytes
    return seal(add_metadata(b"", entries) + first[:-SEAL_BYTES]) if entries else first


def split_models(data: bytes) -> list[bytes]:
    """The files that a file was joined from; the first still carries the others. Raises ModelError."""
    entries = {key: text for key, text in read_metadata(data).items() if key.startswith(OTHER)}
    if len(entries) >= MOST_SERIES:
        raise ModelError(f"A model file holds models of {1 + len(entries)} series, at most {MOST_SERIES} are read.")
    try:
        return [data, *(base64.b64decode(text, validate=True) for text in entries.values())]
    except (binascii.Error, ValueError) as error:
        raise ModelError(f"A model of another series cannot be read: {error}; train again.") from error


def read_cards(data: bytes) -> list[ModelCard]:
    """The card of each series. Raises ModelError."""
    return [decode_card(read_metadata(each).get("card", "")) for each in split_models(data)]


def model_of_series(data: bytes, series: str, *, alone: bool) -> bytes | None:
    """The file of one series by the name of its tag; None if it has none.

    alone: whether the configuration has no other series: then a model of one series is meant, whatever its name.
    """
    models = split_models(data)
    if alone and len(models) == 1:
        return data
    cards = [decode_card(read_metadata(each).get("card", "")) for each in models]
    return next((m for m, card in zip(models, cards, strict=True) if card.label_config.to_name == series), None)
