"""The query of a run: one statement for the bars, the indicators and the strategy's own SQL, read by session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from duckdb import DuckDBPyConnection

from stockstream.analytics.arguments import paths_of
from stockstream.analytics.backtest.feed.adjusted import SOURCE, adjusted_view, in_days, is_one_of, new_view
from stockstream.analytics.backtest.feed.blocks import ACTIONS, PRICES, SHARES, Feed, Unit
from stockstream.analytics.backtest.feed.conditions import Conditions
from stockstream.analytics.backtest.feed.derived import FACTORS, Derived, scale
from stockstream.analytics.backtest.feed.events import listings, loose_actions
from stockstream.analytics.backtest.feed.inventory import Inventory, calendar_of, inventory_of
from stockstream.analytics.backtest.feed.parts import Part
from stockstream.analytics.backtest.feed.queries import columns_of, require_match
from stockstream.analytics.backtest.feed.sessions import by_session
from stockstream.analytics.backtest.feed.units import units_of
from stockstream.analytics.backtest.feed.universe import universe_of
from stockstream.analytics.backtest.model import Setup
from stockstream.analytics.compute import FEW
from stockstream.sql.catalogue import catalogue
from stockstream.sql.compiler import Request, Shape, benchmarks_of, parse, plan, shape_of
from stockstream.sql.errors import UsageError
from stockstream.sql.session import quoted

ADJUSTED_CLOSE = "adjusted_close"
CELLS = 2_500_000
"""Maximum number of values (rows × columns) of a group of symbols, whose rows are computed at once."""
CELLS_IN_MEMORY = 10_000_000
"""Maximum number of values of all symbols that are sorted at once: 80 MB."""


def open_feed(
    con: DuckDBPyConnection,
    setup: Setup,
    columns: Sequence[str] = (),
    sql: str | None = None,
    *,
    src: str = SOURCE,
    sql_path: Sequence[str | Path] = (),
    with_units: bool = False,
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
        with_units: also measure the units of indicators that the run does not need.
        universe: number of symbols of the run on a whole lake of which `con` has the beginning: it decides how the
            indicators are computed, and a query need not match a bar yet.

    Raises:
        UsageError: an indicator, column, table or symbol does not exist, a symbol has no bars in the range, or a
            benchmark is not among the symbols.
    """
    folders = paths_of("sql_path", sql_path)
    available = catalogue(*folders)
    if folders:
        available.install(con)
    conditions = Conditions(columns, available)
    derived = Derived([*conditions.others, *conditions.inner], available)
    requests_by_text = {
        text: parse([text], available) for text in derived.plain if text not in (*PRICES, ADJUSTED_CLOSE)
    }
    aliases = {text: outputs[0].name for text, outputs in requests_by_text.items() if len(outputs) == 1}
    requests = parse(requests_by_text, available)
    inventory = inventory_of(con, setup, src)
    for request in requests:
        if others := benchmarks_of([request]) - {*inventory.symbols}:
            raise UsageError(f"the benchmark of {request.name} is {min(others)}: add it to the symbols of the run")
    # Decided by the number of all symbols, so that every group of symbols is computed the same way.
    stream = (universe or len(inventory.symbols)) > FEW
    shape = _shape(con, requests, inventory, stream=stream)
    names = [*PRICES, ADJUSTED_CLOSE, *(request.name for request in requests)]
    expressions = columns_of(con, sql, names) if sql is not None else {}
    names += expressions
    if sql is not None and universe is None:
        require_match(con, sql, setup, inventory.table, inventory.symbols)
    derived_names = derived.names(names, aliases)
    parts = _parts(inventory, CELLS // (len(names) + derived.cells + len(conditions.names)))
    is_scaled = inventory.has_actions and setup.prices == "as_traded"
    units = units_of(con, requests) if is_scaled or with_units else {}
    factors = FACTORS if derived and is_scaled else ()
    needs_symbols = sql is not None or derived.needs_symbols or conditions.needs_symbols
    queries = [
        _query(con, setup, requests, units, inventory, shape, part if len(parts) > 1 else None, factors, stream)
        for part in parts
    ]
    texts = [query.text for query in queries]
    are_sorted = [bool(query.copies) and not needs_symbols for query in queries]
    if sql is not None:
        extra = ", ".join(expressions.values())
        texts = [
            f"FROM ({text}) LEFT JOIN (SELECT symbol, date, {extra} FROM ({sql})) USING (symbol, date)"
            for text in texts
        ]
    if derived:
        if is_scaled or with_units:
            units = derived.units(con, units)
        scaled = units if is_scaled else None
        views = [adjusted_view(con, inventory.table, part) if derived.needs_bars else "" for part in parts]
        texts = [
            derived.add_to(con, text, view, scaled, is_sorted=is_sorted)
            for text, view, is_sorted in zip(texts, views, are_sorted, strict=True)
        ]
    by_text = aliases | derived_names
    hidden = _hidden(conditions, requests_by_text, by_text)
    texts = conditions.add_to(con, texts, by_text, hidden)
    outputs = con.sql(f"FROM ({texts[0]}) LIMIT 0").columns if are_sorted[0] else []
    delistings, renames = listings(con, inventory.symbols)
    credits = inventory.has_loose_actions and setup.prices == "as_traded"
    loose = loose_actions(con, setup, inventory.table, inventory.symbols) if credits else []
    queries = [
        replace(query, text=text, outputs=outputs if is_sorted else ())
        for text, query, is_sorted in zip(texts, queries, are_sorted, strict=True)
    ]
    width = 1 + len(names) + derived.cells - len(hidden) + len(ACTIONS) * inventory.has_actions
    fits = sum(inventory.bars) * width <= CELLS_IN_MEMORY
    return Feed(
        rows=partial(by_session, con, queries, inventory.symbols, inventory.folder, in_memory=fits),
        names=(*[name for name in (*names, *derived_names.values()) if name not in hidden], *conditions.names),
        symbols=inventory.symbols,
        sessions=inventory.sessions,
        silent=inventory.silent,
        delistings=delistings,
        renames=renames,
        loose_actions=loose,
        calendar=partial(calendar_of, con),
        aliases=by_text,
        versions={request.name: request.indicator.macro for request in requests},
        units=units,
        universe=universe_of(con, inventory.table, " AND ".join(in_days(setup)) or "true")
        if derived.has_universe
        else None,
    )


def _shape(con: DuckDBPyConnection, requests: Sequence[Request], inventory: Inventory, *, stream: bool) -> Shape | None:
    """Return the shape of the bars of a run; None if arrays compute its indicators, which find it out themselves.

    Raises:
        UsageError: a parameter of an indicator is invalid.
    """
    if not requests:
        return Shape([])
    if not stream:
        return shape_of(con, requests, inventory.table, is_unique=True)
    first = f"symbol = {quoted(inventory.symbols[0])}"
    shape_of(con, requests, inventory.table, where=first, is_unique=True)  # for its errors
    return None


def _hidden(conditions: Conditions, requests: Mapping[str, Sequence[Request]], by_text: Mapping[str, str]) -> list[str]:
    """Return the columns that only conditions need; `requests` are the indicators per text."""
    declared = {request.name for text in conditions.others for request in requests.get(text, ())}
    declared |= {by_text.get(text, text) for text in conditions.others}
    inner = {request.name for text in conditions.inner for request in requests.get(text, ())}
    inner |= {by_text.get(text, text) for text in conditions.inner}
    return sorted(inner - declared)


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
    shape: Shape | None,
    symbols: Sequence[str] | None,
    factors: Sequence[str],
    stream: bool,
) -> Part:
    """Return the query for some symbols: indicators of adjusted prices, scaled to the prices of their day.

    It also returns the columns `factors`.
    """
    rows, has_numbers = None, False
    price_columns, extra, source = {name: name for name in PRICES}, [], inventory.table
    shares: list[str] = []
    benchmarks = benchmarks_of(requests)
    if symbols is not None and not benchmarks:
        # A range instead of a list, which DuckDB would join to the rows: that costs more, and loses their order.
        first, last = quoted(symbols[0]), quoted(symbols[-1])
        source, symbols = new_view(con, "part", f"FROM {source} WHERE symbol BETWEEN {first} AND {last}"), None
    if inventory.has_actions:
        source = adjusted_view(con, source, symbols and [*symbols, *sorted(benchmarks - {*symbols})])
        if setup.prices == "as_traded":
            price_columns, extra = (
                {name: f"traded_{name}" for name in PRICES},
                [*ACTIONS, "price_factor", "split_factor"],
            )
        else:
            shares = ["price_factor", "traded_volume"]
    keep = [*price_columns.values(), *extra, *shares]
    if requests:
        names = sorted({*inventory.symbols, *benchmarks})
        computed = plan(
            con,
            requests,
            source,
            symbols=symbols,
            keep=keep,
            stream=stream,
            is_unique=True,
            shape=shape,
            names=names,
        )
        text, rows = computed.unread_query(con), computed.rows
        has_numbers = rows is not None and not computed.is_joined
    else:
        where = is_one_of(symbols)
        text = f"SELECT symbol, date, {', '.join(keep)} FROM {source} WHERE {where} AND close IS NOT NULL"
    close = price_columns["close"]
    selected = [
        Selected(name, (column,) if name == "volume" else (column, close)) for name, column in price_columns.items()
    ]
    selected.append(Selected(ADJUSTED_CLOSE, (close,), " * price_factor" if extra else ""))
    selected += [Selected(name, (name,)) for name in ACTIONS if extra]
    if shares:
        selected += [Selected(SHARES[0], ("price_factor",)), Selected(SHARES[1], ("traded_volume",), " / price_factor")]
    selected += [Selected(name, (name,)) for name in factors]
    selected += [Selected(request.name, (request.name,), scale(units.get(request.name))) for request in requests]
    text = f"SELECT symbol, CAST(date AS DATE) AS date, {', '.join(column.sql for column in selected)} FROM ({text})"
    copies = {column.name: column.of for column in selected if not column.factors}
    return Part(text, setup.start, setup.end, rows, copies=copies if has_numbers else {})


class Selected(NamedTuple):
    """A column of the query: the first of the columns `of` that is not NULL, scaled by factors."""

    name: str
    of: tuple[str, ...]
    factors: str = ""

    @property
    def sql(self) -> str:
        """The SQL of the column. Indicators keep their type."""
        value = f"coalesce({', '.join(self.of)})" if len(self.of) > 1 else f'"{self.of[0]}"'
        is_indicator = self.of == (self.name,) and self.name not in (*PRICES, *ACTIONS, *FACTORS)
        return (
            f'{value}{self.factors} AS "{self.name}"'
            if is_indicator
            else f'CAST({value}{self.factors} AS DOUBLE) AS "{self.name}"'
        )
