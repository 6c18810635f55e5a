"""When versions were made."""

from datetime import datetime

from inference.monitoring.reports import ReportSummary


def created_at(summary: ReportSummary, version: str) -> float | None:
    """When a version was made: from its report, else from its name, 20261123T231501Z-9f3c2a."""
    return _seconds(summary.created_at) or (_seconds(version.partition("Z-")[0] + "+00:00") if version else None)


def _seconds(moment: str) -> float | None:
    try:
        return datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return None
