import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.errors import StoreError
from shared.store.learning_curve import Point, read_curve
from shared.store.opening import open_storage
from tests.support.synthetic import FAST, draw_instants, draw_ranges
from training.__main__ import main
from training.commands.curve import counts, draw_order, say
from training.data.annotations import Recording


@pytest.fixture
def curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Measure the curve of an export; the exit code and what is written to stdout."""
    for name, value in {**FAST, "MODEL_DIR": str(tmp_path / "models"), "TRAIN_EPOCHS": "6"}.items():
        monkeypatch.setenv(name, value)

    def measure(export: tuple[Path, Path], *more: str) -> tuple[int, str]:
        code = main(["curve", "--tasks", str(export[0]), "--label-config", str(export[1]), *more])
        return code, capsys.readouterr().out

    return measure


@pytest.mark.parametrize("draw", [draw_ranges, draw_instants])
def test_the_curve_is_printed_and_kept_for_the_project(
    curve: Any, write_export: Any, tmp_path: Path, draw: Any
) -> None:
    code, text = curve(write_export(count=6, draw=draw), "--project", "7", "--json")
    found = json.loads(text)
    assert code == 0
    assert [each["groups"] for each in found["points"]] == [1, 2, 4]
    assert [each["recordings"] for each in found["points"]] == [1, 2, 4]
    assert all("macro_f1" in each["estimates"] for each in found["points"])
    kept = read_curve(open_storage(str(tmp_path / "models")), 7)
    assert kept is not None
    assert (kept.recordings, kept.verdict) == (6, found["verdict"])


def test_words_tell_whether_more_labels_are_worth_it(curve: Any, write_export: Any) -> None:
    code, text = curve(write_export(count=3))
    assert code == 0
    assert "macro F1" in text
    assert "worth it" in text.splitlines()[4]


def test_one_recording_has_no_curve(curve: Any, write_export: Any) -> None:
    assert curve(write_export(count=1))[0] == 2


def test_a_damaged_curve_is_named(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    assert read_curve(storage, 3) is None
    storage.put("runs/3/curve.json", b"{}")
    with pytest.raises(StoreError, match="--project 3"):
        read_curve(storage, 3)


def test_numbers_double_up_to_all() -> None:
    assert [counts(most) for most in (1, 2, 3, 8, 11)] == [[1], [1, 2], [1, 2, 3], [1, 2, 4, 8], [1, 2, 4, 8, 11]]


def test_draws_keep_groups_whole_and_depend_on_the_seed_alone(make_recordings: Callable[..., list[Recording]]) -> None:
    recordings = make_recordings(6, groups=["a", "b", "a", "c", "d", "e"])
    drawn, again, other = (
        [sorted(each.key for each in group) for group in draw_order(given, seed)]
        for given, seed in ((recordings, 0), (recordings[::-1], 0), (recordings, 1))
    )
    assert ["1", "3"] in drawn
    assert drawn == again != other


@pytest.mark.parametrize(
    ("gain", "error", "words"),
    [(0.1, 0.02, "more is worth it"), (0.0, 0.005, "hardly worth it"), (0.03, 0.05, "not clear yet")],
)
def test_a_gain_counts_only_beyond_its_error(gain: float, error: float, words: str) -> None:
    points = [Point(groups=each, recordings=each, steps=1, estimates={}) for each in (4, 8)]
    assert words in say(gain, error, *points)


def test_of_several_series_the_curve_says_whose_it_is(
    curve: Any, write_export: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks, config = write_export(count=3)
    xml = config.read_text()
    more = '<TimeSeries name="more" valueType="json" value="$more"><Channel column="x"/></TimeSeries>'
    labels = '<TimeSeriesLabels name="more labels" toName="more"><Label value="High"/></TimeSeriesLabels>'
    config.write_text(xml.replace("</View>", f"{labels}{more}</View>"))
    code, text = curve((tasks, config))
    assert code == 0
    (verdict,) = [line for line in text.splitlines() if "worth it" in line]
    assert verdict.startswith("Of the series 'ts': ")
    assert "this is 'ts'. --series names another one." in text
    assert curve((tasks, config), "--series", "more")[0] == 2, "nobody labelled it"
