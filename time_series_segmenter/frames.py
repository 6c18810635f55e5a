"""Rows of callers, in pandas or numpy ► the channels that a model takes, and times."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from msgspec.structs import replace
from numpy.typing import ArrayLike, NDArray

from shared.digits import read_digits
from shared.doubts import Doubt
from shared.errors import SeriesError
from shared.labelling.label_config import LabelConfig
from shared.labelling.segments import Segment
from shared.labelling.time_axis import TimeAxis
from shared.quoting import quoted
from shared.recordings.cells import format_number, read_times
from shared.recordings.series import Series, read_series

Frame = pd.DataFrame | NDArray[Any]
Times = pd.Series | pd.Index | ArrayLike


class Rows(NamedTuple):
    """A recording or a part of one, and its times as the caller has them: [rows]."""

    series: Series
    times: "pd.Series[Any]"


def read_rows(frame: Frame, times: Times | None, config: LabelConfig) -> Rows:
    """The rows of a frame, or of an array [rows, channels in the configuration's order].

    A frame's columns are found by name, in any case, as those of a CSV. times: [rows]; without them the frame's time
    column, or numbers of rows where the model was trained without times. Raises SeriesError, a sentence, for channels
    or times that are missing or cannot be read.
    """
    if isinstance(frame, pd.DataFrame):
        values, doubts = _values(frame, config)
        if times is None and config.time_column:
            times = _time_column(frame, config)
    else:
        values, doubts = _array(frame, config), ()
    if not len(values):
        raise SeriesError("The recording has no rows.")
    if times is None:
        if config.time_column:
            raise SeriesError(
                f"The model was trained on recordings with times, in column {quoted(config.time_column)}: pass times=, "
                "as many as there are rows."
            )
        return Rows(Series(values, TimeAxis.of_rows(len(values)), doubts), pd.Series(np.arange(len(values))))
    try:
        shown = pd.Series(times).reset_index(drop=True)
    except (TypeError, ValueError) as error:
        raise SeriesError(f"The times cannot be read ({error}); expected one for each row.") from None
    if len(shown) != len(values):
        raise SeriesError(f"There are {len(values)} rows, but {len(shown)} times; each row needs one.")
    axis = _axis(shown, config) if config.time_column else TimeAxis.of_rows(len(values))
    return Rows(Series(values, axis, doubts), shown)


def _array(values: NDArray[Any], config: LabelConfig) -> NDArray[np.float64]:
    try:
        found = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise SeriesError(f"The array holds something else than numbers ({error}).") from None
    if found.ndim != 2 or found.shape[1] != len(config.channels):
        raise SeriesError(
            f"The array has shape {found.shape}, expected [rows, {len(config.channels)}] with the channels "
            f"{', '.join(map(quoted, config.channels))}, in this order."
        )
    return found


def _values(frame: pd.DataFrame, config: LabelConfig) -> tuple[NDArray[np.float64], tuple[Doubt, ...]]:
    columns = [_find(frame, channel, index_first=True) for channel in config.channels]
    lacking = [channel for channel, place in zip(config.channels, columns, strict=True) if place is None]
    if lacking:
        raise SeriesError(
            f"The frame has no column for the channel{'s' * (len(lacking) > 1)} {', '.join(map(quoted, lacking))}; it "
            f"has {', '.join(quoted(str(name)) for name in frame.columns[:20]) or 'none'}. The model was trained on "
            f"{', '.join(map(quoted, config.channels))}."
        )
    cells = [frame.iloc[:, place] for place in columns if place is not None]
    if all(pd.api.types.is_numeric_dtype(each) and not pd.api.types.is_bool_dtype(each) for each in cells):
        numbers = [each.to_numpy(np.float64, na_value=np.nan) for each in cells]
        return np.stack(numbers, axis=1) if len(frame) else np.zeros((0, len(cells))), ()
    # texts, booleans, missing values of several kinds: what a recording in JSON may hold
    lists = [each.astype(object).where(each.notna(), None).tolist() for each in cells]
    if not len(frame):
        return np.zeros((0, len(cells))), ()
    untimed = replace(config, time_column="", time_format="")
    series = read_series(dict(zip(config.channels, lists, strict=True)), untimed)
    return series.values, series.doubts


def _time_column(frame: pd.DataFrame, config: LabelConfig) -> "pd.Series[Any] | None":
    place = _find(frame, config.time_column, index_first=False)
    return None if place is None else frame.iloc[:, place]


def _find(frame: pd.DataFrame, wanted: str, *, index_first: bool) -> int | None:
    """The column of a name or index; of a channel digits are an index first, as on Label Studio's page."""
    index = read_digits(wanted)
    if index is not None and index >= frame.shape[1]:
        index = None
    if index_first and index is not None:
        return index
    places = [place for place, name in enumerate(frame.columns) if str(name).strip().lower() == wanted.strip()]
    if len(places) > 1:
        raise SeriesError(f"Column {quoted(wanted)} stands {len(places)} times in the frame; names must differ.")
    return places[0] if places else index


def _axis(times: "pd.Series[Any]", config: LabelConfig) -> TimeAxis:
    if pd.api.types.is_datetime64_any_dtype(times):
        if not config.time_format:
            raise SeriesError(
                f"The times are dates, but the model was trained on numbers in column {quoted(config.time_column)}: "
                "pass these numbers, in the same unit."
            )
        moments = times.dt.tz_convert("UTC").dt.tz_localize(None) if times.dt.tz is not None else times
        milliseconds = moments.to_numpy("datetime64[us]").astype(np.int64) / 1000
        return TimeAxis(np.where(times.isna(), np.nan, milliseconds), config.time_format)
    if config.time_format:
        texts = [each if isinstance(each, str) else format_number(each) for each in times.tolist()]
        return TimeAxis(read_times(texts, config.time_format), config.time_format)
    if pd.api.types.is_timedelta64_dtype(times):
        raise SeriesError(
            f"The times are durations, but the model was trained on numbers in column {quoted(config.time_column)}: "
            "pass these numbers, in the same unit, such as times.total_seconds()."
        )
    try:
        return TimeAxis(times.to_numpy(np.float64, na_value=np.nan))
    except (TypeError, ValueError) as error:
        raise SeriesError(f"The times are no numbers ({error}), as the model was trained on.") from None


def to_table(segments: Iterable[Segment], times: "pd.Series[Any]", first: int = 0) -> pd.DataFrame:
    """Segments by the times of their rows. first: row that the first time is of."""
    rows = list(segments)
    return pd.DataFrame(
        {
            "start": times.iloc[[each.first - first for each in rows]].to_numpy(),
            "end": times.iloc[[each.last - first for each in rows]].to_numpy(),
            "label": pd.Series([each.label for each in rows], dtype=object),
            "score": pd.Series([each.score for each in rows], dtype=float),
        }
    )
