"""Small files that ask for much memory are refused on less."""

import resource
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from shared.errors import ModelError
from shared.segmentation import sessions
from shared.segmentation.segmenter import Segmenter
from tests.support.graphs import make_card, make_graph, make_model, make_probe, seal_model

CARD = make_card()
CHECK = """
import resource, sys
from shared.errors import ModelError
from shared.segmentation.segmenter import Segmenter
Segmenter.load(open(sys.argv[1], "rb").read())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    Segmenter.load(open(sys.argv[2], "rb").read())
except ModelError as error:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, error)
"""


def bomb(grow: Callable[[onnx.GraphProto], str]) -> bytes:
    """A sealed model whose answer needs a value of much memory, and which answers its probe rightly."""
    model = onnx.load_model_from_string(make_graph(CARD, kind="threshold"))
    graph = model.graph
    graph.node[-1].output[0] = "before"
    total = helper.make_node("ReduceSum", [grow(graph)], ["total"], keepdims=0)
    zero = numpy_helper.from_array(np.zeros((), np.float32), "nothing")
    graph.initializer.append(zero)
    rest = [
        helper.make_node("Mul", ["total", "nothing"], ["none"]),
        helper.make_node("Add", ["before", "none"], ["probabilities"]),
    ]
    graph.node.extend([total, *rest])
    plain = make_graph(CARD, kind="threshold")
    probe = make_probe(plain, CARD)
    return seal_model(model.SerializeToString(), CARD, probe)


def doubled(times: int) -> Callable[[onnx.GraphProto], str]:
    def grow(graph: onnx.GraphProto) -> str:
        names = ["windows", *(f"double{index}" for index in range(times))]
        for one, two in pairwise(names):
            graph.node.append(helper.make_node("Concat", [one, one], [two], axis=0))
        return names[-1]

    return grow


def spread(size: int) -> Callable[[onnx.GraphProto], str]:
    """A column and a row, together a square."""

    def grow(graph: onnx.GraphProto) -> str:
        for name, shape in (("column", (size, 1, 1, 1)), ("row", (size, 1, 1, 1, 1))):
            graph.initializer.append(numpy_helper.from_array(np.ones(shape, np.float32), name))
        graph.node.append(helper.make_node("Add", ["windows", "column"], ["tall"]))
        graph.node.append(helper.make_node("Add", ["tall", "row"], ["square"]))
        return "square"

    return grow


def padded(rows: int) -> Callable[[onnx.GraphProto], str]:
    def grow(graph: onnx.GraphProto) -> str:
        graph.initializer.append(numpy_helper.from_array(np.array([0, 0, 0, 0, rows, 0], np.int64), "pads"))
        graph.node.append(helper.make_node("Pad", ["windows", "pads"], ["long"]))
        return "long"

    return grow


@pytest.mark.parametrize(
    "grow", [doubled(22), doubled(45), spread(2000), padded(10**8)], ids=["doubled", "doubled-45", "spread", "padded"]
)
def test_a_graph_that_grows_without_measure_is_refused_within_the_bound(
    grow: Callable[[onnx.GraphProto], str], tmp_path: Path
) -> None:
    files = tmp_path / "good.onnx", tmp_path / "bomb.onnx"
    files[0].write_bytes(make_model(kind="threshold"))
    files[1].write_bytes(bomb(grow))
    assert files[1].stat().st_size < 50_000
    done = subprocess.run(
        [sys.executable, "-c", CHECK, *map(str, files)], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout, "it was not refused"
    grown, _, reason = done.stdout.partition(" ")
    print(f"grew by {int(grown) / 1024:.0f} MiB")
    assert int(grown) * 1024 < 1.1 * sessions.MOST_BYTES, done.stdout
    assert "within 512 MiB" in reason


def test_refused_graphs_leave_no_memory_behind() -> None:
    import psutil

    data = bomb(doubled(22))
    process = psutil.Process()
    sizes = []
    for _ in range(6):
        with pytest.raises(ModelError):
            Segmenter.load(data)
        Segmenter.load(make_model(kind="threshold"))  # its first run gives back what the last one left
        sizes.append(process.memory_info().rss)
    assert sizes[-1] - max(sizes[:3]) < 2**25, sizes  # by the third the allocator has what it keeps


def test_windows_beyond_any_reason_are_refused_before_they_are_made() -> None:
    card = make_card(window=10**9, stride=10**9)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError, match="too many"):
        Segmenter.load(seal_model(make_graph(CARD), card))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**17  # kB


def test_onnxruntime_prints_nothing_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    graph = make_graph(CARD).replace(b"perm", b"p\xff\xfe\xfd")  # no text: it would print, and try again
    with pytest.raises(ModelError, match="onnxruntime refuses"):
        Segmenter.load(seal_model(graph, CARD, make_probe(make_graph(CARD), CARD)))
    assert capfd.readouterr() == ("", "")
