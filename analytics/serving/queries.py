"""The SQL of the endpoints, on the tables of a serving file."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from duckdb import DuckDBPyConnection

from stockstream.analytics.prices import DAILY, LONGER, MIXED, TABLES
from stockstream.analytics.serving.paging import Place
from stockstream.analytics.serving.parameters import OneSymbolBars
from stockstream.analytics.serving.problems import Problem

FEW = 20
"""Symbols up to which each is a condition of its own."""


@dataclass
class Select:
    """A query of a page: `SELECT columns FROM src WHERE conditions ORDER BY symbol, date LIMIT limit`."""

    columns: str
    src: str
    conditions: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    def where(self, condition: str, **values: Any) -> Select:
        """Add a condition with its values."""
        self.conditions.append(condition)
        self.values |= values
        return self

    def within(self, symbols: tuple[str, ...], start: date | None, end: date | None, place: Place | None) -> Select:
        """Keep some symbols (none: all), a range of days, and the rows after a place."""
        if place is not None:
            symbols = tuple(symbol for symbol in symbols if symbol >= place.symbol) or symbols
            self.where("(symbol > $after OR (symbol = $after AND date > $day))", after=place.symbol, day=place.date)
        if len(symbols) == 1:
            self.where("symbol = $symbol", symbol=symbols[0])
        elif symbols and len(symbols) <= FEW:  # DuckDB then skips the blocks without these symbols
            names = {f"s{number}": symbol for number, symbol in enumerate(symbols)}
            self.where(f"symbol IN ({', '.join(f'${name}' for name in names)})", **names)
        elif symbols:
            self.where("symbol IN (SELECT unnest(string_split($symbols, chr(10))))", symbols="\n".join(symbols))
        if start is not None:
            self.where("date >= $start", start=start)
        if end is not None:
            self.where("date <= $end", end=end)
        return self

    def run(self, cursor: DuckDBPyConnection, limit: int, order: str = "symbol, date") -> DuckDBPyConnection:
        """Return the cursor with at most `limit` rows."""
        condition = f" WHERE {' AND '.join(self.conditions)}" if self.conditions else ""
        text = f"SELECT {self.columns} FROM {self.src}{condition} ORDER BY {order} LIMIT {limit}"
        return cursor.execute(text, self.values)


def bars(query: OneSymbolBars, recent_after: date | None) -> Select:
    """Return the query of bars of a timeframe and adjustment; `recent_after` is that of the generation.

    Raises:
        Problem: prices as traded of a timeframe above a day (422).
    """
    if query.timeframe == "1d":
        is_recent = query.start is not None and recent_after is not None and query.start > recent_after
        return Select(DAILY, f"{'recent.' if is_recent else ''}{TABLES[query.adjustment]}")
    if query.adjustment == "raw":
        raise Problem(422, MIXED, parameter="adjustment")
    if query.adjustment == "split":
        stored = Select(LONGER, "bars_resampled")
        return stored.where("timeframe = $timeframe", timeframe=query.timeframe)
    return Select(LONGER, f"resample('{TABLES[query.adjustment]}', '{query.timeframe}')")
