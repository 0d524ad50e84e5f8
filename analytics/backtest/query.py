"""Writes the one query of a backtest: bars, indicators, and a strategy's own SQL, by session."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa
from duckdb import DuckDBPyConnection

from analytics.backtest.feed import ACTIONS, BLOCK, PRICES, Feed
from analytics.backtest.setup import Setup
from analytics.backtest.units import Unit, units_of
from analytics.compute import FEW, VIEWS
from sql.catalogue import catalogue
from sql.errors import UsageError
from sql.session import quoted
from sql.wide import Request, parse, plan

SOURCE = "bars_as_traded"
ADJUSTED_CLOSE = "adjusted_close"
GONE = timedelta(days=30)
"""A symbol whose last bar is so much older than the newest of all is delisted, and not halted."""
ADJUSTED = "backtest_bars"
"""A view of the bars as traded, and of the same adjusted for what splits and dividends there were up to their day."""


@dataclass(frozen=True)
class Known:
    """What there is of the symbols that may be traded."""

    symbols: tuple[str, ...]
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
    known = _look(con, setup, src)
    text = _query(con, setup, requests, known, src)
    names = [*PRICES, ADJUSTED_CLOSE, *(request.name for request in requests)]
    if own is not None:
        added = _columns_of(con, own, names)
        theirs = ", ".join(f'"{name}"' for name in added)
        text = f"FROM ({text}) LEFT JOIN (SELECT symbol, date, {theirs} FROM ({own})) USING (symbol, date)"
        names += added
    in_range = " AND ".join(_range(setup)) or "true"
    return Feed(
        rows=partial(_rows, con, f"FROM ({text}) WHERE {in_range} ORDER BY date, symbol"),
        names=tuple(names),
        symbols=known.symbols,
        sessions=known.sessions,
        delisted=known.delisted,
        aliases={text: made[0].name for text, made in asked.items() if len(made) == 1},
        versions={request.name: request.indicator.macro for request in requests},
    )


def benchmark(con: DuckDBPyConnection, setup: Setup, src: str = SOURCE) -> dict[date, float]:
    """Give the benchmark's closes by day, dividends reinvested.

    Raises:
        UsageError: it has no bars in the range.
    """
    assert setup.benchmark is not None
    if not (found := _closes(con, setup, [setup.benchmark], src, "close")):
        raise UsageError(f"no bars of the benchmark {setup.benchmark}{_between(setup)}")
    return found[setup.benchmark]


def charted_closes(
    con: DuckDBPyConnection, setup: Setup, symbols: Sequence[str], src: str = SOURCE
) -> dict[str, dict[date, float]]:
    """Give closes by symbol and day, in the shares of the last day, as a split is no fall to look at."""
    shares = "split_factor / arg_max(split_factor, date) OVER (PARTITION BY symbol)"
    return _closes(con, setup, symbols, src, f"traded_close * {shares}")


def _closes(
    con: DuckDBPyConnection, setup: Setup, symbols: Sequence[str], src: str, close: str
) -> dict[str, dict[date, float]]:
    _adjust(con, src)
    where = " AND ".join([_is_one_of(symbols), "close IS NOT NULL", *_range(setup)])
    found: dict[str, dict[date, float]] = {}
    rows = con.execute(f"SELECT symbol, date, {close} FROM {ADJUSTED} WHERE {where} ORDER BY symbol, date").fetchall()
    for symbol, day, value in rows:
        found.setdefault(symbol, {})[day] = value
    return found


def _adjust(con: DuckDBPyConnection, src: str) -> None:
    """Make the view `ADJUSTED` of a table that may know of no splits and dividends."""
    there = con.sql(f"FROM {src} LIMIT 0").columns
    if not set(ACTIONS) <= set(there):
        con.execute(
            f"CREATE OR REPLACE TEMP VIEW backtest_source AS SELECT *, 0.0 AS dividend, 1.0 AS split_ratio FROM {src}"
        )
        src = "backtest_source"
    con.execute(
        f"""
        CREATE OR REPLACE TEMP VIEW {ADJUSTED} AS
        SELECT
            symbol, date,
            open * price_factor AS open, high * price_factor AS high, low * price_factor AS low,
            close * price_factor AS close, volume / split_factor AS volume,
            open AS traded_open, high AS traded_high, low AS traded_low, close AS traded_close,
            volume AS traded_volume, dividend, split_ratio, price_factor, split_factor
        FROM forward_factors({quoted(src)})
        """
    )


def _look(con: DuckDBPyConnection, setup: Setup, src: str) -> Known:
    where = _is_one_of(setup.symbols)
    in_range = " AND ".join(_range(setup)) or "true"
    try:
        there = con.sql(f"FROM {src} LIMIT 0").columns
        lacking = sorted({"symbol", "date", *PRICES} - set(there))
        if lacking:
            raise UsageError(f"{src} cannot be traded: it has no {', '.join(lacking)}")
        acts = "dividend <> 0 OR split_ratio <> 1" if set(ACTIONS) <= set(there) else "false"
        rows = con.execute(
            f"SELECT symbol, min(date), max(date), count(*) FILTER ({in_range}), coalesce(bool_or({acts}), false) "
            f"FROM {src} WHERE {where} AND close IS NOT NULL GROUP BY symbol ORDER BY symbol"
        ).fetchall()
        newest, sessions = con.execute(
            f"SELECT (SELECT max(date) FROM {'bars' if src in VIEWS else src}), "
            f"(SELECT count(DISTINCT date) FROM {src} WHERE {where} AND {in_range} AND close IS NOT NULL)"
        ).fetchall()[0]
    except duckdb.CatalogException:
        raise UsageError(f"there is no table {src} to trade on") from None
    of = {symbol: f"{symbol} has bars from {first} to {last}" for symbol, first, last, *_ in rows}
    for symbol in setup.symbols or ():
        if not any(row[0] == symbol and row[3] for row in rows):
            raise UsageError(f"no bars of {symbol}{_between(setup)}: {of.get(symbol, 'there are none at all')}")
    if not sessions:
        raise UsageError(f"no bars{_between(setup)} in {src}")
    traded = [row for row in rows if row[3]]
    ended = _ended(con)
    return Known(
        tuple(row[0] for row in traded),
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


def _query(con: DuckDBPyConnection, setup: Setup, requests: Sequence[Request], known: Known, src: str) -> str:
    """Write the query of bars and indicators. These are of adjusted prices, given in the prices of the day."""
    traded, rest, source = {name: name for name in PRICES}, [], src
    units: Mapping[str, Unit | None] = {}
    if known.has_actions:
        _adjust(con, src)
        source = ADJUSTED
        if setup.prices == "as_traded":
            traded, rest = {name: f"traded_{name}" for name in PRICES}, [*ACTIONS, "price_factor", "split_factor"]
            units = units_of(con, requests)
    keep = [*traded.values(), *rest]
    if requests:
        stream = setup.symbols is None or len(setup.symbols) > FEW
        text = plan(con, requests, source, symbols=setup.symbols, keep=keep, stream=stream, is_unique=True)
    else:
        where = _is_one_of(setup.symbols)
        text = f"SELECT symbol, date, {', '.join(keep)} FROM {source} WHERE {where} AND close IS NOT NULL"
    found = ["symbol", "date"]
    for name, column in traded.items():
        otherwise = "0" if name == "volume" else traded["close"]
        found.append(f"CAST(coalesce({column}, {otherwise}) AS DOUBLE) AS {name}")
    found.append(f"{traded['close']}{' * price_factor' if rest else ''} AS {ADJUSTED_CLOSE}")
    found += ACTIONS if rest else ()
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


def _columns_of(con: DuckDBPyConnection, own: str, taken: Iterable[str]) -> list[str]:
    """Give the columns that a strategy's own SQL adds."""
    try:
        columns = con.sql(f"SELECT * FROM ({own}) LIMIT 0").columns
    except duckdb.Error as error:
        raise UsageError(f"the strategy's query: {str(error).splitlines()[0]}") from None
    if not {"symbol", "date"} <= set(columns):
        raise UsageError(f"the strategy's query gives {', '.join(columns)}: it must give symbol and date, too")
    if twice := sorted(set(columns) & set(taken)):
        raise UsageError(f"the strategy's query gives {', '.join(twice)}, which there is already: name it otherwise")
    return [name for name in columns if name not in ("symbol", "date")]


def _rows(con: DuckDBPyConnection, text: str) -> Iterator[pa.RecordBatch]:
    yield from con.execute(text).to_arrow_reader(BLOCK)


def _is_one_of(symbols: Sequence[str] | None) -> str:
    return "true" if symbols is None else f"symbol IN ({', '.join(map(quoted, symbols))})"


def _range(setup: Setup) -> list[str]:
    days = ((">=", setup.start), ("<=", setup.end))
    return [f"date {sign} DATE '{day}'" for sign, day in days if day is not None]


def _between(setup: Setup) -> str:
    return (f" from {setup.start}" if setup.start else "") + (f" up to {setup.end}" if setup.end else "")
