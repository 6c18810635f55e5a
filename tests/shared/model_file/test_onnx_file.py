import hashlib
from contextlib import suppress

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from shared.errors import ModelError
from shared.model_file.onnx_file import SEAL_BYTES, add_metadata, check_graph, check_seal, checksum, read_metadata, seal
from tests.support.graphs import make_card, make_graph, make_model

GRAPH = make_graph(make_card())
MODEL = make_model()


def changed(change: object) -> bytes:
    """The graph after `change` was applied to its protobuf message."""
    model = onnx.load_model_from_string(GRAPH)
    change(model)  # type: ignore[operator]
    return bytes(model.SerializeToString())


def test_the_seal_is_the_last_76_bytes() -> None:
    sealed = seal(GRAPH)
    assert SEAL_BYTES == 76
    assert sealed[:-76] == GRAPH
    assert sealed[-76:] == bytes.fromhex("724a0a06") + b"sha256" + bytes.fromhex("1240") + checksum(sealed).encode()
    assert checksum(sealed) == hashlib.sha256(GRAPH).hexdigest()
    check_seal(sealed)


def test_onnx_reads_the_same_metadata() -> None:
    model = onnx.load_model_from_string(MODEL)
    assert read_metadata(MODEL) == {entry.key: entry.value for entry in model.metadata_props}
    assert set(read_metadata(MODEL)) == {"card", "probe", "sha256"}


def test_a_memoryview_reads_as_bytes_do() -> None:
    check_seal(memoryview(MODEL))
    assert read_metadata(memoryview(MODEL)) == read_metadata(MODEL)


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=300), max_size=4))
def test_metadata_read_back_as_written(entries: dict[str, str]) -> None:
    assert read_metadata(add_metadata(GRAPH, entries)) == entries


@given(position=st.integers(0, len(MODEL) * 8 - 1))
@settings(max_examples=300)
def test_a_single_flipped_bit_anywhere_breaks_the_seal(position: int) -> None:
    damaged = bytearray(MODEL)
    damaged[position // 8] ^= 1 << position % 8
    with pytest.raises(ModelError):
        check_seal(bytes(damaged))


@pytest.mark.parametrize("size", [0, 1, 75, 76, 77, len(MODEL) - 1])
def test_a_cut_off_file_breaks_the_seal(size: int) -> None:
    with pytest.raises(ModelError, match=r"checksum|damaged"):
        check_seal(MODEL[:size])


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_arbitrary_bytes_are_refused_with_a_model_error_or_read(data: bytes) -> None:
    for read in (check_graph, read_metadata, check_seal):
        with suppress(ModelError):
            read(data)


@given(position=st.integers(0, len(GRAPH) - 1), value=st.integers(0, 255))
@settings(max_examples=300)
def test_a_damaged_graph_is_refused_with_a_model_error_or_read(position: int, value: int) -> None:
    damaged = bytearray(GRAPH)
    damaged[position] = value
    with suppress(ModelError):
        check_graph(bytes(damaged))


def test_a_graph_of_ours_passes() -> None:
    check_graph(MODEL)
    check_graph(make_model(instants=("beat",), downsampling=4, window=52, stride=24, layers=2))


def test_two_entries_of_one_name_are_refused() -> None:
    with pytest.raises(ModelError, match="two metadata entries 'card'"):
        read_metadata(add_metadata(MODEL, {"card": "{}"}))


def test_tensors_in_other_files_are_refused() -> None:
    def move_out(model: onnx.ModelProto) -> None:
        weight = model.graph.initializer[0]
        weight.data_location = TensorProto.EXTERNAL
        weight.external_data.add(key="location", value="/etc/passwd")

    with pytest.raises(ModelError, match="other files"):
        check_graph(changed(move_out))


def test_tensors_that_claim_more_than_the_file_holds_are_refused() -> None:
    def claim(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(TensorProto(name="huge", data_type=1, dims=[1 << 40, 1 << 20], raw_data=b"1234"))

    with pytest.raises(ModelError, match="shape"):
        check_graph(changed(claim))


def test_tensors_in_attributes_are_looked_at_too() -> None:
    def claim(model: onnx.ModelProto) -> None:
        huge = TensorProto(name="huge", data_type=1, dims=[1 << 60], raw_data=b"1234")
        model.graph.node.append(helper.make_node("Constant", [], ["huge"], value=huge))

    with pytest.raises(ModelError, match="shape"):
        check_graph(changed(claim))


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (helper.make_node("Evil", ["windows"], ["out"], domain="com.example"), "com.example"),
        (helper.make_node("FusedMatMul", ["windows", "windows"], ["out"], domain="com.microsoft"), "com.microsoft"),
        (helper.make_node("ConstantOfShape", ["windows"], ["out"]), "ConstantOfShape"),
        (helper.make_node("Loop", ["windows"], ["out"], body=helper.make_graph([], "body", [], [])), "subgraphs"),
        (helper.make_node("If", ["windows"], ["out"], then_branch=helper.make_graph([], "x", [], [])), "subgraphs"),
    ],
)  # fmt: skip
def test_operators_that_no_segmenter_needs_are_refused(node: onnx.NodeProto, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        check_graph(changed(lambda model: model.graph.node.append(node)))


def test_nodes_that_depend_on_no_input_are_refused() -> None:
    def compute(model: onnx.ModelProto) -> None:
        for name, shape in (("column", (2000, 1)), ("row", (1, 2000))):
            model.graph.initializer.append(numpy_helper.from_array(np.ones(shape, np.float32), name))
        model.graph.node.append(helper.make_node("Add", ["column", "row"], ["square"]))

    with pytest.raises(ModelError, match="node Add that depends on no input"):
        check_graph(changed(compute))
    with pytest.raises(ModelError, match="depends on no input"):
        check_graph(changed(lambda model: model.graph.node.reverse()))


def test_foreign_operator_sets_are_refused() -> None:
    with pytest.raises(ModelError, match=r"com\.example"):
        check_graph(changed(lambda model: model.opset_import.append(helper.make_opsetid("com.example", 1))))


def test_functions_and_sparse_tensors_are_refused() -> None:
    function = helper.make_function("ours", "f", ["a"], ["b"], [], [])
    with pytest.raises(ModelError, match="functions"):
        check_graph(changed(lambda model: model.functions.append(function)))
    values = numpy_helper.from_array(np.ones(1, np.float32), "values")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "indices")
    sparse = helper.make_sparse_tensor(values, indices, [1 << 40])
    with pytest.raises(ModelError, match="sparse"):
        check_graph(changed(lambda model: model.graph.sparse_initializer.append(sparse)))


def test_two_graphs_that_protobuf_would_merge_are_refused() -> None:
    with pytest.raises(ModelError, match="2 graphs"):
        check_graph(GRAPH + GRAPH)
