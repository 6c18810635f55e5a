"""A graph and its card: series ► segments. The same object judges in training and serves in inference.

A project with several time series has a segmenter for each.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from shared.errors import ModelError, SeriesError
from shared.labelling.label_config import LabelConfig
from shared.labelling.segments import Segment
from shared.model_file import onnx_file as graph_file
from shared.model_file.card import Head, ModelCard, RangeHead, decode_card
from shared.model_file.probe import TOLERANCE, Probe, decode_probe
from shared.model_file.several import split_models
from shared.segmentation.choices import feature_count
from shared.segmentation.given import GivenSegments
from shared.segmentation.instant_decoder import InstantDecoder
from shared.segmentation.normalisation import Doubles, recording_statistics, statistics_by_classes
from shared.segmentation.range_decoder import RangeDecoder
from shared.segmentation.scores import TaskScorer
from shared.segmentation.sessions import first_session, make_session, run_first
from shared.segmentation.windows import BLOCK_WINDOWS, OverlapMean, window_blocks
from shared.settings import TaskScore

if TYPE_CHECKING:
    from shared.recordings.series import Series

Floats = NDArray[np.float32]
INPUTS = {"windows": "tensor(float)", "center": "tensor(double)", "scale": "tensor(float)"}
OUTPUT = "probabilities"
MOST_SEGMENTS = 1 << 18  # of a recording: two days of heart beats; about 1 kB each until they are sent
BLOCKS_AT_ONCE = 4  # forward passes between two turns of numpy, whose calls cost the more the smaller their arrays


class _Value(NamedTuple):
    """An input or output as a graph declares it."""

    type: str
    shape: list[int | str | None]


@dataclass(frozen=True)
class Segmentation:
    """What a model finds in one recording: segments in order of their first rows, and how sure it is of the whole.

    shares: mean probability of each class, where the model chooses something about recordings by it.
    """

    segments: list[Segment]
    score: float
    shares: NDArray[np.float64] | None = None


class Segmenter:
    """A loaded model. Safe to use from several threads at once; each call computes in the calling thread.

    The graph takes `windows` float32 [batch, length, channels] (values around the recording's centre, missing cells 0),
    `center` float64 and `scale` float32 [1 or batch, 1, channels], and gives `probabilities` float32
    [batch, length, classes], the heads of the card side by side.
    """

    def __init__(self, card: ModelCard, session: Any) -> None:
        self.card = card
        self._session = session

    @classmethod
    def load(cls, data: bytes, *, threads: int = 1, passed: bool = False) -> Self:
        """Check a model file, make a session of it and run its probe, which also warms it up.

        threads: cores of one forward pass; more than 1 burns 1.5 to 2 times the CPU for little. passed: a file of
        this checksum has passed all checks in this process; seal and probe are checked again, the graph is not.
        Raises ModelError where seal, contents, card, appetite for memory, shapes or probe are not what they must be.
        """
        graph_file.check_seal(data)
        if not passed:
            graph_file.check_graph(data)
        metadata = graph_file.read_metadata(data)
        for key in ("card", "probe"):
            if key not in metadata:
                raise ModelError(
                    f"A model file carries no {key}: it was not made by `python -m training`; train again."
                )
        card, probe = decode_card(metadata["card"]), decode_probe(metadata["probe"])
        if card.choices and len(card.choices.center) != feature_count(len(card.channel_mean), card.class_count):
            raise ModelError(
                f"A model chooses by {len(card.choices.center)} features of a recording, expected "
                f"{feature_count(len(card.channel_mean), card.class_count)}: train again."
            )
        if not passed:
            cls._run_first(data, card)
        segmenter = cls(card, make_session(data, threads))
        segmenter._check_probe(probe)
        return segmenter

    @classmethod
    def _run_first(cls, data: bytes, card: ModelCard) -> None:
        """Look at an unknown graph and run it within bounds of memory."""
        with first_session(data) as session:
            cls(card, session)._check_shapes()
            run_first(session, BLOCK_WINDOWS, card.window, len(card.channel_mean))

    def segment(
        self,
        series: "Series",
        *,
        task_score: TaskScore = "plausible",
        check: Callable[[], None] = lambda: None,
        given: GivenSegments | None = None,
    ) -> Segmentation:
        """Find segments; memory does not grow with the recording's length, but with what is found in it.

        check: called every few thousand rows; what it raises ends the work. given: what people fixed.
        Raises SeriesError where the series has other channels than the model, or gives more than MOST_SEGMENTS.
        """
        heads = [(head, make_decoder(head, given), TaskScorer(task_score, head)) for head in self.card.heads]
        taken = 0
        totals = np.zeros(self.card.class_count) if self.card.choices else None
        for averaged in self._averaged(series.values, check):
            check()
            if totals is not None:
                totals += averaged.sum(axis=0, dtype=np.float64)
            rows = given.apply(averaged, taken, self.card.heads) if given else averaged
            taken += len(rows)
            _check_count(sum(decoder.found for _, decoder, _ in heads))
            first = 0
            for head, decoder, scorer in heads:
                width = 1 + len(head.labels)
                part = rows[:, first : first + width]
                decoder.add(part)
                scorer.add(part)
                first += width
        found: list[Segment] = []
        scores: list[float] = []
        for _, decoder, scorer in heads:
            segments = decoder.finish()
            scores.append(scorer.score(segments, decoder))
            found += segments
        _check_count(len(found))
        found.sort(key=lambda segment: (segment.first, segment.last))
        score = min(scores) if task_score == "min-segment" else sum(scores) / len(scores)
        return Segmentation(found, score, None if totals is None else totals / max(taken, 1))

    def probabilities(self, series: "Series") -> Floats:
        """Averaged, uncalibrated probabilities [rows, classes]: for judging and pages, never for serving."""
        blocks = list(self._averaged(series.values))
        return np.concatenate(blocks) if blocks else np.zeros((0, self.card.class_count), np.float32)

    def _averaged(self, values: Doubles, check: Callable[[], None] = lambda: None) -> Iterator[Floats]:
        card = self.card
        rows, channels = values.shape
        if channels != len(card.channel_mean):
            raise SeriesError(f"A series has {channels} channels, the model was trained on {len(card.channel_mean)}.")
        mean, std, how = np.asarray(card.channel_mean), np.asarray(card.channel_std), card.statistics
        center, scale = recording_statistics(values, mean, std, how)
        if how is not None and how.classes is not None and 0 < rows < how.rows:
            # a part: what is found in it tells what it lacks, which its statistics are completed by
            class_rows = np.zeros(len(how.classes.share))
            for found in self._under(values, center, scale):
                check()
                class_rows += found[:, : len(class_rows)].sum(axis=0, dtype=np.float64)
            center, scale = statistics_by_classes(values, class_rows, mean, std, how, how.classes)
        yield from self._under(values, center, scale)

    def _under(self, values: Doubles, center: Doubles, scale: Floats) -> Iterator[Floats]:
        """Averaged probabilities of a recording under this centre and scale."""
        card = self.card
        overlap = OverlapMean(len(values), card.window, card.stride)
        for windows in window_blocks(values, center, card.window, card.stride, BLOCKS_AT_ONCE * BLOCK_WINDOWS):
            blocks = [windows[first : first + BLOCK_WINDOWS] for first in range(0, len(windows), BLOCK_WINDOWS)]
            found = [self.run(block, center[None, None], scale[None, None]) for block in blocks]
            yield overlap.add(np.concatenate(found))

    def run(self, windows: Floats, center: NDArray[np.float64], scale: Floats) -> Floats:
        """What the graph gives for windows [batch, length, channels]: [batch, length, classes]."""
        found: Floats = self._session.run([OUTPUT], {"windows": windows, "center": center, "scale": scale})[0]
        return found

    def _check_shapes(self) -> None:
        channels, class_count = len(self.card.channel_mean), self.card.class_count
        try:
            inputs = {each.name: _Value(each.type, each.shape) for each in self._session.get_inputs()}
            outputs = {each.name: _Value(each.type, each.shape) for each in self._session.get_outputs()}
        except UnicodeDecodeError as error:
            raise ModelError(f"A graph has names that are no text ({error}).") from error
        if {name: each.type for name, each in inputs.items()} != INPUTS:
            raise ModelError(f"A graph takes {sorted(inputs)}, expected {sorted(INPUTS)} of types {INPUTS}.")
        for name, each in inputs.items():
            if len(each.shape) != 3 or not _fits(each.shape[2], channels):
                raise ModelError(f"A graph takes {name} of shape {each.shape}, expected {channels} channels at last.")
        if list(outputs) != [OUTPUT] or not outputs[OUTPUT].shape or not _fits(outputs[OUTPUT].shape[-1], class_count):
            shown = {name: each.shape for name, each in outputs.items()}
            raise ModelError(f"A graph gives {shown}, expected {OUTPUT} with {class_count} classes.")

    def _check_probe(self, probe: Probe) -> None:
        batch, length, channels = probe.windows.shape if probe.windows.ndim == 3 else (0, 0, 0)
        expected = (batch, length, self.card.class_count)
        if channels != len(self.card.channel_mean) or probe.probabilities.shape != expected:
            raise ModelError(
                f"A probe of windows {probe.windows.shape} and probabilities {probe.probabilities.shape} does not fit "
                f"a model of {len(self.card.channel_mean)} channels and {self.card.class_count} classes."
            )
        try:
            found = self.run(probe.windows, probe.center, probe.scale)
        except Exception as error:  # onnxruntime's errors share no base class of their own
            raise ModelError(f"A graph cannot compute its probe: {error}.") from error
        if found.shape != expected:
            raise ModelError(f"A graph gives probabilities of shape {found.shape} for its probe, expected {expected}.")
        with np.errstate(invalid="ignore"):  # inf - inf is NaN, which is not within anything
            worst = float(np.abs(found - probe.probabilities).max())
        if not worst <= TOLERANCE:
            raise ModelError(
                f"A graph is off its probe by {worst:.3g}, at most {TOLERANCE:g} is accepted: train again."
            )


class ServedSeries(NamedTuple):
    """A time series that is served: what segments it, and the configuration under which it answers."""

    segmenter: Segmenter
    config: LabelConfig


class ProjectModel:
    """All segmenters of a version; the first is that of most projects, which have one series."""

    def __init__(self, segmenters: Sequence[Segmenter]) -> None:
        self.segmenters = tuple(segmenters)

    @classmethod
    def load(cls, data: bytes, *, threads: int = 1, passed: bool = False) -> Self:
        """Check and load a model file, and by the same checks those it carries. Raises ModelError.

        passed: see Segmenter.load; of the whole file.
        """
        first = Segmenter.load(data, threads=threads, passed=passed)  # before anything else of the file is used
        others = [Segmenter.load(each, threads=threads, passed=passed) for each in split_models(data)[1:]]
        return cls([first, *others])

    @property
    def label_config(self) -> LabelConfig:
        """The configuration that the version was trained with, as far as its series were learned."""
        first, *others = (each.card.label_config for each in self.segmenters)
        return replace(first, others=tuple(others)) if others else first

    def series(self, config: LabelConfig) -> list[ServedSeries]:
        """What answers under a configuration, in its order; series that were not learned are left out.

        A model of one series answers for the first one where none has the name of its own: tags may be renamed.
        """
        known = {each.card.label_config.to_name: each for each in reversed(self.segmenters)}
        found = [ServedSeries(known[each.to_name], each) for each in config.series if each.to_name in known]
        if len(self.segmenters) == 1 and (not found or not config.others):
            return [ServedSeries(self.segmenters[0], config)]
        return found


def _check_count(segments: int) -> None:
    if segments > MOST_SEGMENTS:
        raise SeriesError(
            f"The recording gives more than {MOST_SEGMENTS} segments, more than anybody can review: it is not like "
            "those the model was trained on, or has to be cut."
        )


def _fits(dimension: int | str | None, expected: int) -> bool:
    """Whether a declared dimension is the expected one, or left open."""
    return dimension == expected or not isinstance(dimension, int)


def make_decoder(head: Head, given: GivenSegments | None = None) -> RangeDecoder | InstantDecoder:
    """The decoder of a head."""
    if isinstance(head, RangeHead):
        return RangeDecoder(head)
    return InstantDecoder(head, given=given.events(head) if given else None)
