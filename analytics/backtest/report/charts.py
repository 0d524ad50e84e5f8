"""The data of the charts in a report: plain lists that the page embeds as JSON for assets/report.js."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from stockstream.analytics.backtest.model import Bars, Curve, History, Result
from stockstream.analytics.backtest.stats import (
    Array,
    concentration,
    histogram,
    rolling_beta,
    rolling_sharpe,
    rolling_volatility,
    series,
)

EPOCH = date(1970, 1, 1)
POINTS = 60_000
"""Maximum number of closes in all price charts of a page together: about 400 kB."""
CANDLE_POINTS = 40_000
"""Maximum number of further values in the price charts: opens, highs, lows and the strategy's columns."""
MAX_CHARTS = 30
"""Maximum number of price charts in a page."""
MAX_LINES = 6
"""Maximum number of the strategy's columns in a price chart, and of the charts below it."""
THIN_POINTS = 800
"""Maximum number of points of a chart of slow figures, such as rolling ones: every n-th session is drawn."""
MAX_DOTS = 2000
"""Maximum number of trades in the charts of excursions."""


def account_curves(curve: Curve) -> dict[str, Any]:
    """Return the account's curves, one value per session.

    Days are numbers since 1970-01-01, equity and benchmark are money: the benchmark is scaled to the equity at its
    first price. Drawdown is a fraction of the peak, long and short exposure are fractions of the equity.
    """
    benchmark = None
    if curve.benchmark is not None and not np.isnan(curve.benchmark).all():
        first = int(np.flatnonzero(~np.isnan(curve.benchmark))[0])
        benchmark = short(curve.benchmark * (curve.equity[first] / curve.benchmark[first]))
    equity = np.where(curve.equity > 0, curve.equity, np.nan)
    return {
        "days": day_numbers(curve.dates),
        "equity": short(curve.equity),
        "benchmark": benchmark,
        "drawdown": short(series.drawdown(curve.equity)),
        "long": short(curve.long / equity),
        "short": short(curve.short / equity) if curve.short.any() else None,
    }


def rolling_curves(curve: Curve, risk_free: float) -> dict[str, Any] | None:
    """Return Sharpe ratio, volatility and beta over a moving window; None if the run is shorter than the window.

    Args:
        curve: the account.
        risk_free: risk-free return per session.
    """
    returns = series.returns(curve.equity)
    market = None if curve.benchmark is None else series.returns(curve.benchmark)
    volatility = rolling_volatility(returns)
    values = {
        "sharpe": rolling_sharpe(returns, risk_free),
        "volatility": volatility,
        "beta": None if market is None or np.isnan(market).all() else rolling_beta(returns, market),
    }
    if not np.isfinite(volatility).any():
        return None
    shown = thinned(len(returns))
    return {
        "days": [day_numbers(curve.dates)[1:][at] for at in shown],
        **{name: None if column is None else short(column[shown]) for name, column in values.items()},
    }


def return_bars(curve: Curve) -> dict[str, Any] | None:
    """Return the histogram of the daily returns: the middle of each bin, a fraction, and the number of sessions."""
    counts, edges = histogram(series.returns(curve.equity))
    if not len(counts):
        return None
    return {"middle": short((edges[1:] + edges[:-1]) / 2), "sessions": [int(count) for count in counts]}


def holding_curves(history: History | None, curve: Curve) -> dict[str, Any] | None:
    """Return number and concentration of the positions over time; None without holdings."""
    if history is None or not history.holdings:
        return None
    part = concentration(history.holdings, curve.equity)
    shown = thinned(len(curve.dates))
    days = day_numbers(curve.dates)
    return {
        "days": [days[at] for at in shown],
        "positions": short(part.positions[shown]),
        "effective": short(part.effective[shown]),
        "largest": short(part.largest[shown]),
        "five": short(part.five_largest[shown]),
    }


def excursion_dots(result: Result) -> list[list[Any]]:
    """Return [MAE, MFE, return, number of the trade] per closed trade, fractions of the entry price."""
    if result.history is None:
        return []
    dots = [
        [_rounded(excursion.adverse), _rounded(excursion.favourable), _rounded(trade.return_pct / 100), number]
        for number, (trade, excursion) in enumerate(
            zip(result.closed_positions, result.history.excursions, strict=True), 1
        )
        if excursion is not None
    ]
    return dots[-MAX_DOTS:]


def price_charts(result: Result) -> list[dict[str, Any]]:
    """Return the bars and trades of the symbols with the largest profits and losses, up to `POINTS` closes.

    A trade is [entry, exit, is long, is a win]. Entry and exit are [session number, close]; the exit of a trade that is
    still open is None. Opens, highs, lows and the strategy's columns are there for the first symbols, up to
    `CANDLE_POINTS`.
    """
    curve, closed, still_open = result.curve, result.closed_positions, result.open_positions
    bars = result.history.bars if result.history is not None else {}
    pnl: defaultdict[str, float] = defaultdict(float)
    for trade in closed:
        pnl[trade.symbol] += trade.pnl
    for position in still_open:
        pnl.setdefault(position.symbol, 0.0)
    count = min(MAX_CHARTS, max(1, POINTS // len(curve.dates)))
    names = sorted((name for name in pnl if name in bars), key=lambda name: (-abs(pnl[name]), name))[:count]
    charts, budget = [], CANDLE_POINTS
    for name in names:
        closes = bars[name].close

        def at(day: date, closes: Array = closes) -> list[Any]:
            """Return a session's number and the last close up to it: a delisted symbol has no close on its exit day."""
            number = bisect_right(curve.dates, day) - 1
            past = closes[: number + 1]
            finite = past[~np.isnan(past)]
            return [number, _rounded(float(finite[-1])) if len(finite) else None]

        trades = [
            [at(trade.entry_date), at(trade.exit_date), trade.quantity > 0, trade.pnl > 0]
            for trade in closed
            if trade.symbol == name
        ]
        trades += [[at(p.entry_date), None, p.quantity > 0, False] for p in still_open if p.symbol == name]
        chart: dict[str, Any] = {"symbol": name, "close": short(closes), "trades": trades}
        further = _further(bars[name])
        size = len(curve.dates) * sum(len(part) for part in further.values())
        if size <= budget:
            budget -= size
            for part, columns in further.items():
                chart[part] = {key: short(values) for key, values in columns.items()}
        charts.append(chart)
    return charts


def _further(bars: Bars) -> dict[str, dict[str, Array]]:
    """Return the values of a chart with candles besides the closes: the bars, and the strategy's columns."""
    return {
        "bar": {"open": bars.open, "high": bars.high, "low": bars.low},
        "overlays": dict(list(bars.overlays.items())[:MAX_LINES]),
        "panes": dict(list(bars.panes.items())[:MAX_LINES]),
    }


def thinned(count: int, points: int = THIN_POINTS) -> list[int]:
    """Return every n-th of `count` positions, at most `points`, always with the last one."""
    step = -(-count // points) if count else 1
    return list(range((count - 1) % step, count, step))


def day_numbers(dates: Sequence[date]) -> list[int]:
    """Return the days as numbers since 1970-01-01."""
    return [(day - EPOCH).days for day in dates]


def short(values: Array) -> list[float | None]:
    """Return values with six significant digits, enough for a chart; NaN becomes None, because JSON has no NaN."""
    return [_rounded(value) if value == value else None for value in values.tolist()]


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")


def chart_data(result: Result, benchmark: str) -> Mapping[str, Any]:
    """Return the data of all charts of a page."""
    risk_free = float(result.setup.get("risk_free_rate") or 0.0) / series.YEAR
    return {
        "account": account_curves(result.curve),
        "benchmark": benchmark,
        "rolling": rolling_curves(result.curve, risk_free),
        "histogram": return_bars(result.curve),
        "holdings": holding_curves(result.history, result.curve),
        "excursions": excursion_dots(result),
        "traded": price_charts(result),
    }
