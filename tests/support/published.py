"""Versions in a store with a report, as a training leaves them."""

from collections.abc import Mapping
from typing import Any

import msgspec

from shared.model_file.card import ClassMetrics, Estimate, ModelMetrics
from shared.store.report import (
    AgreementMetrics,
    Bin,
    Comparison,
    HeldOut,
    LabelError,
    RegionUse,
    ReportFile,
    StoredSegment,
)
from shared.store.storage import Storage
from tests.support.store import publish_model

LABEL_ERRORS = tuple(
    LabelError(
        task="1", kind=kind, first=row, last=row + 9, start=row, end=row + 9, annotated=old, decoded=new, log_odds=5
    )
    for kind, row, old, new in (("wrong label", 60, "Run", "Walk"), ("missing", 100, "", "Run"))
)

PEOPLE: dict[str, Any] = {  # fields of a report
    "region_use": tuple(
        RegionUse(by=by, name=name, annotations=4, unchanged=14, moved=4, relabelled=1, deleted=1, added=3)
        for by, name in (
            ("all", ""),
            ("label", "Run"),
            ("person", "anna@example.com"),
            ("version", "20260101T000000Z-aaaaaa"),
            ("month", "2026-11"),
        )
    ),
    "agreements": tuple(
        AgreementMetrics(between=between, by=by, name=name, recordings=4, segments=20, f1=0.9, kappa=kappa)
        for between, by, name, kappa in (
            ("model", "all", "", 0.85),
            ("model", "origin", "drawn from nothing", 0.8),
            ("model", "origin", "drawn from a prelabel", 0.95),
            ("model", "label", "Run", None),
            ("annotators", "all", "", 0.9),
            ("annotators", "pair", "anna@example.com and bert@example.com", 0.9),
        )
    ),
}


def make_report(version: str, accuracy: float, recordings: int = 5) -> ReportFile:
    metrics = ModelMetrics(
        how="out-of-fold",
        recordings=recordings,
        classes=(ClassMetrics(label="Run", precision=0.9, recall=0.8, f1=0.85, support=100, true_segments=3),),
        confusion=((90, 5, 5), (3, 80, 2), (1, 1, 70)),
        estimates={"balanced_accuracy": Estimate(accuracy, 0.02), "segment_f1_50": Estimate(0.8)},
    )
    return ReportFile(
        version=version,
        created_at="2026-01-01T00:00:00+00:00",
        outcome="published",
        metrics=metrics,
        losses=(1.0, 0.5, 0.25),
        reliability=(Bin(0.5, 0.4, 10), Bin(0.9, 0.95, 30)),
        held_out=(
            HeldOut(
                task="1",
                rows=180,
                true=(StoredSegment(60, 79, "Run"),),
                predicted=(StoredSegment(61, 80, "Run", 0.9),),
            ),
        ),
    )


def publish_with_report(
    storage: Storage,
    version: str,
    accuracy: float = 0.9,
    project: int = 3,
    recordings: int = 5,
    compared: Mapping[str, tuple[float, float]] | None = None,
    label_errors: tuple[LabelError, ...] = (),
    **more: Any,
) -> str:
    """Publish a version with a report. compared: earlier versions ► difference and its standard error.

    more: fields of the report.
    """
    comparisons = tuple(
        Comparison(version=earlier, groups=10, differences={"balanced_accuracy": Estimate(*found)})
        for earlier, found in (compared or {}).items()
    )
    report = msgspec.structs.replace(
        make_report(version, accuracy, recordings), comparisons=comparisons, label_errors=label_errors, **more
    )
    reports = {
        "report.json": msgspec.json.encode(report),
        "report.html": b"<p>All.",
    }
    publish_model(storage, project, version, reports=reports)
    return version
