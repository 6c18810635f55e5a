"""Candidates of several time series ► one version: model file, weights, reports, verdict."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from shared.labelling.label_config import LabelConfig
from shared.model_file.card import SCHEMA, ModelCard
from shared.model_file.several import join_models
from shared.reporting import render_report
from shared.reporting.wording import CHOICE_ACCURACY, metric_of_set
from shared.retraining.accepted_labels import AcceptedLabel
from shared.store.report import RegionUse, ReportFile
from training.commands.series_run import TrainedSeries
from training.judging.gate import Verdict
from training.publishing.model_files import make_weights
from training.publishing.report import OF_SETS, make_report, text_report


class Kept(NamedTuple):
    """A series that was not learned again: what serves it stays."""

    graph: bytes
    report: ReportFile


class Candidate(NamedTuple):
    """A version that is not published yet. report: that of the first series, with those of the others in it."""

    card: ModelCard
    graph: bytes
    weights: bytes
    report: ReportFile
    verdict: Verdict


def assemble(
    trained: Sequence[TrainedSeries],
    kept: Sequence[Kept],
    *,
    number: int,
    accepted: Sequence[AcceptedLabel],
    region_use: tuple[RegionUse, ...],
) -> Candidate:
    """One version of all series. number: of the version."""
    several = len(trained) + len(kept) > 1
    first, *others = _of_one_version(trained) if several else [_marked(each) for each in trained]
    if several:
        estimates = {**first.card.metrics.estimates, **_by_label_set([first, *others])}
        metrics = replace(first.card.metrics, estimates=estimates)
        first = first._replace(card=replace(first.card, metrics=metrics))
    verdict = _verdict(trained)
    reports = [
        make_report(each.card, each.search, each.model, each.verdict, number, accepted if each is first else ())
        for each in (first, *others)
    ]
    report = replace(
        reports[0],
        outcome="published" if verdict.accepted else "rejected",
        reason=verdict.reason,
        region_use=region_use,
    )
    if several:
        parts = [replace(each, series=one.name) for each, one in zip(reports[1:], others, strict=True)]
        report = replace(report, series=first.name, others=(*parts, *(each.report for each in kept)))
    return Candidate(
        first.card,
        join_models([first.graph, *(each.graph for each in others), *(each.graph for each in kept)]),
        make_weights(first.model, first.card, [(each.model, each.card) for each in others]),
        report,
        verdict,
    )


def stored_reports(report: ReportFile, config: LabelConfig) -> Mapping[str, bytes]:
    """Files of a version beside its model."""
    return {"report.json": msgspec.json.encode(report), "report.html": render_report(report, config)}


def told(candidate: Candidate, trained: Sequence[TrainedSeries], *, outcome: str, reason: str, place: str) -> str:
    """What a terminal shows: each series, then how the run ended."""
    first, *others = trained
    parts = [
        f"Series {each.name!r}:\n"
        + text_report(
            each.card, each.search, each.model, candidate.report.of_series(each.name), outcome="", reason="", place=""
        )
        for each in others
    ]
    end = text_report(
        candidate.card, first.search, first.model, candidate.report, outcome=outcome, reason=reason, place=place
    )
    return "\n".join([*parts, f"Series {first.name!r}:\n{end}" if others else end])


def _of_one_version(trained: Sequence[TrainedSeries]) -> list[TrainedSeries]:
    card = trained[0].card
    return [
        each._replace(card=replace(each.card, schema=SCHEMA, version=card.version, created_at=card.created_at))
        for each in trained
    ]


def _marked(trained: TrainedSeries) -> TrainedSeries:
    """Of several label sets: refused by programs that know one only."""
    return trained._replace(card=replace(trained.card, schema=SCHEMA)) if trained.data.config.sets else trained


def _by_label_set(trained: Sequence[TrainedSeries]) -> dict[str, object]:
    """Metrics by label set of all series, a series' own where it has one set only; and those of choices."""
    found: dict[str, object] = {}
    for each in trained:
        config, estimates = each.data.config, each.card.metrics.estimates
        for metric in OF_SETS:
            for control in config.label_sets:
                own = estimates.get(metric_of_set(metric, control) if config.sets else metric)
                if own is not None:
                    found[metric_of_set(metric, control)] = own
        found |= {name: own for name, own in estimates.items() if name.startswith(CHOICE_ACCURACY)}
    return found


def _verdict(trained: Sequence[TrainedSeries]) -> Verdict:
    """Accepted if every series is: none may get clearly worse."""
    if len(trained) == 1:
        return trained[0].verdict
    rejected = next((each for each in trained if not each.verdict.accepted), None)
    comparisons = trained[0].verdict.comparisons
    if rejected is not None:
        return Verdict(False, f"of the series {rejected.name!r}, {rejected.verdict.reason}", comparisons)
    reasons = [f"{each.name}: {each.verdict.reason}" for each in trained if each.verdict.reason]
    return Verdict(True, " ".join(reasons), comparisons)
