"""Indicators of any columns of any table, for people: computed by one query, whatever is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from duckdb import DuckDBPyConnection, DuckDBPyRelation

from stockstream.analytics.session import AsOf, connect, known_symbols
from stockstream.sql.catalogue import catalogue
from stockstream.sql.compiler import parse, plan
from stockstream.sql.session import quoted

if TYPE_CHECKING:
    import polars as pl

VIEWS = ("bars", "bars_adjusted", "bars_split_adjusted", "bars_as_traded")
"""These are one row a symbol and day: `bars__unique` is checked before anything is published."""
FEW = 50
"""Up to so many symbols each is read by itself; the whole table is streamed through for more."""


def indicators(
    requests: Sequence[str],
    lake: str | None = None,
    *,
    src: str = "bars_adjusted",
    symbols: Sequence[str] | None = None,
    start: date | str | None = None,
    end: date | str | None = None,
    as_of: AsOf | None = None,
    sql_path: Sequence[str | Path] = (),
) -> pl.DataFrame:
    """Compute indicators: `indicators(["rsi_14", "macd", "ema(12, volume)"], symbols=["BHP"])`.

    Gives symbol, date, close and a column for each request (`stockstream indicators list`), by symbol
    and date. All bars of a symbol are computed from; `start` and `end` (YYYY-MM-DD) only pick what is given. `src` is
    any view or table of the lake with symbol, date, close and what the indicators need. `sql_path`: folders of
    indicators of your own.

    Raises:
        UsageError: there is no such indicator or table, or it lacks a column, or has a day of a symbol twice.
        LakeError: the lake cannot be read.
    """
    with connect(lake, as_of=as_of) as con:
        return relation(con, requests, src=src, symbols=symbols, start=start, end=end, sql_path=sql_path).pl()


def relation(
    con: DuckDBPyConnection,
    requests: Sequence[str],
    *,
    src: str = "bars_adjusted",
    symbols: Sequence[str] | None = None,
    start: date | str | None = None,
    end: date | str | None = None,
    sql_path: Sequence[str | Path] = (),
) -> DuckDBPyRelation:
    """Give the same as a DuckDB relation, on a connection of your own; `src` may be a table of it."""
    own = catalogue(*map(Path, sql_path))
    if sql_path:
        own.install(con)
    text = plan(
        con,
        parse(requests, own),
        src,
        symbols=symbols,
        keep=["close"],
        stream=symbols is None or len(symbols) > FEW,
        is_unique=src in VIEWS,
    )
    known_symbols(con, symbols or (), "bars" if src in VIEWS else src)
    days = [f"date {sign} DATE {quoted(str(day))}" for sign, day in ((">=", start), ("<=", end)) if day is not None]
    return con.sql(f"SELECT * FROM ({text}) WHERE {' AND '.join(days) or 'true'} ORDER BY symbol, date")
