import msgspec

from inference.monitoring.evaluation import summarise_report
from shared.model_file.card import ClassMetrics, ModelMetrics
from shared.store.report import HeldOut, ReportFile, StoredSegment
from tests.support.published import make_report


def confused(*rows: tuple[int, int, int]) -> ReportFile:
    classes = [
        ClassMetrics(label=name, precision=1, recall=1, f1=1, support=1) for name in ("background", "Run", "Walk")
    ]
    metrics = ModelMetrics(how="out-of-fold", recordings=3, classes=tuple(classes), confusion=rows)
    return msgspec.structs.replace(make_report("20260101T000000Z-aaaaaa", 0.8), metrics=metrics)


def test_found_segments_and_labels_mixed_up_are_one_sentence() -> None:
    both = summarise_report(confused((99, 1, 0), (0, 70, 30), (0, 20, 80)))
    assert both.sentence == "Finds 1 of 1 segments; Run and Walk are mixed up."
    one = summarise_report(confused((99, 1, 0), (0, 70, 30), (0, 2, 98)))
    assert one.sentence == "Finds 1 of 1 segments; Run is taken for Walk."
    missed = summarise_report(confused((99, 1, 0), (30, 70, 0), (0, 2, 98)))
    assert missed.sentence == "Finds 1 of 1 segments; Run is missed most often."
    fine = summarise_report(confused((99, 1, 0), (0, 98, 2), (0, 2, 98)))
    assert fine.sentence == "Finds 1 of 1 segments."


def test_a_task_that_disagrees_has_a_low_agreement() -> None:
    right = HeldOut(task="1", rows=50, true=(StoredSegment(0, 9, "a"),), predicted=(StoredSegment(0, 9, "a"),))
    wrong = HeldOut(task="2", rows=50, true=(StoredSegment(0, 9, "a"),), predicted=(StoredSegment(0, 9, "b"),))
    report = msgspec.structs.replace(make_report("20260101T000000Z-aaaaaa", 0.8), held_out=(right, wrong))
    assert summarise_report(report).agreement == {"1": 1.0, "2": 0.0}
