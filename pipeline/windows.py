"""Compute which sessions to fetch per symbol.

The bars in the lake are the only record of what has been fetched, so that the two cannot disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from duckdb import DuckDBPyConnection

from stockstream.pipeline.lake import Lake, since
from stockstream.pipeline.markets import Market
from stockstream.pipeline.sources.base import Window
from stockstream.sql.loader import load
from stockstream.sql.session import pick_files, set_variable

RECENT = timedelta(days=45)
"""Age of the batch files that are searched first for a symbol's newest bar; most symbols need no older file."""

RESTATED_WITHIN = timedelta(days=90)
"""Time after an ex-date in which a vendor may still restate older prices."""


@dataclass(frozen=True)
class FetchRange:
    """The days to fetch: up to `end`, from `start` for symbols without bars."""

    start: date
    end: date
    backfill: bool = False
    """Fetch the whole range for every symbol, whatever the lake holds."""


def plan_windows(
    con: DuckDBPyConnection, lake: Lake, symbols: Sequence[str], days: FetchRange, market: Market, trailing: int
) -> list[Window]:
    """Return one window per symbol that has something to fetch; `con` is a session of the lake.

    The window of a symbol without bars is the whole range. For other symbols, the newest `trailing` sessions with bars
    are fetched again, so that late corrections arrive, and all later sessions. A symbol whose newest bar is that of the
    last session has no window, nor has any symbol if the range is empty. A backfill fetches the whole range for all.

    A symbol whose stored prices contradict a split of the last 90 days gets the whole range again: the vendor had
    listed the split before it restated older prices, and the trailing sessions would correct the newest of them only.
    """
    if days.start > days.end:
        return []
    whole_range = [Window(symbol, days.start, days.end) for symbol in symbols]
    if days.backfill:
        return whole_range
    newest = watermarks(con, lake, symbols, days.end)
    behind = [symbol for symbol, day in newest.items() if day < days.end]
    restart = unrestated(con, lake, behind, days.end)
    windows = []
    for window in whole_range:
        watermark = newest.get(window.symbol)
        if watermark is None or window.symbol in restart:
            windows.append(window)
        elif watermark < days.end:
            windows.append(Window(window.symbol, market.sessions_back(watermark, trailing - 1), days.end))
    return windows


def watermarks(con: DuckDBPyConnection, lake: Lake, symbols: Sequence[str], day: date) -> dict[str, date]:
    """Return the date of the newest bar up to a day, per symbol; symbols without bars are left out."""
    newest: dict[str, date] = {}
    for file_filter in (since(day - RECENT), None):
        remaining = [symbol for symbol in symbols if symbol not in newest]
        if remaining:
            pick_files(con, lake.uri, file_filter)
            set_variable(con, "batch_symbols", remaining)
            newest |= con.execute(load("steps/newest_bars").text, {"day": day}).fetchall()
    return newest


def unrestated(con: DuckDBPyConnection, lake: Lake, symbols: Sequence[str], day: date) -> set[str]:
    """Return the symbols with a recent split that the stored prices should include and do not."""
    if not symbols:
        return set()
    recent = day - RESTATED_WITHIN
    pick_files(con, lake.uri, since(recent))
    set_variable(con, "batch_symbols", list(symbols))
    split = [row[0] for row in con.execute(load("steps/recent_splits").text, {"since": recent}).fetchall()]
    if not split:
        return set()
    pick_files(con, lake.uri, None)
    set_variable(con, "batch_symbols", split)
    return {row[0] for row in con.execute(load("steps/unrestated").text).fetchall()}
