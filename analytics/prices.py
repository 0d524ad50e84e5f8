"""Bars as frames: of a timeframe and an adjustment, by the names that Python and the HTTP interface share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from duckdb import DuckDBPyConnection, DuckDBPyRelation

from stockstream.analytics.arguments import lake_of, range_of, symbols_of, text_of
from stockstream.analytics.frames import PRICES, table_of
from stockstream.analytics.session import AsOf, known_symbols, open_lake
from stockstream.sql.errors import ArgumentError, did_you_mean
from stockstream.sql.session import explained, quoted

if TYPE_CHECKING:
    import polars as pl

    from stockstream.analytics.frames import Frame

Timeframe = Literal["1d", "3d", "5d", "8d", "13d", "21d", "34d", "weekly", "monthly"]
"""The timeframes that a lake stores unless its settings name others."""
Adjustment = Literal["raw", "split", "all"]
TABLES: dict[Adjustment, str] = {"raw": "bars_as_traded", "split": "bars_split_adjusted", "all": "bars_adjusted"}
"""The view of daily bars per adjustment."""
ADJUSTMENTS: dict[Adjustment, str] = {"split": "in today's shares", "all": "total returns", "raw": "as traded"}
"""The adjustments in words."""
DAILY = "symbol, date, open, high, low, close, volume"
LONGER = "symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open"
MIXED = (
    "adjustment=raw is for timeframe=1d: the days of a longer bar can be before and after a split, so that its prices "
    "as traded would not be those of one share"
)


def bars(
    symbols: Sequence[str] | str | None = None,
    start: date | str | None = None,
    end: date | str | None = None,
    timeframe: Timeframe | str | int = "1d",
    adjustment: Adjustment = "split",
    *,
    lake: str | Path | None = None,
    as_of: AsOf | None = None,
) -> pl.DataFrame:
    """Return bars, sorted by symbol and date, as in `bars("BHP,CBA", "2026-01-01", timeframe="weekly")`.

    Args:
        symbols: the symbols; None: all.
        start: the first day, inclusive.
        end: the last day, inclusive. A longer bar counts by `date`, its last day with a bar.
        timeframe: `1d`, `weekly`, `monthly`, or a number of sessions: `5` or `5d`.
        adjustment: `raw`: prices as traded, daily bars only; `split`: in today's shares, as charts show them; `all`:
            dividends are in the prices, too, so that returns are total returns.
        lake: a folder or s3://bucket/prefix (default `STOCKSTREAM_LAKE`).
        as_of: an earlier generation: its number or a time.

    Returns:
        symbol, date, open, high, low, close (money per share) and volume (shares); of longer bars also first_date,
        ends_on, bars (their number) and is_open (whether the bar still changes).

    Raises:
        UsageError: there is no such lake, symbol, timeframe or adjustment.
        LakeError: the lake cannot be read.
    """
    first, last = range_of(start, end)
    names = None if symbols is None else symbols_of(symbols)
    uri, view, interval = lake_of(lake), view_of(adjustment), interval_of(timeframe)
    if interval != "1d" and adjustment == "raw":
        raise ArgumentError(MIXED)
    with explained(uri), open_lake(uri, as_of=as_of) as con:
        rows = con.sql(f"SELECT {DAILY} FROM {view}") if interval == "1d" else _resampled(con, view, interval)
        if names is not None:
            rows = (
                rows.filter(f"symbol IN ({', '.join(map(quoted, known_symbols(con, names)))})")
                if names
                else rows.limit(0)
            )
        for sign, day in ((">=", first), ("<=", last)):
            rows = rows if day is None else rows.filter(f"date {sign} DATE '{day}'")
        return rows.order("symbol, date").pl()


def resample(
    frame: Frame, timeframe: Timeframe | str | int, *, lake: str | Path | None = None, as_of: AsOf | None = None
) -> pl.DataFrame:
    """Return the longer bars of a frame of daily bars, as in `resample(frame, "weekly")`; sorted by symbol and date.

    The sessions are those of the lake's calendar, so that a frame of other bars has the same weeks and the same groups
    of `n` sessions as the lake. The columns are those of `bars`, which resamples the bars of the lake itself.

    Raises:
        UsageError: there is no such lake or timeframe, or the frame is refused (see `frames.table_of`).
        LakeError: the lake cannot be read.
    """
    table, interval, uri = table_of("frame", frame, PRICES), interval_of(timeframe), lake_of(lake)
    if interval == "1d":
        raise ArgumentError("timeframe: 1d: the bars are daily: write a number of sessions, weekly or monthly")
    with explained(uri), open_lake(uri, as_of=as_of) as con:
        con.register("daily_bars", table)
        return _resampled(con, "daily_bars", interval).order("symbol, date").pl()


def wide(frame: pl.DataFrame, column: str = "close") -> pl.DataFrame:
    """Return a column of a long frame with one row per date and one column per symbol, sorted.

    `frame` is one of `bars`, `indicators` or `resample`: `wide(bars(["BHP", "CBA"]))` are closes. A symbol without a
    row on a day has NULL there.

    Raises:
        ArgumentError: the frame lacks a column, or has two rows for a symbol and day.
    """
    import polars as pl

    if not isinstance(frame, pl.DataFrame):
        raise ArgumentError(f"frame: a {type(frame).__name__} is no polars frame: write one of bars or indicators")
    for name in ("symbol", "date", text_of("column", column)):
        if name not in frame.columns:
            raise ArgumentError(f"frame: it has no column {name}{did_you_mean(name, frame.columns)}")
    if twice := frame.filter(frame.select("symbol", "date").is_duplicated()).rows(named=True):
        raise ArgumentError(f"frame: it has two rows of {twice[0]['symbol']} on {twice[0]['date']}")
    symbols = frame["symbol"].unique().sort().to_list()
    return frame.pivot(on="symbol", on_columns=symbols, index="date", values=column).sort("date")


def view_of(adjustment: str) -> str:
    """Return the view of daily bars of an adjustment.

    Raises:
        ArgumentError: there is no such adjustment.
    """
    for name, view in TABLES.items():
        if adjustment == name:
            return view
    raise ArgumentError(f"adjustment: {adjustment!r} is none: write {', '.join(get_args(Adjustment))}")


def interval_of(timeframe: object) -> str:
    """Return a timeframe as the macro `resample` takes it, and `1d` for one session.

    Raises:
        ArgumentError: it is none.
    """
    words = {"1d": "1d", "daily": "1d", "week": "weekly", "weekly": "weekly", "month": "monthly", "monthly": "monthly"}
    text = str(timeframe).lower() if isinstance(timeframe, str | int) and not isinstance(timeframe, bool) else ""
    if text in words:
        return words[text]
    number = text.removesuffix("d")
    if number.isascii() and number.isdigit() and 0 < int(number) < 1_000_000:
        return f"{int(number)}d"
    raise ArgumentError(
        f"timeframe: {timeframe!r} is none: write 1d, a number of sessions (5 or 5d), weekly or monthly"
    )


def _resampled(con: DuckDBPyConnection, table: str, interval: str) -> DuckDBPyRelation:
    return con.sql(f"SELECT {LONGER} FROM resample({quoted(table)}, {quoted(interval)})")
