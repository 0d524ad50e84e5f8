"""The data of the charts in a report: plain lists that the page embeds as JSON for assets/report.js."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from stockstream.analytics.backtest.model import ClosedPosition, Curve, OpenPosition
from stockstream.analytics.backtest.stats import Array, series

EPOCH = date(1970, 1, 1)
POINTS = 60_000
"""Maximum number of closes in all price charts of a page together: about 400 kB."""
MAX_CHARTS = 30
"""Maximum number of price charts in a page."""


@dataclass(frozen=True)
class PriceHistory:
    """The closes of a symbol, for the chart of its trades: two lists of the same length, oldest first."""

    dates: Sequence[date]
    closes: Sequence[float]


def account_curves(curve: Curve) -> dict[str, Any]:
    """Return the account's curves, one value per session.

    Days are numbers since 1970-01-01, equity and benchmark are money: the benchmark is scaled to the equity at its
    first price. Drawdown is a fraction of the peak, long and short exposure are fractions of the equity.
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
        "drawdown": _short(series.drawdown(curve.equity)),
        "long": _short(curve.long / equity),
        "short": _short(curve.short / equity) if curve.short.any() else None,
    }


def price_charts(
    curve: Curve,
    closed: Sequence[ClosedPosition],
    still_open: Sequence[OpenPosition],
    prices: Mapping[str, PriceHistory],
) -> list[dict[str, Any]]:
    """Return the closes and trades of the symbols with the largest profits and losses, up to `POINTS` closes.

    A trade is [entry, exit, is long, is a win]. Entry and exit are [session number, close]; the exit of a trade that is
    still open is None.
    """
    pnl: defaultdict[str, float] = defaultdict(float)
    for trade in closed:
        pnl[trade.symbol] += trade.pnl
    for position in still_open:
        pnl.setdefault(position.symbol, 0.0)
    count = min(MAX_CHARTS, max(1, POINTS // len(curve.dates)))
    names = sorted((name for name in pnl if name in prices), key=lambda name: (-abs(pnl[name]), name))[:count]
    sessions = {day: i for i, day in enumerate(curve.dates)}
    charts = []
    for name in names:
        history = prices[name]

        def at(day: date, history: PriceHistory = history) -> list[float]:
            """Return a session's number and the last close up to it: a delisted symbol has no close on its exit day."""
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
        charts.append({"symbol": name, "close": closes, "trades": trades})
    return charts


def _short(values: Array) -> list[float | None]:
    """Return values with six significant digits, enough for a chart; NaN becomes None, because JSON has no NaN."""
    return [_rounded(value) if value == value else None for value in values.tolist()]


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
