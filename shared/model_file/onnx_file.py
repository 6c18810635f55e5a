"""Bytes of a model file, read without onnx and onnxruntime: checksum, metadata, which graphs are allowed."""

import hashlib
import math
from collections.abc import Mapping

from shared.errors import ModelError
from shared.model_file import protobuf

MAX_BYTES = 1 << 30  # HIDDEN_SIZE=1024 needs 0.2 GB
SEAL_HEAD = bytes.fromhex("724a0a06") + b"sha256" + bytes.fromhex("1240")
SEAL_BYTES = len(SEAL_HEAD) + 64

# Numbers of the fields of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto)
GRAPH, OPSET, METADATA, TRAINING_INFO, FUNCTIONS = 7, 8, 14, 20, 25  # ModelProto
NODE, INITIALIZER, INPUT, SPARSE_INITIALIZER = 1, 5, 11, 15  # GraphProto
NODE_INPUT, NODE_OUTPUT, OP_TYPE, ATTRIBUTE, DOMAIN = 1, 2, 4, 5, 7  # NodeProto
VALUE_NAME = 1  # ValueInfoProto
TENSOR, SUBGRAPH, TENSORS, SUBGRAPHS, SPARSE_TENSOR, SPARSE_TENSORS = 5, 6, 10, 11, 22, 23  # AttributeProto
DIMS, EXTERNAL_DATA, DATA_LOCATION = 1, 13, 14  # TensorProto

# Operators of a segmenter. None that loops, branches, calls functions, or makes large tensors from small files.
OPERATORS = frozenset(
    """
    Add AveragePool Cast Clip Concat Constant Conv CumSum Div Exp Flatten Floor Ceil Gather Gemm Identity IsInf IsNaN
    LSTM LayerNormalization Log LogSoftmax MatMul Max MaxPool Min Mod Mul Neg Not Or Pad Pow Reciprocal
    ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceSum Relu Reshape Shape Sigmoid Slice Softmax Split Sqrt Squeeze
    Sub Sum Tanh Transpose Unsqueeze Where
    """.split()  # noqa: SIM905
)


def add_metadata(graph: bytes, entries: Mapping[str, str]) -> bytes:
    """Append `metadata_props` entries to a graph that is not sealed yet (protobuf merges repeated fields)."""
    return graph + b"".join(_metadata_entry(key, value) for key, value in entries.items())


def seal(graph: bytes) -> bytes:
    """Append the `metadata_props` entry `sha256` over all bytes before it: the last 76 bytes of a model file."""
    return graph + SEAL_HEAD + hashlib.sha256(graph).hexdigest().encode()


def checksum(data: bytes | memoryview) -> str:
    """The 64 hex digits of the checksum, unchecked. Raises ModelError if the file has none."""
    view = memoryview(data)
    if len(view) <= SEAL_BYTES or view[-SEAL_BYTES:-64] != SEAL_HEAD:
        raise ModelError(
            f"A model file of {len(view)} bytes does not end with a checksum: it is truncated, or was not made by "
            "`python -m training`; restore it or train again."
        )
    return bytes(view[-64:]).decode("ascii", "replace")


def check_seal(data: bytes | memoryview) -> None:
    """Verify the checksum of a file. Raises ModelError if it differs, or if the file is too large."""
    view = memoryview(data)
    if len(view) > MAX_BYTES:
        raise ModelError(f"A model file has {len(view)} bytes, at most {MAX_BYTES} are read.")
    expected, found = checksum(view), hashlib.sha256(view[:-SEAL_BYTES]).hexdigest()
    if found != expected:
        raise ModelError(
            f"A model file has checksum {expected[:12]}…, but its bytes give {found[:12]}…: damaged or changed; "
            "restore it, roll back or train again."
        )


def read_metadata(data: bytes | memoryview) -> dict[str, str]:
    """The `metadata_props` of a model file, including the checksum. Raises ModelError if it is not an ONNX file."""
    found: dict[str, str] = {}
    try:
        for number, value in protobuf.fields(memoryview(data)):
            if number == METADATA and isinstance(value, memoryview):
                entry = {key: protobuf.text(part) for key, part in protobuf.fields(value)}
                key = entry.get(1, "")
                if key in found:
                    raise ModelError(f"A model file holds two metadata entries {key!r}, one was expected.")
                found[key] = entry.get(2, "")
    except protobuf.WireError as error:
        raise ModelError(f"A model file is not an ONNX file: {error}.") from error
    return found


def check_graph(data: bytes | memoryview) -> None:
    """Check that a graph holds only what ours do, before a session is created from it.

    Raises ModelError on tensors stored in other files, tensors that claim more values than the file has bytes,
    operators of other domains or outside OPERATORS, nodes that depend on no input or come before their inputs,
    subgraphs, functions and sparse tensors.
    """
    try:
        graphs = []
        for number, value in protobuf.fields(memoryview(data)):
            if number in (TRAINING_INFO, FUNCTIONS):
                raise ModelError("A model file holds functions or training graphs, which none of ours does: refused.")
            if number == OPSET:
                _check_domain(dict(protobuf.fields(_message(value))).get(1, memoryview(b"")))
            if number == GRAPH:
                graphs.append(_message(value))
        if len(graphs) != 1:
            raise ModelError(f"A model file holds {len(graphs)} graphs, one was expected.")
        computed = _names(graphs[0], INPUT)
        for number, value in protobuf.fields(graphs[0]):
            if number == NODE:
                _check_node(_message(value), computed)
            elif number == INITIALIZER:
                _check_tensor(_message(value))
            elif number == SPARSE_INITIALIZER:
                raise ModelError("A model file holds sparse tensors, which none of ours does: refused.")
    except protobuf.WireError as error:
        raise ModelError(f"A model file is not an ONNX file: {error}.") from error


def _names(graph: memoryview, kind: int) -> set[str]:
    """Names of the graph's values of one kind."""
    values = [dict(protobuf.fields(_message(value))) for number, value in protobuf.fields(graph) if number == kind]
    return {protobuf.text(value.get(VALUE_NAME, memoryview(b""))) for value in values}


def _check_node(node: memoryview, computed: set[str]) -> None:
    """Check a node, and add its outputs to `computed`, the values that depend on the graph's inputs."""
    operator = ""
    takes: list[str] = []
    gives: list[str] = []
    for number, value in protobuf.fields(node):
        if number == OP_TYPE:
            operator = protobuf.text(value)
        elif number in (NODE_INPUT, NODE_OUTPUT):
            (takes if number == NODE_INPUT else gives).append(protobuf.text(value))
        elif number == DOMAIN:
            _check_domain(value)
        elif number == ATTRIBUTE:
            tensors = []
            for part, content in protobuf.fields(_message(value)):
                if part in (SUBGRAPH, SUBGRAPHS, TENSORS, SPARSE_TENSOR, SPARSE_TENSORS):
                    raise ModelError(
                        "A model file holds subgraphs or lists of tensors, which none of ours does: refused."
                    )
                if part == TENSOR:
                    tensors.append(_message(content))
            if len(tensors) > 1:
                raise ModelError("A model file holds an attribute with two values: refused.")
            for tensor in tensors:
                _check_tensor(tensor)
    if operator not in OPERATORS:
        raise ModelError(f"A model file uses the operator {operator!r}, which no segmenter needs: refused.")
    if not computed.isdisjoint(takes):
        computed.update(gives)
    elif operator != "Constant":  # onnxruntime would evaluate it while loading the file, at any cost
        raise ModelError(f"A model file holds a node {operator} that depends on no input: refused, a constant is data.")


def _check_tensor(tensor: memoryview) -> None:
    dims: list[int] = []
    for number, value in protobuf.fields(tensor):
        if number == DIMS:
            dims += protobuf.varints(value)
        elif number == EXTERNAL_DATA or (number == DATA_LOCATION and value != 0):
            raise ModelError("A model file keeps tensors in other files: refused, a model is one file.")
    if math.prod(dims) > len(tensor):
        raise ModelError(f"A model file holds a tensor of shape {dims} in {len(tensor)} bytes: refused.")


def _check_domain(value: protobuf.Value) -> None:
    domain = protobuf.text(value)
    if domain not in ("", "ai.onnx"):
        raise ModelError(f"A model file uses operators of {domain!r}, only those of ONNX itself are allowed: refused.")


def _message(value: protobuf.Value) -> memoryview:
    if isinstance(value, int):
        raise protobuf.WireError("a number where a message was expected")
    return value


def _metadata_entry(key: str, value: str) -> bytes:
    return protobuf.entry(METADATA, protobuf.entry(1, key.encode()) + protobuf.entry(2, value.encode()))
