"""Writes the one query of a backtest: bars, indicators, and a strategy's own SQL, by session."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.analytics.backtest.feed.adjusted import SOURCE, adjusted_view, between, in_days, is_one_of
from stockstream.analytics.backtest.feed.blocks import ACTIONS, PRICES, Feed
from stockstream.analytics.backtest.feed.sessions import by_session
from stockstream.analytics.backtest.feed.units import Unit, units_of
from stockstream.analytics.backtest.model.setup import Setup
from stockstream.analytics.compute import FEW, VIEWS
from stockstream.analytics.session import all_symbols
from stockstream.sql.compiler import Request, parse, plan
from stockstream.sql.errors import UsageError, did_you_mean
from stockstream.sql.indicator_catalogue import catalogue

ADJUSTED_CLOSE = "adjusted_close"
NUMBERS = ("FLOAT", "DECIMAL", "HUGEINT", "UHUGEINT", "UBIGINT")
"""Types of SQL that a strategy sees as DOUBLE: in Python they would be no plain numbers."""
CELLS = 2_500_000
"""Values that are sorted at a time."""
GONE = timedelta(days=30)
"""A symbol whose last bar is so much older than the newest of all is delisted, and not halted."""


@dataclass(frozen=True)
class Known:
    """What there is of the symbols that may be traded."""

    symbols: tuple[str, ...]
    bars: tuple[int, ...]
    """Of each symbol, those before the range, too."""
    sessions: int
    has_actions: bool
    delisted: dict[str, date]


def open_feed(
    con: DuckDBPyConnection,
    setup: Setup,
    columns: Sequence[str] = (),
    own: str | None = None,
    *,
    src: str = SOURCE,
    sql_path: Sequence[str | Path] = (),
) -> Feed:
    """Give the bars of a backtest with the indicators `columns`, and the columns of the SQL `own`.

    `src` is any view or table with symbol, date, open, high, low, close, volume, as traded, and dividend and
    split_ratio where there are any. Only bars up to a row's own day make its values. The rows are read from `con`
    as the backtest goes on: use it for nothing else meanwhile.

    Raises:
        UsageError: there is no such indicator, column or table, or a symbol has no bars in the range.
    """
    shipped = catalogue(*map(Path, sql_path))
    if sql_path:
        shipped.install(con)
    asked = {text: parse([text], shipped) for text in dict.fromkeys(columns) if text not in (*PRICES, ADJUSTED_CLOSE)}
    requests = parse(asked, shipped)
    known = _look(con, setup, _like(src))
    names = [*PRICES, ADJUSTED_CLOSE, *(request.name for request in requests)]
    added = _columns_of(con, own, names) if own is not None else {}
    names += added
    parts = _parts(known, CELLS // len(names))
    units = units_of(con, requests) if known.has_actions and setup.prices == "as_traded" else {}
    texts = [
        _query(con, setup, requests, units, known, src, part if len(parts) > 1 else setup.symbols) for part in parts
    ]
    if own is not None:
        theirs = ", ".join(added.values())
        texts = [
            f"FROM ({text}) LEFT JOIN (SELECT symbol, date, {theirs} FROM ({own})) USING (symbol, date)"
            for text in texts
        ]
    in_range = " AND ".join(in_days(setup)) or "true"
    return Feed(
        rows=partial(by_session, con, [f"FROM ({text}) WHERE {in_range} ORDER BY date, symbol" for text in texts]),
        names=tuple(names),
        symbols=known.symbols,
        sessions=known.sessions,
        delisted=known.delisted,
        aliases={text: made[0].name for text, made in asked.items() if len(made) == 1},
        versions={request.name: request.indicator.macro for request in requests},
    )


def _like(src: str) -> str:
    """Give what has the same rows and is the cheapest to look at: the views on bars differ in their prices only."""
    return "bars" if src in VIEWS else src


def _look(con: DuckDBPyConnection, setup: Setup, src: str) -> Known:
    where = is_one_of(setup.symbols)
    in_range = " AND ".join(in_days(setup)) or "true"
    try:
        there = con.sql(f"FROM {src} LIMIT 0").columns
        lacking = sorted({"symbol", "date", *PRICES} - set(there))
        if lacking:
            raise UsageError(f"{src} cannot be traded: it has no {', '.join(lacking)}")
        acts = "dividend <> 0 OR split_ratio <> 1" if set(ACTIONS) <= set(there) else "false"
        rows = con.execute(
            f"SELECT symbol, min(date), max(date), count(*) FILTER ({in_range}), coalesce(bool_or({acts}), false), "
            "count(*) "
            f"FROM {src} WHERE {where} AND close IS NOT NULL GROUP BY symbol ORDER BY symbol"
        ).fetchall()
        newest, sessions = con.execute(
            f"SELECT (SELECT max(date) FROM {src}), "
            f"(SELECT count(DISTINCT date) FROM {src} WHERE {where} AND {in_range} AND close IS NOT NULL)"
        ).fetchall()[0]
    except duckdb.CatalogException:
        raise UsageError(f"there is no table {src} to trade on") from None
    of = {symbol: f"{symbol} has bars from {first} to {last}" for symbol, first, last, *_ in rows}
    for symbol in setup.symbols or ():
        if not any(row[0] == symbol and row[3] for row in rows):
            absent = f"there are none at all{did_you_mean(symbol, all_symbols(con, src))}"
            raise UsageError(f"no bars of {symbol}{between(setup)}: {of.get(symbol, absent)}")
    if not sessions:
        raise UsageError(f"no bars{between(setup)} in {src}")
    traded = [row for row in rows if row[3]]
    ended = _ended(con)
    return Known(
        tuple(row[0] for row in traded),
        tuple(row[5] for row in traded),
        sessions,
        any(row[4] for row in traded),
        {row[0]: row[2] for row in traded if newest - row[2] > GONE or row[0] in ended},
    )


def _ended(con: DuckDBPyConnection) -> set[str]:
    """Give the symbols that are on no list of companies any more, where the connection has such lists."""
    try:
        rows = con.execute("SELECT symbol FROM metadata GROUP BY symbol HAVING bool_and(valid_to IS NOT NULL)")
        return {symbol for (symbol,) in rows.fetchall()}
    except duckdb.CatalogException:
        return set()


def _parts(known: Known, most: int) -> list[list[str]]:
    """Divide the symbols, in order, into parts of about so many bars."""
    parts: list[list[str]] = []
    bars = most
    for symbol, count in zip(known.symbols, known.bars, strict=True):
        if bars + count > most:
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
    known: Known,
    src: str,
    symbols: Sequence[str] | None,
) -> str:
    """Write the query of some symbols. Indicators are of adjusted prices, and given in the prices of the day."""
    traded, rest, source = {name: name for name in PRICES}, [], src
    if known.has_actions:
        source = adjusted_view(con, src, symbols or known.symbols)
        if setup.prices == "as_traded":
            traded, rest = {name: f"traded_{name}" for name in PRICES}, [*ACTIONS, "price_factor", "split_factor"]
    keep = [*traded.values(), *rest]
    if requests:
        stream = len(known.symbols) > FEW  # of all: what is computed of a symbol is the same in every part
        text = plan(con, requests, source, symbols=symbols, keep=keep, stream=stream, is_unique=True, like=_like(src))
    else:
        where = is_one_of(symbols)
        text = f"SELECT symbol, date, {', '.join(keep)} FROM {source} WHERE {where} AND close IS NOT NULL"
    found = ["symbol", "CAST(date AS DATE) AS date"]
    for name, column in traded.items():
        otherwise = "0" if name == "volume" else traded["close"]
        found.append(f"CAST(coalesce({column}, {otherwise}) AS DOUBLE) AS {name}")
    found.append(f"{traded['close']}{' * price_factor' if rest else ''} AS {ADJUSTED_CLOSE}")
    found += [f"CAST({name} AS DOUBLE) AS {name}" for name in ACTIONS if rest]
    found += [_of_the_day(request.name, units.get(request.name)) for request in requests]
    return f"SELECT {', '.join(found)} FROM ({text})"


def _of_the_day(name: str, unit: Unit | None) -> str:
    """Write a column that was computed of adjusted prices in the prices and the shares of the row's day."""
    factors = [
        f" {'/' if power * sign < 0 else '*'} {factor}" * abs(power)
        for power, factor, sign in zip(unit or (), ("price_factor", "split_factor"), (-1, 1), strict=False)
        if power
    ]
    return f'"{name}"{"".join(factors)} AS "{name}"' if factors else f'"{name}"'


def _columns_of(con: DuckDBPyConnection, own: str, taken: Iterable[str]) -> dict[str, str]:
    """Give the columns that a strategy's own SQL adds, as they are written in SQL; numbers are DOUBLE or BIGINT."""
    try:
        rows = con.sql(f"SELECT * FROM ({own}) LIMIT 0")
        columns = rows.columns
    except duckdb.Error as error:
        raise UsageError(f"the strategy's query: {str(error).splitlines()[0]}") from None
    if not {"symbol", "date"} <= set(columns):
        raise UsageError(f"the strategy's query gives {', '.join(columns)}: it must give symbol and date, too")
    if twice := sorted(set(columns) & set(taken)):
        raise UsageError(f"the strategy's query gives {', '.join(twice)}, which there is already: name it otherwise")
    kinds = dict(zip(columns, map(str, rows.types), strict=True))
    return {
        name: f'CAST("{name}" AS DOUBLE) AS "{name}"' if kind.startswith(NUMBERS) else f'"{name}"'
        for name, kind in kinds.items()
        if name not in ("symbol", "date")
    }
