"""The query of a run: one statement for the bars, the indicators and the strategy's own SQL, read by session."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.analytics.arguments import paths_of
from stockstream.analytics.backtest.feed.adjusted import SOURCE, adjusted_view, between, in_days, is_one_of
from stockstream.analytics.backtest.feed.blocks import ACTIONS, PRICES, Feed
from stockstream.analytics.backtest.feed.derived import FACTORS, Derived, scale
from stockstream.analytics.backtest.feed.queries import columns_of, require_match
from stockstream.analytics.backtest.feed.sessions import by_session
from stockstream.analytics.backtest.feed.units import Unit, units_of
from stockstream.analytics.backtest.model import Setup
from stockstream.analytics.compute import FEW, VIEWS
from stockstream.analytics.session import known_symbols
from stockstream.sql.catalogue import catalogue
from stockstream.sql.compiler import Request, parse, plan
from stockstream.sql.errors import UsageError

ADJUSTED_CLOSE = "adjusted_close"
CELLS = 2_500_000
"""Maximum number of values (rows × columns) that are sorted at once."""


@dataclass(frozen=True)
class Inventory:
    """What the source has on the symbols to trade."""

    symbols: tuple[str, ...]
    bars: tuple[int, ...]
    """Number of bars per symbol, including those before the range."""
    sessions: int
    """Number of sessions in the range."""
    has_actions: bool
    """Whether any of the symbols has a split or a dividend."""
    silent: dict[str, int]
    """Number of sessions of `src` in the range after the last bar, per symbol that has none at the end of the range."""
    delistings: dict[str, list[date]]
    """Last days of the listings of each symbol that was taken off the exchange, as `metadata` has them."""


def open_feed(
    con: DuckDBPyConnection,
    setup: Setup,
    columns: Sequence[str] = (),
    sql: str | None = None,
    *,
    src: str = SOURCE,
    sql_path: Sequence[str | Path] = (),
    universe: int | None = None,
) -> Feed:
    """Return the feed of a run. Each row's values depend only on bars up to its own day.

    The rows are read from `con` during the run: do not use it for anything else meanwhile.

    Args:
        con: a connection of `analytics.connect`.
        setup: the settings: symbols, range of days, prices.
        columns: indicators, as in `Strategy.columns`.
        sql: a query whose columns are added, as `Strategy.query`.
        src: a view or table of bars as traded, with the columns symbol, date, open, high, low, close and volume;
            the columns dividend and split_ratio are optional.
        sql_path: folders with further indicators.
        universe: number of symbols of the run on a whole lake of which `con` has the beginning: it decides how the
            indicators are computed, and a query need not match a bar yet.

    Raises:
        UsageError: an indicator, column, table or symbol does not exist, or a symbol has no bars in the range.
    """
    folders = paths_of("sql_path", sql_path)
    available = catalogue(*folders)
    if folders:
        available.install(con)
    setup = _with_stored_symbols(con, setup, _like(src))
    derived = Derived(columns, available)
    requests_by_text = {
        text: parse([text], available) for text in derived.plain if text not in (*PRICES, ADJUSTED_CLOSE)
    }
    aliases = {text: outputs[0].name for text, outputs in requests_by_text.items() if len(outputs) == 1}
    requests = parse(requests_by_text, available)
    inventory = _inventory(con, setup, _like(src))
    if src not in VIEWS:
        src = _finite(con, src)
    names = [*PRICES, ADJUSTED_CLOSE, *(request.name for request in requests)]
    expressions = columns_of(con, sql, names) if sql is not None else {}
    names += expressions
    if sql is not None and universe is None:
        require_match(con, sql, setup, _like(src), inventory.symbols)
    derived_names = derived.names(names, aliases)
    parts = _parts(inventory, CELLS // (len(names) + derived.cells))
    is_scaled = inventory.has_actions and setup.prices == "as_traded"
    units = units_of(con, requests) if is_scaled else {}
    factors = FACTORS if derived and is_scaled else ()
    texts = [
        _query(con, setup, requests, units, inventory, src, symbols, factors, universe)
        for symbols in (parts if len(parts) > 1 else [setup.symbols])
    ]
    if sql is not None:
        extra = ", ".join(expressions.values())
        texts = [
            f"FROM ({text}) LEFT JOIN (SELECT symbol, date, {extra} FROM ({sql})) USING (symbol, date)"
            for text in texts
        ]
    if derived:
        all_units = derived.units(con, units) if is_scaled else None
        views = [adjusted_view(con, src, part) for part in parts]
        texts = [derived.add_to(con, text, view, all_units) for text, view in zip(texts, views, strict=True)]
    in_range = " AND ".join(in_days(setup)) or "true"
    return Feed(
        rows=partial(by_session, con, [f"FROM ({text}) WHERE {in_range} ORDER BY date, symbol" for text in texts]),
        names=(*names, *derived_names.values()),
        symbols=inventory.symbols,
        sessions=inventory.sessions,
        silent=inventory.silent,
        delistings=inventory.delistings,
        calendar=partial(_calendar, con),
        aliases=aliases | derived_names,
        versions={request.name: request.indicator.macro for request in requests},
    )


def _calendar(con: DuckDBPyConnection) -> list[date]:
    """Return the sessions of the exchange, in order; none if the lake has no calendar."""
    try:
        return [day for (day,) in con.execute("SELECT date FROM sessions ORDER BY date").fetchall()]
    except duckdb.CatalogException:
        return []


def _finite(con: DuckDBPyConnection, src: str) -> str:
    """Create a temporary view of a table in which values that are not finite are NULL, and return its name."""
    columns = [name for name in con.sql(f"FROM {src} LIMIT 0").columns if name in (*PRICES, *ACTIONS)]
    values = ", ".join(f"CASE WHEN isfinite({name}) THEN {name} END AS {name}" for name in columns)
    con.execute(f"CREATE OR REPLACE TEMP VIEW backtest_source AS SELECT * REPLACE ({values}) FROM {src}")
    return "backtest_source"


def _with_stored_symbols(con: DuckDBPyConnection, setup: Setup, src: str) -> Setup:
    """Return the settings with the symbols of the source that the names mean, also in another letter case.

    Raises:
        UsageError: a name means no symbol, or several.
    """
    if setup.symbols is None:
        return setup
    what = "no bars of {names}: there is no such symbol"
    try:
        return setup.model_copy(update={"symbols": known_symbols(con, setup.symbols, src, what)})
    except (duckdb.CatalogException, duckdb.BinderException):
        return setup  # `_inventory` reports that the table or its column is missing


def _like(src: str) -> str:
    """Return the cheapest view with the same symbols and dates: `VIEWS` differ from each other only in their prices."""
    return "bars" if src in VIEWS else src


def _inventory(con: DuckDBPyConnection, setup: Setup, src: str) -> Inventory:
    """Return what `src` has on the symbols.

    Raises:
        UsageError: `src` does not exist or lacks a column, or a symbol or the range has no bars.
    """
    where = is_one_of(setup.symbols)
    in_range = " AND ".join(in_days(setup)) or "true"
    try:
        names = con.sql(f"FROM {src} LIMIT 0").columns
        missing = sorted({"symbol", "date", *PRICES} - set(names))
        if missing:
            raise UsageError(f"{src} cannot be traded: it has no {', '.join(missing)}")
        has_action = "dividend <> 0 OR split_ratio <> 1" if set(ACTIONS) <= set(names) else "false"
        rows = con.execute(
            f"SELECT symbol, min(date), max(date), count(*) FILTER ({in_range}), "
            f"coalesce(bool_or({has_action}), false), count(*), max(date) FILTER ({in_range}) "
            f"FROM {src} WHERE {where} AND isfinite(close) GROUP BY symbol ORDER BY symbol"
        ).fetchall()
        newest, sessions = con.execute(
            f"SELECT (SELECT max(date) FROM {src} WHERE {in_range}), "
            f"(SELECT count(DISTINCT date) FROM {src} WHERE {where} AND {in_range} AND isfinite(close))"
        ).fetchall()[0]
    except duckdb.CatalogException:
        raise UsageError(f"there is no table {src} to trade on") from None
    ranges = {symbol: f"{symbol} has bars from {first} to {last}" for symbol, first, last, *_ in rows}
    for symbol in setup.symbols or ():
        if not any(row[0] == symbol and row[3] for row in rows):
            raise UsageError(f"no bars of {symbol}{between(setup)}: {ranges.get(symbol, 'it has no close')}")
    if not sessions:
        raise UsageError(f"no bars{between(setup)} in {src}")
    rows_in_range = [row for row in rows if row[3]]
    return Inventory(
        tuple(row[0] for row in rows_in_range),
        tuple(row[5] for row in rows_in_range),
        sessions,
        any(row[4] for row in rows_in_range),
        _silent(con, src, in_range, {row[0]: row[6] for row in rows_in_range if row[6] < newest}),
        _delistings(con, [row[0] for row in rows_in_range]),
    )


def _silent(con: DuckDBPyConnection, src: str, in_range: str, last_bars: Mapping[str, date]) -> dict[str, int]:
    """Return the number of sessions of `src` in the range after each of these last bars."""
    if not last_bars:
        return {}
    first = min(last_bars.values())
    rows = con.execute(f"SELECT DISTINCT date FROM {src} WHERE date > DATE '{first}' AND {in_range}").fetchall()
    days = sorted(day for (day,) in rows)
    return {symbol: len(days) - bisect_right(days, last) for symbol, last in last_bars.items()}


def _delistings(con: DuckDBPyConnection, symbols: Sequence[str]) -> dict[str, list[date]]:
    """Return the last days of the listings per symbol, if the connection has a view `metadata`.

    A period that another one of the same symbol continues is no delisting.
    """
    try:
        rows = con.execute(
            "SELECT symbol, list(valid_to ORDER BY valid_to) FROM ("
            "SELECT symbol, valid_to, lead(valid_from) OVER (PARTITION BY symbol ORDER BY valid_from) AS next "
            f"FROM metadata WHERE {is_one_of(symbols)}) "  # in the text: DuckDB imports pandas for a list parameter
            "WHERE valid_to IS NOT NULL AND (next IS NULL OR next > valid_to + 1) GROUP BY symbol"
        )
        return dict(rows.fetchall())
    except duckdb.CatalogException:
        return {}


def _parts(inventory: Inventory, max_bars: int) -> list[list[str]]:
    """Split the symbols, in order, into groups of at most `max_bars` bars, or of one symbol."""
    parts: list[list[str]] = []
    bars = max_bars
    for symbol, count in zip(inventory.symbols, inventory.bars, strict=True):
        if bars + count > max_bars:
            parts.append([])
            bars = 0
        parts[-1].append(symbol)
        bars += count
    return parts


def _query(
    con: DuckDBPyConnection,
    setup: Setup,
    requests: Sequence[Request],
    units: Mapping[str, Unit | None],
    inventory: Inventory,
    src: str,
    symbols: Sequence[str] | None,
    factors: Sequence[str],
    universe: int | None,
) -> str:
    """Return the query for some symbols: indicators of adjusted prices, scaled to the prices of their day.

    It also returns the columns `factors`.
    """
    price_columns, extra, source = {name: name for name in PRICES}, [], src
    if inventory.has_actions:
        source = adjusted_view(con, src, symbols or inventory.symbols)
        if setup.prices == "as_traded":
            price_columns, extra = (
                {name: f"traded_{name}" for name in PRICES},
                [*ACTIONS, "price_factor", "split_factor"],
            )
    keep = [*price_columns.values(), *extra]
    if requests:
        # Decided by the number of all symbols, so that every group of symbols is computed the same way.
        stream = (universe or len(inventory.symbols)) > FEW
        text = plan(con, requests, source, symbols=symbols, keep=keep, stream=stream, is_unique=True, like=_like(src))
    else:
        where = is_one_of(symbols)
        text = f"SELECT symbol, date, {', '.join(keep)} FROM {source} WHERE {where} AND close IS NOT NULL"
    selected = ["symbol", "CAST(date AS DATE) AS date"]
    for name, column in price_columns.items():
        value = column if name == "volume" else f"coalesce({column}, {price_columns['close']})"
        selected.append(f"CAST({value} AS DOUBLE) AS {name}")
    selected.append(f"{price_columns['close']}{' * price_factor' if extra else ''} AS {ADJUSTED_CLOSE}")
    selected += [f"CAST({name} AS DOUBLE) AS {name}" for name in ACTIONS if extra]
    selected += factors
    selected += [_scaled(request.name, units.get(request.name)) for request in requests]
    return f"SELECT {', '.join(selected)} FROM ({text})"


def _scaled(name: str, unit: Unit | None) -> str:
    """Return the SQL that scales an indicator of adjusted prices to the prices and volumes of the row's day."""
    factors = scale(unit)
    return f'"{name}"{factors} AS "{name}"' if factors else f'"{name}"'
