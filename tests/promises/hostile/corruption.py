"""Model files that must never serve: every way that a file can be damaged, swapped or made to do harm.

A kind takes a good file of one project and a source of chance, and gives other bytes. Kinds that keep a right checksum
stand for somebody who means it; the rest for disks, networks and people in a hurry.
"""

import random
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from shared.model_file.card import decode_card, encode_card
from shared.model_file.onnx_file import SEAL_BYTES, add_metadata, read_metadata, seal
from shared.model_file.probe import decode_probe, encode_probe
from tests.support.graphs import make_model

Kind = Callable[[bytes, random.Random], bytes]


def truncated(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def one_bit(data: bytes, chance: random.Random) -> bytes:
    return flip(data, chance, 1)


def some_bits(data: bytes, chance: random.Random) -> bytes:
    return flip(data, chance, chance.randrange(2, 50))


def flip(data: bytes, chance: random.Random, count: int) -> bytes:
    damaged = bytearray(data)
    for bit in chance.sample(range(8 * len(data)), count):
        damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def hole(data: bytes, chance: random.Random) -> bytes:
    """Zeros where blocks were never written."""
    first = chance.randrange(len(data) - SEAL_BYTES)
    size = chance.randrange(1, 4096)
    return data[:first] + bytes(len(data[first : first + size])) + data[first + size :] + b"\0"


def shuffled(data: bytes, chance: random.Random) -> bytes:
    """Two halves of two writes."""
    middle = chance.randrange(1, len(data) - 1)
    return data[middle:] + data[:middle]


def longer(data: bytes, chance: random.Random) -> bytes:
    return data + chance.randbytes(chance.randrange(1, 200))


def another_file(data: bytes, chance: random.Random) -> bytes:
    head = chance.choice([b"<html>", b"%PDF-1.7\n", b"\x1f\x8b\x08", b"PK\x03\x04", b"\x80\x04\x95", b'{"card":', b""])
    return head + chance.randbytes(chance.randrange(5000))


def another_project(data: bytes, chance: random.Random) -> bytes:
    return with_card(data, project=decode_card(read_metadata(data)["card"]).project + chance.randrange(1, 10**6))


def swapped_card(data: bytes, chance: random.Random) -> bytes:
    """The card of a model of other labels or channels."""
    labels = tuple(f"label{index}" for index in range(chance.choice([1, 3, 4, 5])))
    card = decode_card(read_metadata(data)["card"])
    other = make_model(labels, kind="threshold", project=card.project, version=card.version, snapshot=card.snapshot)
    return with_metadata(data, card=read_metadata(other)["card"])


def swapped_probe(data: bytes, chance: random.Random) -> bytes:
    probe = decode_probe(read_metadata(data)["probe"])
    off = probe.probabilities.copy()
    off.flat[chance.randrange(off.size)] += chance.choice([0.01, -0.5, float("nan"), float("inf")])
    return with_metadata(data, probe=encode_probe(type(probe)(probe.windows, probe.center, probe.scale, off)))


def no_card(data: bytes, chance: random.Random) -> bytes:
    entries = read_metadata(data)
    del entries["sha256"], entries[chance.choice(["card", "probe"])]
    return sealed(graph_of(data), entries, chance)


def broken_card(data: bytes, chance: random.Random) -> bytes:
    card = read_metadata(data)["card"]
    cut = chance.randrange(len(card))
    return with_metadata(data, card=chance.choice([card[:cut], card[:cut] + "\0" + card[cut:], "[" * 10**5, "{}", "0"]))


def future_card(data: bytes, chance: random.Random) -> bytes:
    return with_card(data, schema=chance.randrange(2, 10**9))


def foreign_version(data: bytes, chance: random.Random) -> bytes:
    return with_card(
        data, version=chance.choice(["../../x", "<b>", "", "latest", "a" * 10**4]) + chance.randbytes(4).hex()
    )


def endless_windows(data: bytes, chance: random.Random) -> bytes:
    return with_card(data, window=chance.randrange(10**8, 10**18), stride=1)


def wrong_columns(data: bytes, chance: random.Random) -> bytes:
    """A graph of other shapes under the right card and probe."""
    labels = tuple(f"label{index}" for index in range(chance.choice([1, 3, 4])))
    return sealed(graph_of(make_model(labels, kind="threshold")), without_seal(data), chance)


def wrong_channels(data: bytes, chance: random.Random) -> bytes:
    channels = tuple(f"c{index}" for index in range(chance.randrange(2, 6)))
    return sealed(graph_of(make_model(channels=channels, kind="threshold")), without_seal(data), chance)


def external_data(data: bytes, chance: random.Random) -> bytes:
    def move_out(model: onnx.ModelProto) -> None:
        weight = chance.choice(list(model.graph.initializer))
        weight.data_location = TensorProto.EXTERNAL
        place = chance.choice(
            ["/etc/passwd", "../../../etc/hostname", "weights.bin", "/proc/self/environ", "/dev/zero"]
        )
        weight.external_data.add(key="location", value=place)
        weight.ClearField("raw_data")

    return changed(data, move_out, chance)


def foreign_operator(data: bytes, chance: random.Random) -> bytes:
    domain = chance.choice(["com.example", "com.microsoft", "ai.onnx.contrib", "ai.onnx.ml", "evil"])

    def add(model: onnx.ModelProto) -> None:
        model.graph.node.append(helper.make_node("Evil", ["windows"], ["evil"], domain=domain))
        model.opset_import.append(helper.make_opsetid(domain, 1))

    return changed(data, add, chance)


def forbidden_operator(data: bytes, chance: random.Random) -> bytes:
    body = helper.make_graph([], "body", [], [])
    node = chance.choice(
        [
            helper.make_node("ConstantOfShape", ["windows"], ["evil"]),
            helper.make_node("Loop", ["windows"], ["evil"], body=body),
            helper.make_node("If", ["windows"], ["evil"], then_branch=body, else_branch=body),
            helper.make_node("Tile", ["windows", "windows"], ["evil"]),
            helper.make_node("Expand", ["windows", "windows"], ["evil"]),
            helper.make_node("RandomNormalLike", ["windows"], ["evil"]),
            helper.make_node("NonZero", ["windows"], ["evil"]),
        ]
    )
    return changed(data, lambda model: model.graph.node.append(node), chance)


def claims_much(data: bytes, chance: random.Random) -> bytes:
    """An initialiser of terabytes in a few bytes."""
    dims = [chance.randrange(10**3, 10**6) for _ in range(chance.randrange(2, 5))]

    def claim(model: onnx.ModelProto) -> None:
        kind = chance.choice([TensorProto.FLOAT, TensorProto.INT8, TensorProto.DOUBLE])
        model.graph.initializer.append(TensorProto(name="huge", data_type=kind, dims=dims, raw_data=b"1234"))

    return changed(data, claim, chance)


def folds_much(data: bytes, chance: random.Random) -> bytes:
    """Constants that are computed from one another."""
    size = chance.randrange(10**3, 10**5)

    def compute(model: onnx.ModelProto) -> None:
        for name, shape in (("tall", (size, 1)), ("wide", (1, size))):
            model.graph.initializer.append(numpy_helper.from_array(np.ones(shape, np.float16), name))
        model.graph.node.append(helper.make_node("Add", ["tall", "wide"], ["square"]))

    return changed(data, compute, chance)


def doubles_itself(data: bytes, chance: random.Random) -> bytes:
    """A value joined to itself, again and again."""
    times = chance.randrange(26, 60)

    def grow(model: onnx.ModelProto) -> None:
        names = ["windows", *(f"double{index}" for index in range(times))]
        for place in range(times):
            node = helper.make_node("Concat", [names[place]] * 2, [names[place + 1]], axis=chance.randrange(3))
            model.graph.node.insert(place, node)
        _adds_nothing(model, names[-1])

    return changed(data, grow, chance)


def spreads_out(data: bytes, chance: random.Random) -> bytes:
    """Vectors along new axes: each multiplies what is there."""
    size, times = chance.randrange(200, 2000), chance.randrange(4, 9)

    def grow(model: onnx.ModelProto) -> None:
        before = "windows"
        for place in range(times):
            shape = (size, *(1,) * (3 + place))
            model.graph.initializer.append(numpy_helper.from_array(np.ones(shape, np.float32), f"axis{place}"))
            node = helper.make_node("Add", [before, f"axis{place}"], [f"spread{place}"])
            model.graph.node.insert(place, node)
            before = f"spread{place}"
        _adds_nothing(model, before)

    return changed(data, grow, chance)


def pads_far(data: bytes, chance: random.Random) -> bytes:
    rows = chance.randrange(10**8, 10**15)

    def grow(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(numpy_helper.from_array(np.array([0, 0, 0, 0, rows, 0], np.int64), "pads"))
        model.graph.node.insert(0, helper.make_node("Pad", ["windows", "pads"], ["long"]))
        _adds_nothing(model, "long")

    return changed(data, grow, chance)


def unread_text(data: bytes, chance: random.Random) -> bytes:
    """Names that are no text, for libraries that believe they are."""
    name = chance.choice([b"length", b"windows", b"center", b"probabilities", b"batch", b"axis"])
    place = chance.randrange(len(name) - 1)
    broken = name[:place] + b"\xff\xfe" + name[place + 2 :]
    return resealed(data.replace(name, broken), chance)


SILENT: dict[str, Kind] = {
    each.__name__: each for each in (truncated, one_bit, some_bits, hole, shuffled, longer, another_file)
}
MEANT: dict[str, Kind] = {
    each.__name__: each
    for each in (
        another_project, swapped_card, swapped_probe, no_card, broken_card, future_card, foreign_version,
        endless_windows, wrong_columns, wrong_channels, external_data, foreign_operator, forbidden_operator,
        claims_much, folds_much, doubles_itself, spreads_out, pads_far, unread_text,
    )
}  # fmt: skip
KINDS = SILENT | MEANT


def resealed_flips(data: bytes, chance: random.Random) -> bytes:
    """Flipped bits under a right checksum: what still passes all checks may serve, for its answers hold.

    Not one of KINDS. A bit of a name or of a weight's last digits changes nothing that the probe could see.
    """
    return resealed(flip(data[:-SEAL_BYTES], chance, chance.randrange(1, 9)) + data[-SEAL_BYTES:], chance)


def graph_of(data: bytes) -> bytes:
    """The file without metadata and seal."""
    model = onnx.load_model_from_string(data)
    del model.metadata_props[:]
    return bytes(model.SerializeToString())


def without_seal(data: bytes) -> dict[str, str]:
    entries = read_metadata(data)
    del entries["sha256"]
    return entries


def sealed(graph: bytes, entries: dict[str, str], chance: random.Random | None = None) -> bytes:
    """A file with a right checksum; with `chance` no two are alike."""
    salt = {"salt": chance.randbytes(8).hex()} if chance else {}
    return seal(add_metadata(graph, entries | salt))


def resealed(data: bytes, chance: random.Random) -> bytes:
    return seal(add_metadata(data[:-SEAL_BYTES], {"salt": chance.randbytes(8).hex()}))


def with_metadata(data: bytes, **entries: str) -> bytes:
    return sealed(graph_of(data), without_seal(data) | entries, random.Random(str(entries)))


def with_card(data: bytes, **changes: Any) -> bytes:
    card = decode_card(read_metadata(data)["card"])
    text = encode_card(msgspec.structs.replace(card, **changes))
    return with_metadata(data, card=text)


def changed(data: bytes, change: Callable[[onnx.ModelProto], object], chance: random.Random) -> bytes:
    """The file after `change` was applied to its graph, under its card, probe and a right checksum."""
    model = onnx.load_model_from_string(data)
    del model.metadata_props[:]
    change(model)
    return sealed(model.SerializeToString(), without_seal(data), chance)


def _adds_nothing(model: onnx.ModelProto, name: str) -> None:
    """Let the answer depend on a value without being changed by it."""
    model.graph.node[-1].output[0] = "before"
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((), np.float32), "nothing"))
    model.graph.node.extend(
        [
            helper.make_node("ReduceSum", [name], ["total"], keepdims=0),
            helper.make_node("Mul", ["total", "nothing"], ["none"]),
            helper.make_node("Add", ["before", "none"], ["probabilities"]),
        ]
    )
