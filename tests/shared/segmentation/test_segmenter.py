import ast
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import helper

from shared.errors import ModelError, SeriesError
from shared.labelling.time_axis import TimeAxis
from shared.model_file.card import Calibration, ClassStatistics, RangeHead, RecordingStatistics, encode_card
from shared.model_file.onnx_file import add_metadata, seal
from shared.model_file.probe import TOLERANCE, encode_probe
from shared.recordings.series import Series
from shared.segmentation.segmenter import Segmenter
from shared.settings import TaskScore
from tests.support.graphs import make_card, make_graph, make_model, make_probe, seal_model

CARD = make_card()
GRAPH = make_graph(CARD)


def make_series(values: NDArray[np.float64]) -> Series:
    return Series(values, TimeAxis.of_rows(len(values)))


def wave(rows: int, channels: int = 1) -> Series:
    return make_series(np.sin(np.arange(rows * channels).reshape(rows, channels) / 30))


def sealed(graph: bytes = GRAPH, card: Any = None, probe: Any = None) -> bytes:
    entries = {"card": card or encode_card(CARD), "probe": probe or encode_probe(make_probe(GRAPH, CARD))}
    return seal(add_metadata(graph, entries))


def changed(change: Any) -> bytes:
    model = onnx.load_model_from_string(GRAPH)
    change(model)
    return bytes(model.SerializeToString())


def test_runs_above_the_recordings_mean_are_found() -> None:
    segmenter = Segmenter.load(make_model(kind="threshold"))
    values = np.zeros((400, 1))
    values[100:180], values[250:300] = 5, -5
    found = segmenter.segment(make_series(values + 1e6))
    assert [(each.first, each.last, each.label) for each in found.segments] == [(100, 179, "Run"), (250, 299, "Walk")]
    assert all(0.9 < each.score <= 1 for each in found.segments)
    assert 0.9 < found.score <= 1


def statistics_of_parts(rows: int) -> RecordingStatistics:
    """A recording of `rows` rows is half background at 0, half Run at 10; by rows alone a part is like a whole one."""
    one = (1.0,)
    none = (0.0,)
    classes = ClassStatistics(
        share=(0.5, 0.5),
        center=(none, (10.0,)),
        spread=(one, one),
        center_between=none,
        center_within=one,
        scale_between=none,
        scale_within=one,
    )
    return RecordingStatistics(
        rows=rows,
        log_scale=none,
        center_between=(1e9,),
        center_within=none,
        scale_between=(1e9,),
        scale_within=none,
        classes=classes,
    )


@pytest.mark.parametrize(("rows", "found"), [(800, 0), (400, 1)])
def test_a_part_is_looked_at_twice_as_its_classes_tell_what_it_lacks(rows: int, found: int) -> None:
    """A part at rest but for a bump of 3: above its own mean, but not above that of a recording with Run at 10."""
    segmenter = Segmenter.load(make_model(("Run",), kind="threshold", statistics=statistics_of_parts(rows)))
    values = np.sin(np.arange(400.0) / 3)[:, None]
    values[100:180] += 3
    checks: list[None] = []
    segments = segmenter.segment(make_series(values), check=lambda: checks.append(None)).segments
    assert len(segments) == found
    assert len(checks) == (2 if rows > 400 else 1)  # blocks of windows


def test_ranges_and_instants_are_decoded_side_by_side() -> None:
    segmenter = Segmenter.load(make_model(("Run",), instants=("beat",), kind="threshold"))
    values = np.zeros((300, 1))
    values[100:103], values[200:260] = 5, 5
    found = segmenter.segment(make_series(values)).segments
    assert [(each.first, each.last) for each in found if each.label == "Run"] == [(100, 102), (200, 259)]
    assert (101, 101) in [(each.first, each.last) for each in found if each.instant]
    assert [each.first for each in found] == sorted(each.first for each in found)


@pytest.mark.parametrize("rows", [1, 2, 49, 50, 51, 99, 1000])
def test_a_series_of_any_length_is_segmented(rows: int) -> None:
    for model in (
        make_model(),
        make_model(downsampling=4, window=52, stride=24),
        make_model(("Run",), instants=("beat",)),
    ):
        segmenter = Segmenter.load(model)
        found = segmenter.segment(wave(rows))
        assert all(0 <= each.first <= each.last < rows for each in found.segments)
        probabilities = segmenter.probabilities(wave(rows))
        assert probabilities.shape == (rows, segmenter.card.class_count)
        first = 0
        for head in segmenter.card.heads:
            heads = probabilities[:, first : first + 1 + len(head.labels)]
            np.testing.assert_allclose(heads.sum(axis=1), 1, rtol=1e-5)
            first += 1 + len(head.labels)


def test_a_series_without_rows_has_no_segments() -> None:
    found = Segmenter.load(make_model()).segment(wave(0))
    assert (found.segments, found.score) == ([], 0.0)
    assert Segmenter.load(make_model()).probabilities(wave(0)).shape == (0, 3)


@pytest.mark.parametrize("kind", get_args(TaskScore))
def test_every_task_score_lies_between_0_and_1(kind: Any) -> None:
    segmenter = Segmenter.load(make_model(("Run",), instants=("beat",)))
    assert 0 < segmenter.segment(wave(500), task_score=kind).score < 1


@given(rows=st.integers(1, 200), seed=st.integers(0, 100))
@settings(max_examples=30)
def test_missing_values_give_probabilities_all_the_same(rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, 2))
    values[rng.random(values.shape) < 0.3] = np.nan
    values[rng.random(values.shape) < 0.1] = np.inf
    values[:, seed % 2] = np.nan if seed % 3 == 0 else values[:, seed % 2]
    found = Segmenter.load(make_model(channels=("a", "b"))).probabilities(make_series(values))
    assert np.isfinite(found).all()


def test_with_one_channel_dead_the_other_still_counts() -> None:
    segmenter = Segmenter.load(make_model(channels=("a", "b")))
    values = np.random.default_rng(0).normal(size=(100, 2))
    values[:, 0] = np.nan
    other = values.copy()
    other[:, 1] = np.random.default_rng(1).normal(size=100)
    assert (
        np.abs(segmenter.probabilities(make_series(values)) - segmenter.probabilities(make_series(other))).max() > 0.01
    )


def test_calibration_changes_scores_and_never_segments() -> None:
    plain = make_card()
    head = plain.heads[0]
    assert isinstance(head, RangeHead)
    tempered = msgspec.structs.replace(
        head, calibration=Calibration(temperature=3.0, bias=(0.5, 0.0, 0.0), fitted=True)
    )
    card = msgspec.structs.replace(plain, heads=(tempered,))
    before = Segmenter.load(seal_model(GRAPH, plain)).segment(wave(700)).segments
    after = Segmenter.load(seal_model(GRAPH, card)).segment(wave(700)).segments
    assert [(s.first, s.last, s.label) for s in before] == [(s.first, s.last, s.label) for s in after]
    assert [s.score for s in before] != [s.score for s in after]


def test_several_threads_share_one_model() -> None:
    segmenter = Segmenter.load(make_model(hidden=16))
    expected = segmenter.segment(wave(3000))
    found: list[bool] = []
    threads = [
        threading.Thread(target=lambda: found.extend(segmenter.segment(wave(3000)) == expected for _ in range(5)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 20


def test_blocks_of_windows_are_all_that_a_long_series_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter = Segmenter.load(make_model(kind="threshold"))
    sizes: list[tuple[int, ...]] = []
    run = segmenter.run

    def counted(windows: NDArray[np.float32], *rest: Any) -> NDArray[np.float32]:
        sizes.append(windows.shape)
        return run(windows, *rest)

    monkeypatch.setattr(segmenter, "run", counted)
    segmenter.segment(wave(10_000))
    assert max(sizes) == (16, 50, 1)
    assert sum(size[0] for size in sizes) == 1 + (10_000 - 50) // 25


@pytest.mark.parametrize("instants", [False, True])
def test_more_segments_than_anybody_can_look_through_are_refused(
    instants: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = ("Run", "Walk")
    model = make_model(() if instants else labels, instants=labels if instants else (), kind="threshold")
    segmenter = Segmenter.load(model)
    values = np.zeros((20_000, 1))
    values[np.arange(20_000) % 40 < (3 if instants else 20)] = 1
    found = len(segmenter.segment(make_series(values)).segments)
    assert found >= 500
    monkeypatch.setattr("shared.segmentation.segmenter.MOST_SEGMENTS", found)
    segmenter.segment(make_series(values))
    monkeypatch.setattr("shared.segmentation.segmenter.MOST_SEGMENTS", found - 1)
    with pytest.raises(SeriesError, match=f"more than {found - 1} segments"):
        segmenter.segment(make_series(values))


def test_a_series_with_other_channels_is_refused() -> None:
    with pytest.raises(SeriesError, match="2 channels"):
        Segmenter.load(make_model()).segment(wave(10, channels=2))


def test_a_model_made_before_the_graph_changed_still_serves() -> None:
    file = Path(__file__).parent / "files" / "model_before_2026_11_26.onnx"  # experts and LSTM mixed row by row
    found = Segmenter.load(file.read_bytes()).probabilities(wave(70))
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_a_damaged_file_is_refused_before_a_session_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(make_model())
    data[1000] ^= 1
    monkeypatch.setattr("shared.segmentation.segmenter.first_session", lambda *_: pytest.fail("a session was made"))
    monkeypatch.setattr("shared.segmentation.segmenter.make_session", lambda *_: pytest.fail("a session was made"))
    with pytest.raises(ModelError, match="damaged"):
        Segmenter.load(bytes(data))
    with pytest.raises(ModelError, match="operator 'ConstantOfShape'"):
        Segmenter.load(
            sealed(changed(lambda m: m.graph.node.append(helper.make_node("ConstantOfShape", ["a"], ["b"]))))
        )


@pytest.mark.parametrize("missing", ["card", "probe"])
def test_a_graph_without_card_or_probe_is_refused(missing: str) -> None:
    entries = {"card": encode_card(CARD), "probe": encode_probe(make_probe(GRAPH, CARD))}
    del entries[missing]
    with pytest.raises(ModelError, match=f"carries no {missing}"):
        Segmenter.load(seal(add_metadata(GRAPH, entries)))


def test_a_probe_that_is_off_is_refused() -> None:
    probe = make_probe(GRAPH, CARD)
    for change in (2 * TOLERANCE, float("nan")):
        off = probe.probabilities.copy()
        off[0, 0, 0] += change
        with pytest.raises(ModelError, match="off its probe"):
            Segmenter.load(sealed(probe=encode_probe(type(probe)(probe.windows, probe.center, probe.scale, off))))


def test_names_that_are_no_text_are_refused_like_any_other_damage() -> None:
    graph = GRAPH.replace(b"length", b"\xff\xfe\xfdgth")
    assert graph != GRAPH
    with pytest.raises(ModelError):
        Segmenter.load(seal_model(graph, CARD, make_probe(GRAPH, CARD)))


def test_a_graph_of_other_classes_or_channels_than_its_card_is_refused() -> None:
    for card in (make_card(("Run",)), make_card(channels=("a", "b"))):
        with pytest.raises(ModelError, match=r"classes|channels"):
            Segmenter.load(sealed(card=encode_card(card)))


def test_a_graph_with_other_inputs_or_outputs_is_refused() -> None:
    def rename(model: onnx.ModelProto) -> None:
        model.graph.input[0].name = "x"
        for node in model.graph.node:
            for index, name in enumerate(node.input):
                node.input[index] = "x" if name == "windows" else name

    with pytest.raises(ModelError, match="A graph takes"):
        Segmenter.load(sealed(changed(rename)))

    def show_more(model: onnx.ModelProto) -> None:
        model.graph.output.append(helper.make_tensor_value_info(model.graph.node[0].output[0], 11, None))

    with pytest.raises(ModelError, match="A graph gives"):
        Segmenter.load(sealed(changed(show_more)))


def test_a_graph_that_onnxruntime_refuses_is_a_model_error() -> None:
    with pytest.raises(ModelError, match="onnxruntime refuses"):
        Segmenter.load(sealed(changed(lambda model: model.graph.initializer.pop())))


def test_a_graph_that_cannot_compute_its_probe_is_a_model_error() -> None:
    probe = make_probe(GRAPH, CARD)
    wrong = type(probe)(probe.windows, np.zeros((3, 1, 1)), probe.scale, probe.probabilities)
    with pytest.raises(ModelError, match="cannot compute its probe"):
        Segmenter.load(sealed(probe=encode_probe(wrong)))


def test_loading_a_model_imports_neither_pandas_nor_onnx() -> None:
    imports = "import sys, shared.segmentation.segmenter, shared.labelling.regions"
    program = f"{imports}; print(sorted({{n.split('.')[0] for n in sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert not {"pandas", "onnx", "torch", "sklearn"} & set(ast.literal_eval(loaded))
