"""report.html: report.json for people, in one file: inline styles and SVG, no script, nothing from another host.

Well-formed as XML too. Everything that was read is escaped; colours of the configuration count only if plain.
"""

import re
from collections.abc import Iterable, Sequence
from html import escape

from shared.labelling.colors import colors
from shared.labelling.label_config import LabelConfig
from shared.store.report import Bin, HeldOut, ReportFile, StoredSegment

MOST_STRIPS = 100  # recordings that are drawn; report.json holds all
WIDTH = 1000  # of a strip
TITLES = {
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro F1",
    "min_class_f1": "F1 of the worst class",
    "accuracy": "Accuracy of rows",
    "segment_f1_10": "Segment F1@10",
    "segment_f1_25": "Segment F1@25",
    "segment_f1_50": "Segment F1@50",
    "edit": "Edit score",
    "boundary_error_rows": "Boundary error [rows]",
    "event_f1": "Event F1",
    "event_time_error": "Event time error [time column]",
    "event_time_error_rows": "Event time error [rows]",
    "ece": "Calibration error",
    "ece_of_perfect_scores": "Calibration error that perfect scores could show",
}
HOW = {
    "out-of-fold": "Every recording was predicted by a model that had not seen it.",
    "by-recording": "Every recording was predicted by a model that had not seen it; groups were not kept apart.",
    "optimistic": "Evaluated on held-out parts of the only recording, which is optimistic.",
    "not judged": "Not evaluated: nothing could be held out.",
}
STYLE = """
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:1.5rem auto;padding:0 1rem}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse}td,th{padding:.2rem .6rem;text-align:right;border-bottom:1px solid #8885}
th[scope=row],thead th:first-child{text-align:left}.wide{overflow-x:auto}
figure{margin:.8rem 0}figcaption{font-size:.9rem}svg{display:block;width:100%;overflow:visible}
.strip{height:52px}.chart{max-width:26rem}.key svg{display:inline-block;width:.8em;height:.8em}
.key span{margin-right:1em}
.axis{stroke:currentColor;fill:none;opacity:.5}.curve{stroke:#0072b2;stroke-width:2;fill:none}.bin{fill:#d55e00}
.base{fill:#8882}.charts{display:flex;flex-wrap:wrap;gap:2rem}.charts figure{flex:1 1 18rem}
""" + "".join(f".heat{step}{{background:rgba(0,114,178,{step * 0.07:.2f})}}" for step in range(10))
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def render_report(report: ReportFile, config: LabelConfig) -> bytes:
    """The page of a report. config: names the colours of the labels."""
    palette = colors(config.labels, config.colors)
    verdict = "Accepted" if report.outcome == "published" else "Rejected"
    reason = f": {report.reason}" if report.reason else ""
    how = HOW[report.metrics.how]
    title = f"Project {report.project}, version {report.version}"
    parts = [
        f"<h1>{_text(title)}</h1><p>Made {_text(report.created_at)}.</p>",
        f"<p><strong>{verdict}</strong>{_text(reason)}. {report.metrics.recordings} recordings. {how}</p>",
        _summary(report),
        _classes(report),
        _confusion(report),
        _charts(report),
        _strips(report.held_out, palette),
        _fitting(report),
        _notes(report.metrics.notes),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f"<title>{_text(title)}</title><style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    ).encode()


def _text(text: str) -> str:
    return escape(_FORBIDDEN.sub("\ufffd", text))


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already; the first one of a line names it."""
    columns = "".join(f'<th scope="col">{each}</th>' for each in head)
    rows = "".join(
        f'<tr><th scope="row">{line[0]}</th>' + "".join(f"<td>{cell}</td>" for cell in line[1:]) + "</tr>"
        for line in lines
    )
    return f'<div class="wide"><table><thead><tr>{columns}</tr></thead><tbody>{rows}</tbody></table></div>'


def _summary(report: ReportFile) -> str:
    estimates = report.metrics.estimates
    if not estimates:
        return ""
    lines = []
    for name in (*(known for known in TITLES if known in estimates), *sorted(set(estimates) - set(TITLES))):
        found = estimates[name]
        error = f"± {found.standard_error:.3f}" if found.standard_error is not None else "–"
        lines.append((_text(TITLES.get(name, name)), f"{found.value:.3f}", error))
    return "<h2>Metrics</h2>" + _table(("Metric", "Value", "Standard error by recording"), lines)


def _classes(report: ReportFile) -> str:
    if not report.metrics.classes:
        return ""
    lines = [
        (
            _text(each.label) + ("" if each.evaluated else " (in one group only: not evaluated)"),
            f"{each.precision:.3f}",
            f"{each.recall:.3f}",
            f"{each.f1:.3f}",
            str(each.support),
            f"{each.predicted_segments} / {each.true_segments}" if each.true_segments else "",
        )
        for each in report.metrics.classes
    ]
    head = ("Class", "Precision", "Recall", "F1", "Support", "Segments found / true")
    return "<h2>Classes</h2>" + _table(head, lines)


def _confusion(report: ReportFile) -> str:
    """Cells of a line are shaded by their share of it."""
    confusion = report.metrics.confusion
    if not confusion:
        return ""
    names = [each.label for each in report.metrics.classes]
    if len(names) < len(confusion):
        names = ["background", *names]
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in names)
    rows = ""
    for name, line in zip(names, confusion, strict=True):
        total = sum(line) or 1
        cells = "".join(f'<td class="heat{9 * cell // total}">{cell}</td>' for cell in line)
        rows += f'<tr><th scope="row">{_text(name)}</th>{cells}</tr>'
    return (
        '<h2>Confusion</h2><div class="wide"><table class="confusion"><thead><tr><th scope="col">true ↓ found →</th>'
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _charts(report: ReportFile) -> str:
    drawn = [_reliability(report.reliability) if report.reliability else "", _losses(report.losses)]
    return f'<h2>Curves</h2><div class="charts">{"".join(drawn)}</div>' if any(drawn) else ""


def _reliability(bins: Sequence[Bin]) -> str:
    dots = "".join(
        f'<circle class="bin" cx="{300 * each.score:.1f}" cy="{200 - 200 * each.right:.1f}" r="5">'
        f"<title>score {each.score:.2f}: {each.right:.2f} right of {each.count}</title></circle>"
        for each in bins
        if each.count
    )
    return (
        '<figure class="chart"><figcaption>Reliability: share of right ones (up) by score (right), both 0 to 1; '
        'on the diagonal scores mean what they say</figcaption><svg viewBox="-8 -8 316 216" role="img" '
        'aria-label="Reliability diagram"><path class="axis" d="M0 0V200H300M0 200L300 0"/>'
        f"{dots}</svg></figure>"
    )


def _losses(losses: Sequence[float]) -> str:
    if len(losses) < 2:
        return ""
    most = max(losses) or 1.0
    points = " ".join(
        f"{300 * index / (len(losses) - 1):.1f},{200 - 200 * max(loss, 0.0) / most:.1f}"
        for index, loss in enumerate(losses)
    )
    return (
        f'<figure class="chart"><figcaption>Training loss, 0 to {most:.3g} (up), over the steps of the final fit'
        '</figcaption><svg viewBox="-8 -8 316 216" role="img" aria-label="Training loss">'
        f'<path class="axis" d="M0 0V200H300"/><polyline class="curve" points="{points}"/></svg></figure>'
    )


def _strips(held_out: Sequence[HeldOut], palette: dict[str, str]) -> str:
    """Annotation above, prediction below; ranges as bars, instants as ticks over the whole height."""
    if not held_out:
        return ""
    key = "".join(
        f'<span><svg viewBox="0 0 10 10"><rect width="10" height="10" fill="{color}"/></svg> {_text(label)}</span>'
        for label, color in palette.items()
    )
    parts = [f'<h2>Recordings: what people marked (above), what was found (below)</h2><p class="key">{key}</p>']
    for each in held_out[:MOST_STRIPS]:
        parts.append(
            f"<figure><figcaption>{_text(each.name)}: {each.rows} rows, {len(each.true)} marked, "
            f'{len(each.predicted)} found</figcaption><svg class="strip" viewBox="0 0 {WIDTH} 52" '
            f'preserveAspectRatio="none" role="img" aria-label="Annotation and prediction of {_text(each.name)}">'
            f"{_strip(each.true, each.rows, 0, palette)}{_strip(each.predicted, each.rows, 28, palette)}</svg></figure>"
        )
    if len(held_out) > MOST_STRIPS:
        parts.append(f"<p>{len(held_out) - MOST_STRIPS} more recordings stand in report.json.</p>")
    return "".join(parts)


def _strip(segments: Sequence[StoredSegment], rows: int, top: int, palette: dict[str, str]) -> str:
    """One path a label and kind; what falls on the same half unit is drawn once, which bounds the path."""
    drawn: dict[tuple[bool, str], dict[tuple[float, float], None]] = {}
    for each in segments:
        left = _half(WIDTH * each.first / max(rows, 1))
        width = 2.0 if each.instant else max(1.0, _half(WIDTH * (each.last + 1) / max(rows, 1)) - left)
        drawn.setdefault((each.instant, each.label), {})[left, width] = None
    paths = [f'<rect class="base" y="{top}" width="{WIDTH}" height="24"/>']
    for (instant, label), boxes in sorted(drawn.items()):
        y, height = (top, 24) if instant else (top + 4, 16)
        path = "".join(f"M{left:g} {y}h{width:g}v{height}h{-width:g}z" for left, width in boxes)
        kind = "tick" if instant else "bar"
        color = palette.get(label, "#7f7f7f")
        paths.append(f'<path class="{kind}" fill="{color}" d="{path}"><title>{_text(label)}</title></path>')
    return "".join(paths)


def _half(value: float) -> float:
    return round(2 * value) / 2


def _fitting(report: ReportFile) -> str:
    lines = [
        (str(each.steps), f"{each.balanced_accuracy:.3f}", f"{each.min_class_f1:.3f}") for each in report.schedules
    ]
    table = _table(("Steps", "Balanced accuracy", "F1 of the worst class"), lines) if lines else ""
    return (
        f"<h2>Fitting</h2><p>{report.steps} steps, {report.epochs:.1f} epochs; stopped because "
        f"{_text(report.stopped_because)}.</p>{table}"
    )


def _notes(notes: Sequence[str]) -> str:
    """What was noted and which tasks were skipped, each with its reason."""
    if not notes:
        return ""
    return f"<h2>Notes and skipped tasks</h2><ul>{''.join(f'<li>{_text(each)}</li>' for each in notes)}</ul>"
