"""Which sessions to ask for: derived from the bars that the lake holds, so that it can never disagree with them."""

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
"""Most symbols' newest bar is found in the files of so many days: the older ones are opened only for the others."""


@dataclass(frozen=True)
class History:
    """What is asked for: the daily run (start is for symbols without bars), or a given range for all (backfill)."""

    start: date
    end: date
    whole: bool = False
    """True: the whole range whatever the lake holds already."""


def plan(
    con: DuckDBPyConnection, lake: Lake, symbols: Sequence[str], asked: History, market: Market, trailing: int
) -> list[Window]:
    """Give the window of each symbol that has something to fetch. `con` is a session of the lake.

    A new symbol's window is all that is asked for; otherwise it opens `trailing` sessions back, so that late
    corrections arrive. A symbol whose bar of the last session is there has nothing to fetch.
    """
    if asked.start > asked.end:
        return []
    everything = [Window(symbol, asked.start, asked.end) for symbol in symbols]
    if asked.whole:
        return everything
    newest = watermarks(con, lake, symbols, asked.end)
    windows = []
    for window in everything:
        watermark = newest.get(window.symbol)
        if watermark is None:
            windows.append(window)
        elif watermark < asked.end:
            windows.append(Window(window.symbol, market.sessions_back(watermark, trailing - 1), asked.end))
    return windows


def watermarks(con: DuckDBPyConnection, lake: Lake, symbols: Sequence[str], day: date) -> dict[str, date]:
    """Give the date of each symbol's newest bar up to a day; symbols without bars are left out."""
    found: dict[str, date] = {}
    for file_filter in (since(day - RECENT), None):
        left = [symbol for symbol in symbols if symbol not in found]
        if left:
            pick_files(con, lake.uri, file_filter)
            set_variable(con, "batch_symbols", left)
            found |= con.execute(load("steps/newest_bars").text, {"day": day}).fetchall()
    return found
