"""What the charts of a report draw: plain lists that go into the page as JSON, for assets/report.js."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from stockstream.analytics.backtest.model.portfolio import ClosedPosition, OpenPosition
from stockstream.analytics.backtest.model.result import Curve
from stockstream.analytics.backtest.stats import series as of
from stockstream.analytics.backtest.stats.series import Array

EPOCH = date(1970, 1, 1)
POINTS = 60_000
"""Closes in a page, of all its price charts: about 400 kB."""
MOST_CHARTS = 30


@dataclass(frozen=True)
class PriceHistory:
    """A symbol's closes, to draw its trades on: the same length, oldest first."""

    dates: Sequence[date]
    closes: Sequence[float]


def account(curve: Curve) -> dict[str, Any]:
    """Give the account's curves, one value a session.

    The benchmark is scaled to the equity at its first price; drawdown and exposure are fractions of the equity.
    """
    benchmark = None
    if curve.benchmark is not None and not np.isnan(curve.benchmark).all():
        first = int(np.flatnonzero(~np.isnan(curve.benchmark))[0])
        benchmark = _short(curve.benchmark * (curve.equity[first] / curve.benchmark[first]))
    equity = np.where(curve.equity > 0, curve.equity, np.nan)
    return {
        "days": [(day - EPOCH).days for day in curve.dates],
        "equity": _short(curve.equity),
        "benchmark": benchmark,
        "drawdown": _short(of.drawdown(curve.equity)),
        "long": _short(curve.long / equity),
        "short": _short(curve.short / equity) if curve.short.any() else None,
    }


def traded(
    curve: Curve,
    closed: Sequence[ClosedPosition],
    still_open: Sequence[OpenPosition],
    prices: Mapping[str, PriceHistory],
) -> list[dict[str, Any]]:
    """Give the closes and trades of the symbols that won or lost most, as many as a page should hold.

    A trade is its entry's session and close, its exit's (None if open), whether it is long, and whether it won.
    """
    pnl: defaultdict[str, float] = defaultdict(float)
    for trade in closed:
        pnl[trade.symbol] += trade.pnl
    for position in still_open:
        pnl.setdefault(position.symbol, 0.0)
    most = min(MOST_CHARTS, max(1, POINTS // len(curve.dates)))
    shown = sorted((name for name in pnl if name in prices), key=lambda name: (-abs(pnl[name]), name))[:most]
    sessions = {day: i for i, day in enumerate(curve.dates)}
    found = []
    for name in shown:
        history = prices[name]

        def at(day: date, history: PriceHistory = history) -> list[float]:
            """Give the session and the last close until then: what is delisted has none on the day of its exit."""
            last = max(bisect_right(history.dates, day) - 1, 0)
            return [bisect_right(curve.dates, day) - 1, _rounded(history.closes[last])]

        closes: list[float | None] = [None] * len(curve.dates)
        for day, close in zip(history.dates, history.closes, strict=True):
            if day in sessions:
                closes[sessions[day]] = _rounded(close)
        trades = [
            [at(trade.entry_date), at(trade.exit_date), trade.quantity > 0, trade.pnl > 0]
            for trade in closed
            if trade.symbol == name
        ]
        trades += [[at(p.entry_date), None, p.quantity > 0, False] for p in still_open if p.symbol == name]
        found.append({"symbol": name, "close": closes, "trades": trades})
    return found


def _short(values: Array) -> list[float | None]:
    """Round to what can be seen; JSON has no NaN."""
    return [_rounded(value) if value == value else None for value in values.tolist()]


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
