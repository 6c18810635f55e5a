"""The kept versions of a project as a table: number, metrics, what changed, why it serves or does not."""

from collections.abc import Mapping, Sequence

import msgspec

from inference.monitoring.project_status import ProjectStatus
from inference.monitoring.reports import Reports, ReportSummary
from inference.status.moments import created_at
from shared.model_file.card import Estimate
from shared.store.models import Version
from shared.store.report import Comparison

METRIC = "balanced_accuracy"
LEAST_GROUPS = 3  # with fewer there is no standard error, so no difference is beyond it
ERRORS = 2.0  # standard errors from which a difference is shown as one
LABEL_MATTERS = 0.03  # F1 of a label that is worth telling


class Delta(msgspec.Struct, frozen=True, kw_only=True):
    """Difference of the balanced accuracy to an earlier version, on the same recordings."""

    against: str  # v7
    value: float
    standard_error: float | None
    sign: str  # up, down, or same: within twice the paired standard error


class VersionRow(msgspec.Struct, rename={"status": "standing"}, frozen=True, kw_only=True):
    """A kept version."""

    name: str
    number: int  # v7
    created_at: float | None
    status: str  # serves, kept, rejected, rolled back
    reason: str
    recordings: int
    estimates: dict[str, Estimate]
    before: Delta | None  # against the version before
    best: Delta | None  # against the best of the others that were compared
    size: int  # bytes
    has_report: bool


def number_versions(versions: Sequence[Version], summaries: Mapping[str, ReportSummary]) -> dict[str, int]:
    """Numbers of kept versions by name: that of the report, else one more than the version before."""
    found: dict[str, int] = {}
    last = 0
    for each in reversed(versions):  # oldest first
        last = max(last + 1, summaries.get(each.name, ReportSummary()).number)
        found[each.name] = last
    return found


def version_rows(status: ProjectStatus, reports: Reports) -> list[VersionRow]:
    """Newest first."""
    numbers = number_versions(status.versions, status.summaries)
    rows = []
    for index, each in enumerate(status.versions):
        summary = status.summaries.get(each.name, ReportSummary())
        place = "serves" if each.current else "kept" if each.accepted else "rejected"
        if place == "kept" and status.version and each.name > status.version:
            place = "rolled back"
        reason = summary.reason
        if not each.accepted:
            reason = reports.rejection(status.project, each.name) or reason
        earlier = [other for other in status.versions[index + 1 :] if other.accepted]
        rows.append(
            VersionRow(
                name=each.name,
                number=numbers[each.name],
                created_at=created_at(summary, each.name),
                status=place,
                reason=with_numbers(reason, numbers),
                recordings=summary.recordings,
                estimates=summary.estimates,
                before=_delta(summary, earlier[0].name, numbers) if earlier else None,
                best=_delta(summary, best, numbers) if (best := _best(earlier, status.summaries)) else None,
                size=summary.size,
                has_report="report.html" in each.files,
            )
        )
    return rows


def with_numbers(reason: str, numbers: Mapping[str, int]) -> str:
    """A reason with v7 in place of 20261123T231501Z-9f3c2a."""
    for name, number in numbers.items():
        reason = reason.replace(name, f"v{number}")
    return reason


def label_changes(comparison: Comparison) -> list[tuple[str, float]]:
    """Labels whose F1 changed, largest change first; background is no label."""
    changed = [
        (label, value)
        for label, value in comparison.f1_by_label.items()
        if abs(value) >= LABEL_MATTERS and label != "background"
    ]
    return sorted(changed, key=lambda each: -abs(each[1]))


def difference(comparison: Comparison, against: str) -> Delta | None:
    """The difference of the balanced accuracy, None if it was not compared."""
    found = comparison.differences.get(METRIC)
    if found is None:
        return None
    error = found.standard_error
    clear = comparison.groups >= LEAST_GROUPS and error is not None and abs(found.value) > ERRORS * error
    sign = "same" if not clear or not found.value else "up" if found.value > 0 else "down"
    return Delta(against=against, value=found.value, standard_error=error, sign=sign)


def _delta(summary: ReportSummary, version: str, numbers: Mapping[str, int]) -> Delta | None:
    for each in summary.comparisons:
        if each.version == version:
            return difference(each, f"v{numbers[version]}")
    return None


def _best(versions: Sequence[Version], summaries: Mapping[str, ReportSummary]) -> str:
    """Of accepted versions, the one with the highest balanced accuracy as it was evaluated then; "" without any."""
    values = {
        each.name: summaries[each.name].estimates[METRIC].value
        for each in versions
        if each.name in summaries and METRIC in summaries[each.name].estimates
    }
    return max(values, key=lambda name: (values[name], name), default="")
