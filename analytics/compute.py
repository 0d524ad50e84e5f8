"""Computes any set of indicators from any table, with one query."""

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
"""Views with one row per symbol and day, which the check `bars__unique` enforces before anything is published."""
FEW = 50
"""Up to this number of symbols, each is read separately; for more, the query streams through the whole table."""


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
    """Compute indicators, as in `indicators(["rsi_14", "macd", "ema(12, volume)"], symbols=["BHP"])`.

    Return one row per symbol and date, sorted by both: symbol, date, close and one column per request (see
    `stockstream indicators list`). The indicators are computed from all bars of a symbol; `start` and `end`
    (YYYY-MM-DD, inclusive) only filter the result. `src` is a view or table of the lake with symbol, date, close and
    the columns that the indicators read. `sql_path` names folders with further indicators.

    Raises:
        UsageError: there is no such indicator or table, the table lacks a column, or it has two rows for a symbol and
            day.
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
    """Return the result of `indicators` as a DuckDB relation on an existing connection.

    `src` may also be a table of that connection.

    Raises:
        UsageError: as in `indicators`.
        duckdb.Error: the lake cannot be read.
    """
    available = catalogue(*map(Path, sql_path))
    if sql_path:
        available.install(con)
    text = plan(
        con,
        parse(requests, available),
        src,
        symbols=symbols,
        keep=["close"],
        stream=symbols is None or len(symbols) > FEW,
        is_unique=src in VIEWS,
    )
    known_symbols(con, symbols or (), "bars" if src in VIEWS else src)
    days = [f"date {sign} DATE {quoted(str(day))}" for sign, day in ((">=", start), ("<=", end)) if day is not None]
    return con.sql(f"SELECT * FROM ({text}) WHERE {' AND '.join(days) or 'true'} ORDER BY symbol, date")
