import re
from typing import Any
from xml.etree import ElementTree

import msgspec

from shared.labelling.label_config import LabelConfig
from shared.model_file.card import ClassMetrics, Estimate, ModelMetrics
from shared.reporting.html_report import MOST_STRIPS, render_report
from shared.store.report import AgreementMetrics, Bin, HeldOut, RegionUse, ReportFile, Schedule, StoredSegment

HOSTILE = "\"'><script src='http://evil.example/x.js'>alert(1)</script>\x00\x1b"


def config(labels: tuple[str, ...], colors: tuple[str, ...] = ()) -> LabelConfig:
    return LabelConfig(
        from_name="label",
        to_name="ts",
        value_key="csv_url",
        value_type="url",
        labels=labels,
        colors=colors,
        channels=("a",),
    )


def report(label: str = "Run", name: str = "task 1", **changes: Any) -> ReportFile:
    classes = tuple(
        ClassMetrics(label=each, precision=0.9, recall=0.8, f1=0.85, support=100, true_segments=2)
        for each in ("background", label)
    )
    held_out = HeldOut(
        task="1",
        name=name,
        group=name,
        rows=100,
        true=(StoredSegment(10, 29, label, 1.0, False), StoredSegment(50, 50, label, 1.0, True)),
        predicted=(StoredSegment(12, 29, label, 0.9, False),),
    )
    made = ReportFile(
        version="20260101T000000Z-aaaaaa",
        created_at="2026-01-01T00:00:00+00:00",
        project=3,
        outcome="published",
        reason="",
        metrics=ModelMetrics(
            how="out-of-fold",
            recordings=3,
            classes=classes,
            confusion=((90, 10), (20, 80)),
            estimates={"macro_f1": Estimate(0.85, 0.02), "ece": Estimate(0.03)},
            notes=("Task 7 was skipped: its data hold nothing.",),
        ),
        steps=450,
        epochs=3.5,
        stopped_because="both thresholds hold",
        schedules=(Schedule(steps=450, balanced_accuracy=0.85, min_class_f1=0.8),),
        losses=(1.0, 0.5, 0.25),
        reliability=(Bin(0.6, 0.5, 10), Bin(0.9, 0.95, 10)),
        held_out=(held_out,),
    )
    return msgspec.structs.replace(made, **changes)


def parse(page: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(page)


def strips_of(page: bytes) -> list[ElementTree.Element]:
    return [each for each in parse(page).iter("svg") if each.get("class") == "strip"]


def assert_self_contained(page: bytes) -> None:
    for element in parse(page).iter():
        assert element.tag not in ("script", "link", "img", "iframe", "object", "embed", "base", "form", "a", "image")
        for name in element.attrib:
            assert name not in ("href", "src", "style") and not name.startswith("on")
    style = parse(page).findtext("head/style") or ""
    assert "url(" not in style and "@import" not in style


def test_all_parts_stand_in_the_page() -> None:
    page = render_report(report(), config(("Run",), ("#ff0000",)))
    text = page.decode()
    for words in ("Accepted", "0.850", "± 0.020", "Reliability", "Training loss", "Confusion", "Task 7 was skipped"):
        assert words in text
    assert len(re.findall("<title>score ", text)) == 2
    assert 'fill="#ff0000"' in text
    assert_self_contained(page)


def test_annotations_stand_above_prediction_with_instants_as_ticks() -> None:
    (strip,) = strips_of(render_report(report(), config(("Run",))))
    drawn = [(each.get("class"), each.get("d")) for each in strip.iter("path")]
    assert drawn == [
        ("bar", "M100 4h200v16h-200z"),
        ("tick", "M500 0h2v24h-2z"),
        ("bar", "M120 32h180v16h-180z"),
    ]


def test_a_hostile_label_name_and_colour_stay_text() -> None:
    hostile = report(label=HOSTILE, name=HOSTILE, reason=HOSTILE, version=HOSTILE, stopped_because=HOSTILE)
    hostile = msgspec.structs.replace(
        hostile,
        metrics=msgspec.structs.replace(hostile.metrics, notes=(HOSTILE,)),
        region_use=tuple(RegionUse(by=by, name=HOSTILE, unchanged=1, moved=1) for by in ("all", "label", "person")),
        agreements=tuple(
            AgreementMetrics(between="model", by=by, name=name, recordings=1, segments=1, f1=0.5)
            for by, name in (("all", ""), ("person", HOSTILE))
        ),
    )
    page = render_report(hostile, config((HOSTILE,), (HOSTILE,)))
    assert b"<script" not in page
    assert b"What people made of predictions" in page
    assert b"Model and annotators" in page
    assert_self_contained(page)
    fills = [each.get("fill") for each in parse(page).iter() if each.get("fill")]
    assert fills and all(re.fullmatch("#[0-9a-f]{6}", fill or "") for fill in fills)


def test_what_was_not_evaluated_makes_a_page_too() -> None:
    bare = report(
        metrics=ModelMetrics(how="not judged", recordings=1), losses=(), reliability=(), held_out=(), schedules=()
    )
    page = render_report(bare, config(("Run",)))
    assert "Not known yet how good it is: annotate two more recordings." in page.decode()
    assert_self_contained(page)


def test_many_recordings_and_segments_make_no_endless_page() -> None:
    beats = tuple(StoredSegment(row, row, "Run", 1.0, True) for row in range(0, 600_000, 20))
    crowded = msgspec.structs.replace(report().held_out[0], rows=600_000, true=beats, predicted=beats)
    many = render_report(report(held_out=(report().held_out[0],) * (MOST_STRIPS + 5)), config(("Run",)))
    assert len(strips_of(many)) == MOST_STRIPS
    assert b"5 more recordings" in many
    assert len(render_report(report(held_out=(crowded,)), config(("Run",)))) < 200_000
