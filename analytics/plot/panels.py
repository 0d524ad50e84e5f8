"""What a chart of a symbol shows: its bars, columns over and below them, splits, dividends and trades."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from duckdb import DuckDBPyConnection

from stockstream.analytics.arguments import lake_of, range_of, symbols_of, texts_of
from stockstream.analytics.compute import relation
from stockstream.analytics.frames import table_of
from stockstream.analytics.prices import ADJUSTMENTS, MIXED, Adjustment, interval_of, view_of
from stockstream.analytics.session import AsOf, known_symbols, open_lake
from stockstream.sql.catalogue import catalogue
from stockstream.sql.compiler import parse
from stockstream.sql.errors import ArgumentError, UsageError, did_you_mean
from stockstream.sql.session import explained, quoted

if TYPE_CHECKING:
    from stockstream.analytics.backtest import Result

PRICES = ("open", "high", "low", "close")
Values = Sequence[float | None]
Panes = Sequence[str | Sequence[str]] | str
"""What stands in each pane: one indicator or column, or several."""


@dataclass(frozen=True)
class Trade:
    """A trade as a chart marks it; the exit is None while it is open."""

    entry: date
    exit: date | None
    quantity: float
    """Shares, negative if sold short."""
    entry_price: float
    exit_price: float
    """Money per share as traded; while it is open, the last close."""
    pnl: float
    """Profit in money."""


@dataclass(frozen=True)
class Panels:
    """The bars of a symbol, one value per bar, and what stands over and below them."""

    title: str
    subtitle: str
    days: Sequence[date]
    bars: Mapping[str, Values]
    """open, high, low, close, and volume if there is one."""
    overlays: Mapping[str, Values] = field(default_factory=dict)
    panes: Mapping[str, Mapping[str, Values]] = field(default_factory=dict)
    """Per pane below the bars its columns, by their names."""
    splits: Mapping[date, float] = field(default_factory=dict)
    """Shares after a split per share before."""
    dividends: Mapping[date, float] = field(default_factory=dict)
    """Money per share."""
    trades: Sequence[Trade] = ()


def panels_of_symbol(
    symbol: str,
    start: date | str | None,
    end: date | str | None,
    timeframe: str | int,
    adjustment: Adjustment,
    overlays: Sequence[str] | str,
    panes: Panes,
    lake: str | Path | None,
    as_of: AsOf | None,
) -> Panels:
    """Return what a lake has for the chart of a symbol; overlays and panes are indicators.

    Raises:
        UsageError: there is no such lake, symbol or indicator, no bar in the range, or an argument is wrong.
        LakeError: the lake cannot be read.
    """
    names = symbols_of(symbol, "symbol")
    if len(names) != 1:
        raise ArgumentError(f"symbol: {symbol!r}: a chart is of one symbol")
    first, last = range_of(start, end)
    uri, view, interval = lake_of(lake), view_of(adjustment), interval_of(timeframe)
    if interval != "1d" and adjustment == "raw":
        raise ArgumentError(MIXED)
    with explained(uri), open_lake(uri, as_of=as_of) as con:
        (name,) = known_symbols(con, names)
        days = f"SELECT * FROM {view} WHERE symbol = {quoted(name)}"
        con.execute(f"CREATE TEMP TABLE charted_days AS {days}")
        source = "charted_days" if interval == "1d" else f"resample('charted_days', {quoted(interval)})"
        con.execute(f"CREATE TEMP TABLE charted_bars AS FROM {source} WHERE close IS NOT NULL")
        over = columns_of(overlays, only_prices=True)
        groups = _groups(panes)
        below = {title: columns_of(group) for title, group in groups.items()}
        requests = dict.fromkeys(
            [*texts_of("overlays", overlays), *(text for group in groups.values() for text in group)]
        )
        rows = relation(con, list(requests), src="charted_bars", start=first, end=last, with_bars=True).to_arrow_table()
        columns: dict[str, list[Any]] = rows.to_pydict()
        if not columns["date"]:
            ((begin, until),) = con.execute("SELECT min(date), max(date) FROM charted_bars").fetchall()
            raise UsageError(f"no bars of {name} in the range: it has bars from {begin} to {until}")
        shown = (columns["date"][0], columns["date"][-1])
        splits, dividends = _actions(con, *shown)
    return Panels(
        title=name,
        subtitle=f"{_interval_words(interval)}, {ADJUSTMENTS[adjustment]}, {shown[0]} to {shown[1]}",
        days=columns["date"],
        bars={column: columns[column] for column in (*PRICES, "volume")},
        overlays={column: columns[column] for column in over},
        panes={text: {column: columns[column] for column in part} for text, part in below.items()},
        splits=splits,
        dividends=dividends,
    )


def panels_of_frame(
    frame: object,
    start: date | str | None,
    end: date | str | None,
    overlays: Sequence[str] | str,
    panes: Panes,
) -> Panels:
    """Return what a frame of the bars of one symbol has for a chart; overlays and panes are columns of it.

    Raises:
        ArgumentError: the frame is refused (see `frames.table_of`), has several symbols, or lacks a column.
        UsageError: it has no bar in the range.
    """
    table = table_of("data", frame, PRICES)
    first, last = range_of(start, end)
    columns: dict[str, list[Any]] = table.to_pydict()
    if len(symbols := sorted({*columns["symbol"]})) > 1:
        raise ArgumentError(
            f"data: it has bars of {', '.join(symbols[:5])}: a chart is of one symbol: filter the frame"
        )
    over, below = texts_of("overlays", overlays), _groups(panes)
    for name in (*over, *(name for group in below.values() for name in group)):
        if name not in columns:
            raise ArgumentError(f"data: it has no column {name}{did_you_mean(name, columns)}")
    at = [
        number
        for number, day in enumerate(columns["date"])
        if (not first or day >= first) and (not last or day <= last)
    ]
    if not at:
        raise UsageError(f"no bars in the range: data has bars from {columns['date'][0]} to {columns['date'][-1]}")
    rows = {name: [values[number] for number in at] for name, values in columns.items()}
    actions = {
        kind: {
            day: value
            for day, value in zip(rows["date"], rows.get(kind, ()), strict=False)
            if value not in (None, none)
        }
        for kind, none in (("split_ratio", 1.0), ("dividend", 0.0))
    }
    return Panels(
        title=symbols[0],
        subtitle=f"{rows['date'][0]} to {rows['date'][-1]}",
        days=rows["date"],
        bars={column: rows[column] for column in (*PRICES, "volume") if column in rows},
        overlays={name: rows[name] for name in over},
        panes={title: {name: rows[name] for name in group} for title, group in below.items()},
        splits=actions["split_ratio"],
        dividends=actions["dividend"],
    )


def trades_of(result: Result, symbol: str) -> list[Trade]:
    """Return the trades of a symbol in a backtest, the open one included."""
    closed = [
        Trade(one.entry_date, one.exit_date, one.quantity, one.entry_price, one.exit_price, one.pnl)
        for one in result.closed_positions
        if one.symbol == symbol
    ]
    still_open = [
        Trade(one.entry_date, None, one.quantity, one.entry_price, one.price, one.pnl)
        for one in result.open_positions
        if one.symbol == symbol
    ]
    return closed + still_open


def columns_of(requests: Sequence[str] | str, *, only_prices: bool = False) -> list[str]:
    """Return the names of the columns of indicators; with `only_prices`, those that are prices, as three of `bbands`.

    Raises:
        UsageError: there is no such indicator, or none of its columns is a price.
    """
    columns = []
    for text in texts_of("overlays" if only_prices else "panes", requests):
        parsed = parse([text], catalogue())
        prices = [one for one in parsed if one.column in one.indicator.header.price_like]
        if only_prices and not prices:
            raise ArgumentError(f"overlays: {text} is no price: write it in panes")
        columns += [one.name for one in (prices if only_prices else parsed)]
    return columns


def _groups(panes: Panes) -> dict[str, Sequence[str]]:
    """Return the indicators or columns per pane, by its title.

    Raises:
        ArgumentError: one is no text.
    """
    items = [panes] if isinstance(panes, str) else list(panes)
    groups = [texts_of("panes", item) for item in items]
    return {", ".join(group): group for group in groups}


def _actions(con: DuckDBPyConnection, first: date, last: date) -> tuple[dict[date, float], dict[date, float]]:
    """Return the splits and the dividends of the days that are charted."""
    splits: dict[date, float] = {}
    dividends: dict[date, float] = {}
    rows = con.execute(
        "SELECT date, split_ratio, dividend FROM charted_days WHERE (split_ratio <> 1 OR dividend <> 0) "
        f"AND date BETWEEN DATE '{first}' AND DATE '{last}' ORDER BY date"
    )
    for day, split, dividend in rows.fetchall():
        if split != 1:
            splits[day] = split
        if dividend:
            dividends[day] = dividend
    return splits, dividends


def _interval_words(interval: str) -> str:
    return {"1d": "daily"}.get(interval, f"{interval[:-1]} sessions" if interval[:-1].isdigit() else interval)
