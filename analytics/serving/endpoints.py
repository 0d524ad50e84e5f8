"""The endpoints of the HTTP interface that answer with rows: their parameters, and how the rows are computed."""

from __future__ import annotations

import re
from collections.abc import Mapping

from stockstream.analytics.compute import relation
from stockstream.analytics.prices import TABLES
from stockstream.analytics.serving import models, parameters, queries
from stockstream.analytics.serving.answers import Endpoint
from stockstream.analytics.serving.formats import Page
from stockstream.analytics.serving.generations import Served
from stockstream.analytics.serving.paging import Place
from stockstream.analytics.serving.parameters import symbols_of
from stockstream.analytics.serving.problems import Problem
from stockstream.analytics.serving.queries import Select
from stockstream.analytics.serving.screening import conditions_of, query_of
from stockstream.sql.errors import UsageError

_NAME = re.compile(r"[A-Za-z]\w*(\.\d+)?", re.ASCII)
"""A request for indicators without SQL: `rsi_14`, `bollinger_upper_20_2.5`."""

Path = Mapping[str, str]


def bars(served: Served, query: parameters.Bars, path: Path, place: Place | None) -> Page:
    """Return bars of several symbols."""
    symbols = symbols_of(query.symbols, served.symbols)
    select = queries.bars(query, served.recent_after).within(symbols, query.start, query.end, place)
    return Page("bars", select.run(served.cursor, query.limit + 1), served.generation, query.limit)


def symbol_bars(served: Served, query: parameters.OneSymbolBars, path: Path, place: Place | None) -> Page:
    """Return bars of one symbol."""
    symbol = _symbol(served, path)
    select = queries.bars(query, served.recent_after).within((symbol,), query.start, query.end, place)
    return Page("bars", select.run(served.cursor, query.limit + 1), served.generation, query.limit)


def indicators(served: Served, query: parameters.Indicators, path: Path, place: Place | None) -> Page:
    """Return indicators of one symbol: those that the lake stores, or any by name, computed from all of its bars."""
    symbol = _symbol(served, path)
    src = "indicators"
    if query.names is not None or query.adjustment != "split":
        names = [name.strip() for name in (query.names or "").split(",")]
        if wrong := [name for name in names if not _NAME.fullmatch(name)]:
            raise Problem(422, f"names: {wrong[0]!r} is no indicator: write rsi_14 or macd", parameter="names")
        try:
            rows = relation(served.cursor, names, src=TABLES[query.adjustment], symbols=[symbol])
        except UsageError as error:
            raise Problem(422, f"names: {error}", parameter="names") from None
        src = f"({rows.sql_query()})"
    select = Select("*", src).within((symbol,), query.start, query.end, place)
    return Page("indicators", select.run(served.cursor, query.limit + 1), served.generation, query.limit)


def signals(served: Served, query: parameters.Signals, path: Path, place: Place | None) -> Page:
    """Return the signals of a day."""
    symbols = symbols_of(query.symbols, served.symbols)
    select = Select("symbol, date, signal, close", "signals").within(symbols, None, None, None)
    if query.date is None:
        select.where("date = (SELECT max(date) FROM indicators)")
    else:
        select.where("date = $date", date=query.date)
    return Page("signals", select.run(served.cursor, ALL, "signal, symbol"), served.generation)


def symbols(served: Served, query: parameters.Query, path: Path, place: Place | None) -> Page:
    """Return the companies listed today."""
    select = Select("symbol, name, sector, market_cap, listed_on", "symbols")
    return Page("symbols", select.run(served.cursor, ALL, "symbol"), served.generation)


def symbol(served: Served, query: parameters.Query, path: Path, place: Place | None) -> Page:
    """Return the periods of a symbol's metadata."""
    select = Select("*", "metadata").where("symbol = $symbol", symbol=_symbol(served, path))
    return Page("periods", select.run(served.cursor, ALL, "valid_from"), served.generation)


def screen(served: Served, query: parameters.Screen, path: Path, place: Place | None) -> Page:
    """Return the newest bar of the symbols that fulfil conditions, with returns and stored indicators."""
    text = query_of(conditions_of(query.where), query.order)
    return Page("symbols", served.cursor.execute(text), served.generation)


def actions(served: Served, query: parameters.Actions, path: Path, place: Place | None) -> Page:
    """Return dividends and splits."""
    chosen = symbols_of(query.symbols, served.symbols)
    select = Select("symbol, date, dividend, split_ratio, source", "actions")
    select.within(chosen, query.start, query.end, place)
    return Page("actions", select.run(served.cursor, query.limit + 1), served.generation, query.limit)


ALL = 1_000_000
"""Rows of an answer without pages; no lake has as many companies, signals of a day or generations."""


def _symbol(served: Served, path: Path) -> str:
    [symbol] = symbols_of(f'"{path["symbol"]}"', served.symbols)
    return symbol


ENDPOINTS = (
    Endpoint("/bars", parameters.Bars, bars, "bars", (models.Bar, models.LongerBar)),
    Endpoint("/bars/{symbol}", parameters.OneSymbolBars, symbol_bars, "bars", (models.Bar, models.LongerBar)),
    Endpoint("/indicators/{symbol}", parameters.Indicators, indicators, "indicators", (dict,)),
    Endpoint("/signals", parameters.Signals, signals, "signals", (models.Signal,)),
    Endpoint("/screen", parameters.Screen, screen, "symbols", (dict,)),
    Endpoint("/symbols", parameters.Query, symbols, "symbols", (models.Listing,)),
    Endpoint("/symbols/{symbol}", parameters.Query, symbol, "periods", (models.Period,)),
    Endpoint("/actions", parameters.Actions, actions, "actions", (models.Action,)),
)
