"""Computes any set of indicators from any table: of many symbols in arrays, of a few with one query."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from stockstream.analytics.arguments import lake_of, paths_of, range_of, symbols_of, text_of, texts_of
from stockstream.analytics.frames import PRICES
from stockstream.analytics.session import AsOf, known_symbols, open_lake
from stockstream.sql.catalogue import catalogue
from stockstream.sql.compiler import Plan, Selection, parse, plan

if TYPE_CHECKING:
    import polars as pl

VIEWS = ("bars", "bars_adjusted", "bars_split_adjusted", "bars_as_traded")
"""Views with one row per symbol and day, which the check `bars__unique` enforces before anything is published."""
CLOSE = ("close",)
"""The column of the bars that stands beside the indicators, unless all are requested."""
FEW = 50
"""Up to this number of symbols, SQL reads each separately; for more, arrays compute all symbols of the table."""


def indicators(
    requests: Sequence[str] | str,
    lake: str | Path | None = None,
    *,
    src: str = "bars_adjusted",
    symbols: Sequence[str] | str | None = None,
    start: date | str | None = None,
    end: date | str | None = None,
    as_of: AsOf | None = None,
    sql_path: Sequence[str | Path] | str | Path = (),
    with_bars: bool = False,
) -> pl.DataFrame:
    """Compute indicators, as in `indicators(["rsi_14", "macd", "ema(12, volume)"], symbols=["BHP"])`.

    Return one row per symbol and date, sorted by both: symbol, date, close and one column per request (see
    `stockstream indicators list`); `with_bars`: open, high, low, close and volume of `src` instead of close. The
    indicators are computed from all bars of a symbol; `start` and `end` (dates or YYYY-MM-DD, inclusive) only filter
    the result. `src` is a view or table of the lake with symbol, date, close and the columns that the indicators read.
    `sql_path` names folders with further indicators.

    Raises:
        UsageError: there is no such lake, indicator, table or symbol, the table lacks a column, or it has two rows for
            a symbol and day; or an argument is of the wrong kind.
        LakeError: the lake cannot be read.
    """
    with open_lake(lake_of(lake), as_of=as_of) as con:
        keep = PRICES if with_bars else CLOSE
        computed = _plan(con, requests, src, symbols, start, end, sql_path, keep)
        if computed.rows is None or computed.is_joined:
            return _relation(con, computed).pl()
        import polars as pl

        computed.rows.read()
        frame = pl.from_arrow(computed.rows.reader())
        assert isinstance(frame, pl.DataFrame)
        return frame if computed.rows.is_sorted else frame.sort("symbol", "date")


def relation(
    con: DuckDBPyConnection,
    requests: Sequence[str] | str,
    *,
    src: str = "bars_adjusted",
    symbols: Sequence[str] | str | None = None,
    start: date | str | None = None,
    end: date | str | None = None,
    sql_path: Sequence[str | Path] | str | Path = (),
    with_bars: bool = False,
) -> DuckDBPyRelation:
    """Return the result of `indicators` as a DuckDB relation on an existing connection.

    `src` may also be a table of that connection.

    Raises:
        UsageError: as in `indicators`.
        duckdb.Error: the lake cannot be read.
    """
    keep = PRICES if with_bars else CLOSE
    return _relation(con, _plan(con, requests, src, symbols, start, end, sql_path, keep))


def explanation(
    con: DuckDBPyConnection,
    requests: Sequence[str] | str,
    *,
    src: str = "bars_adjusted",
    symbols: Sequence[str] | str | None = None,
    sql_path: Sequence[str | Path] | str | Path = (),
) -> list[str]:
    """Return how `relation` computes the columns, one line per way, each with the columns and the reason.

    Raises:
        UsageError: as in `indicators`.
    """
    return list(_plan(con, requests, src, symbols, None, None, sql_path).explanation)


def _relation(con: DuckDBPyConnection, computed: Plan) -> DuckDBPyRelation:
    """Return the rows of a plan, sorted by symbol and date."""
    if computed.rows is None:
        return con.sql(f"SELECT * FROM ({computed.text()}) ORDER BY symbol, date")
    computed.rows.read()
    stockstream_computed_rows = computed.rows  # noqa: F841 DuckDB finds the variable by its name, and keeps it for the relation
    is_sorted = computed.rows.is_sorted and not computed.is_joined
    return con.sql(
        f"FROM ({computed.text('stockstream_computed_rows')}){'' if is_sorted else ' ORDER BY symbol, date'}"
    )


def _plan(
    con: DuckDBPyConnection,
    requests: Sequence[str] | str,
    src: str,
    symbols: Sequence[str] | str | None,
    start: date | str | None,
    end: date | str | None,
    sql_path: Sequence[str | Path] | str | Path,
    keep: Sequence[str] = CLOSE,
) -> Plan:
    """Return how the columns are computed, beside the columns `keep`; the arguments are those of `indicators`."""
    texts, src, (first, last) = texts_of("requests", requests), text_of("src", src), range_of(start, end)
    folders = paths_of("sql_path", sql_path)
    names = None if symbols is None else symbols_of(symbols)
    available = catalogue(*folders)
    if folders:
        available.install(con)
    parsed = parse(texts, available)
    if names is not None:
        with suppress(duckdb.CatalogException, duckdb.BinderException):  # `plan` reports that the table is missing
            names = known_symbols(con, names, "bars" if src in VIEWS else src)
    return plan(
        con,
        parsed,
        src,
        symbols=names,
        keep=keep,
        stream=names is None or len(names) > FEW,
        is_unique=src in VIEWS,
        selection=Selection(first, last),
    )
