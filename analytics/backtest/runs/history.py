"""What a run held, and how far prices went: the account's movements beside the bars, read again after the run."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stockstream.analytics.backtest.feed import PRICES, Feed
from stockstream.analytics.backtest.model import Bars, ClosedPosition, Curve, Excursion, History, Movement, Result

CELLS = 3_000_000
"""Maximum number of bars in memory at once: symbols × sessions."""
NOTHING = 1e-9
"""A smaller share of what was traded is a rounding error: no position."""

Array = NDArray[np.float64]


@dataclass
class SymbolBars:
    """The bars of a symbol as the run traded on them: one value per session of the run, NaN without a bar."""

    prices: dict[str, Array]
    columns: dict[str, Array]
    splits: Array
    """Shares now per share at the first session, by the splits so far."""


def history_of(result: Result, feed: Feed, charted: Sequence[str]) -> History:
    """Return holdings, excursions and the bars of `charted` symbols.

    Args:
        result: the run.
        feed: its feed, which is read once more per three million bars.
        charted: the symbols of which the result is to have bars.
    """
    moves: dict[str, list[Movement]] = {}
    for move in result.movements:
        moves.setdefault(move.symbol, []).append(move)
    numbers: dict[str, list[int]] = {}
    for number, trade in enumerate(result.closed_positions):
        numbers.setdefault(trade.symbol, []).append(number)
    holdings: dict[str, Array] = {}
    excursions: list[Excursion | None] = [None] * len(result.closed_positions)
    bars: dict[str, Bars] = {}
    at_close = result.setup.get("fill_at") == "close"
    for symbol, symbol_bars in _bars_of(feed, result.curve, list(moves), set(charted)):
        holdings[symbol] = _values(symbol_bars.prices["close"], moves[symbol], result.curve)
        for number in numbers.get(symbol, ()):
            excursions[number] = _excursion(symbol_bars, result.closed_positions[number], result.curve, at_close)
        if symbol in charted:
            bars[symbol] = _chart(symbol_bars, feed)
    return History(holdings, excursions, bars)


def _bars_of(feed: Feed, curve: Curve, symbols: Sequence[str], charted: set[str]) -> Iterator[tuple[str, SymbolBars]]:
    """Yield the bars per symbol, in the order of `symbols`; indicators of `charted` symbols only."""
    sessions = {day: number for number, day in enumerate(curve.dates)}
    step = max(1, CELLS // max(1, len(sessions)))
    for first in range(0, len(symbols), step):
        part = symbols[first : first + step]
        rows = {symbol: row for row, symbol in enumerate(part)}
        shown = {row: symbol for symbol, row in rows.items() if symbol in charted}
        names = [name for name in feed.names if name not in PRICES] if shown else []
        prices = {name: np.full((len(part), len(sessions)), np.nan) for name in ("open", "high", "low", "close")}
        ratios = np.ones((len(part), len(sessions)))
        columns = {(row, name): np.full(len(sessions), np.nan) for row in shown for name in names}
        for block in feed.blocks(curve.dates[0], curve.dates[-1]):
            codes = np.array([rows.get(symbol, -1) for symbol in block.symbols])
            at = np.flatnonzero(codes >= 0)
            row = codes[at]
            session = np.repeat([sessions[day] for day in block.dates], np.diff(block.bounds))[at]
            for name, values in prices.items():
                values[row, session] = block.prices[name][at]
            if "split_ratio" in block.prices:
                ratios[row, session] = block.prices["split_ratio"][at]
            for place in np.flatnonzero(np.isin(row, list(shown))).tolist() if names else ():
                for name in names:
                    value = block.columns[name][at[place]]
                    if type(value) in (float, int):
                        columns[row[place], name][session[place]] = value
        for action in feed.loose_actions:  # a split on a day without a close counts from the next session on
            place = bisect_left(curve.dates, action.date)
            if action.symbol in rows and place < len(sessions):
                ratios[rows[action.symbol], place] *= action.split_ratio
        splits = np.cumprod(np.where(np.isfinite(ratios) & (ratios > 0), ratios, 1.0), axis=1)
        for symbol, symbol_row in rows.items():
            yield (
                symbol,
                SymbolBars(
                    {name: values[symbol_row] for name, values in prices.items()},
                    {name: values for (row, name), values in columns.items() if row == symbol_row},
                    splits[symbol_row],
                ),
            )


def _values(closes: Array, moves: Sequence[Movement], curve: Curve) -> Array:
    """Return the value of a position at each close: shares × the last close, which splits restate."""
    sessions = np.arange(len(closes))
    latest = np.maximum.accumulate(np.where(np.isnan(closes), 0, sessions))
    prices = closes[latest]
    quantities = np.full(len(closes), np.nan)
    quantity = traded = 0.0
    for move in moves:
        at = bisect_left(curve.dates, move.date)
        quantity = quantity * move.ratio + move.quantity
        traded = max(traded * move.ratio, abs(move.quantity))
        quantity = 0.0 if abs(quantity) <= NOTHING * traded else quantity
        if at < len(closes):
            quantities[at] = quantity
            prices[np.isnan(prices) & (sessions >= at)] = move.price  # a new code without a bar so far
            if move.ratio != 1:  # the last close is still one of before the split
                prices[(sessions >= at) & (latest < at)] /= move.ratio
    changes = np.maximum.accumulate(np.where(np.isnan(quantities), 0, sessions))
    held = np.nan_to_num(quantities[changes])
    return np.where(held != 0, held * prices, 0.0)


def _excursion(bars: SymbolBars, trade: ClosedPosition, curve: Curve, at_close: bool) -> Excursion | None:
    """Return how far the price went against a trade and for it, see `Excursion`."""
    first, last = bisect_left(curve.dates, trade.entry_date), bisect_right(curve.dates, trade.exit_date) - 1
    if not trade.entry_price or last < first:
        return None
    ends_at_close = at_close or trade.reason == "end of run"
    days = slice(first + at_close, last + ends_at_close)
    scale = bars.splits[days] / bars.splits[last]
    lows, highs = bars.prices["low"][days] * scale, bars.prices["high"][days] * scale
    low = np.fmin.reduce(lows, initial=min(trade.entry_price, trade.exit_price)) / trade.entry_price - 1
    high = np.fmax.reduce(highs, initial=max(trade.entry_price, trade.exit_price)) / trade.entry_price - 1
    return Excursion(float(low), float(high)) if trade.quantity > 0 else Excursion(-float(high), -float(low))


def _chart(bars: SymbolBars, feed: Feed) -> Bars:
    """Return the bars of a symbol for a chart, on the scale of the end of the run."""
    later = bars.splits / bars.splits[-1]
    overlays: dict[str, Array] = {}
    panes: dict[str, Array] = {}
    for name, values in bars.columns.items():
        unit = feed.units.get(name)
        if name == "adjusted_close" or not np.isfinite(values).any():
            continue
        scaled = values * later ** (unit.prices - unit.volumes) if unit is not None else values
        (overlays if unit is not None and tuple(unit) == (1, 0) else panes)[name] = scaled
    prices: Mapping[str, Array] = {name: values * later for name, values in bars.prices.items()}
    return Bars(prices["open"], prices["high"], prices["low"], prices["close"], overlays, panes)
