"""The bars of a run: where they are read from, and what there is of each symbol."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.analytics.backtest.feed.adjusted import between, in_days, is_one_of, new_view
from stockstream.analytics.backtest.feed.blocks import ACTIONS, PRICES
from stockstream.analytics.backtest.feed.sessions import Folder
from stockstream.analytics.backtest.model import Setup
from stockstream.analytics.compute import VIEWS
from stockstream.analytics.session import known_symbols
from stockstream.sql.errors import UsageError
from stockstream.sql.session import quoted

UNKNOWN = "no bars of {names}: there is no such symbol"


@dataclass(frozen=True)
class Inventory:
    """What there is of the symbols to trade."""

    table: str
    """The view with their bars, without values that are not finite."""
    folder: Folder
    """The folder of the file that the view reads, if it reads one."""
    symbols: tuple[str, ...]
    bars: tuple[int, ...]
    """Number of bars per symbol, including those before the range."""
    sessions: int
    """Number of sessions in the range."""
    has_actions: bool
    """Whether any of the symbols has a split or a dividend."""
    silent: dict[str, int]
    """Number of sessions of the source in the range after the last bar, per symbol that has none at its end."""
    has_loose_actions: bool
    """Whether any of the symbols has a split or a dividend on a day without a close."""


def inventory_of(con: DuckDBPyConnection, setup: Setup, src: str) -> Inventory:
    """Return what `src` has on the symbols of a run.

    A view of the lake is read once, into a file: each query of it would again bind the view and merge its files.

    Raises:
        UsageError: `src` does not exist or lacks a column, or a symbol or the range has no bars.
    """
    folder = Folder()
    if src in VIEWS:
        table, symbols = _copy(con, src, setup.symbols, folder)
        columns = _columns(con, table)
    else:
        columns = _columns(con, src)
        symbols = known_symbols(con, setup.symbols or (), src, UNKNOWN) or None
        table = _finite(con, src, columns, symbols)
    in_range = " AND ".join(in_days(setup)) or "true"
    has_action = "dividend <> 0 OR split_ratio <> 1" if set(ACTIONS) <= set(columns) else "false"
    # The sessions of the source are those of all of its symbols.
    sessions_of = table if symbols is None else "bars" if src in VIEWS else src
    rows = con.execute(
        "SELECT symbol, min(date) FILTER (has_close), max(date) FILTER (has_close), "
        f"count(*) FILTER (has_close AND {in_range}), coalesce(bool_or(has_action), false), "
        f"count(*) FILTER (has_close), max(date) FILTER (has_close AND {in_range}), "
        "coalesce(bool_or(has_action AND NOT has_close), false), "
        f"(SELECT max(date) FROM {sessions_of} WHERE {in_range}), "
        f"(SELECT count(DISTINCT date) FROM {table} WHERE {in_range} AND close IS NOT NULL) "
        f"FROM (SELECT symbol, date, close IS NOT NULL AS has_close, {has_action} AS has_action FROM {table}) "
        "GROUP BY symbol HAVING bool_or(has_close) ORDER BY symbol"
    ).fetchall()
    ranges = {symbol: f"{symbol} has bars from {first} to {last}" for symbol, first, last, *_ in rows}
    for symbol in symbols or ():
        if not any(row[0] == symbol and row[3] for row in rows):
            raise UsageError(f"no bars of {symbol}{between(setup)}: {ranges.get(symbol, 'it has no close')}")
    rows = [row for row in rows if row[3]]
    if not rows:
        raise UsageError(f"no bars{between(setup)} in {src}")
    *_, newest, sessions = rows[0]
    return Inventory(
        table,
        folder,
        tuple(row[0] for row in rows),
        tuple(row[5] for row in rows),
        sessions,
        any(row[4] for row in rows),
        _silent(con, sessions_of, in_range, {row[0]: row[6] for row in rows if row[6] < newest}),
        any(row[7] for row in rows),
    )


def _columns(con: DuckDBPyConnection, src: str) -> list[str]:
    """Return the columns of `src`.

    Raises:
        UsageError: there is no such table, or it lacks a column.
    """
    try:
        columns = con.sql(f"FROM {src} LIMIT 0").columns
    except duckdb.CatalogException:
        raise UsageError(f"there is no table {src} to trade on") from None
    if missing := sorted({"symbol", "date", *PRICES} - set(columns)):
        raise UsageError(f"{src} cannot be traded: it has no {', '.join(missing)}")
    return columns


def _finite(con: DuckDBPyConnection, src: str, columns: Sequence[str], symbols: Sequence[str] | None) -> str:
    """Create a temporary view of some symbols in which values that are not finite are NULL, and return its name."""
    names = [name for name in columns if name in (*PRICES, *ACTIONS)]
    values = ", ".join(f"CASE WHEN isfinite({name}) THEN {name} END AS {name}" for name in names)
    return new_view(con, "source", f"SELECT * REPLACE ({values}) FROM {src} WHERE {is_one_of(symbols)}")


def _copy(
    con: DuckDBPyConnection, src: str, symbols: Sequence[str] | None, folder: Folder, name: str = "bars"
) -> tuple[str, Sequence[str] | None]:
    """Copy the bars of some symbols into a file; return a view of the file, and the symbols as they are stored.

    Raises:
        UsageError: a name means no symbol, or several.
    """
    path = quoted(str(folder.path / f"{name}.parquet"))
    names = f"COLUMNS(name -> name IN {('symbol', 'date', *PRICES, *ACTIONS)})"
    con.execute(f"COPY (SELECT {names} FROM {src} WHERE {is_one_of(symbols)}) TO {path} (FORMAT parquet)")
    table = new_view(con, "source", f"FROM read_parquet({path})")
    if symbols is not None:
        stored = {symbol for (symbol,) in con.execute(f"SELECT DISTINCT symbol FROM {table}").fetchall()}
        if not stored >= {*symbols}:
            matches = known_symbols(con, symbols, "bars", UNKNOWN)
            if {*matches} != {*symbols}:  # into another file, because DuckDB may remember the first one by its name
                return _copy(con, src, matches, folder, "matches")
    return table, symbols


def _silent(con: DuckDBPyConnection, src: str, in_range: str, last_bars: Mapping[str, date]) -> dict[str, int]:
    """Return the number of sessions of `src` in the range after each of these last bars."""
    if not last_bars:
        return {}
    first = min(last_bars.values())
    rows = con.execute(f"SELECT DISTINCT date FROM {src} WHERE date > DATE '{first}' AND {in_range}").fetchall()
    days = sorted(day for (day,) in rows)
    return {symbol: len(days) - bisect_right(days, last) for symbol, last in last_bars.items()}


def calendar_of(con: DuckDBPyConnection) -> list[date]:
    """Return the sessions of the exchange, in order; none if the lake has no calendar."""
    try:
        return [day for (day,) in con.execute("SELECT date FROM sessions ORDER BY date").fetchall()]
    except duckdb.CatalogException:
        return []
