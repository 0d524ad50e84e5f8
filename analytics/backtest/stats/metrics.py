"""The figures of a backtest: of its curve, its trades and its costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from stockstream.analytics.backtest.model.portfolio import ClosedPosition, Transaction
from stockstream.analytics.backtest.model.result import Costs, Curve
from stockstream.analytics.backtest.stats import series as of
from stockstream.analytics.backtest.stats.series import YEAR, Array, defined


def summary(
    curve: Curve,
    closed_positions: Sequence[ClosedPosition],
    transactions: Sequence[Transaction],
    costs: Costs,
    *,
    risk_free: float = 0.0,
) -> dict[str, float | None]:
    """Give every figure, in a fixed order; None where it is undefined.

    Returns, rates, drawdowns and exposure are fractions (0.1 is 10 %), money is the account's, durations are calendar
    days. `curve.equity[0]` is the capital to start with: nothing can be filled before the second session. Those of the
    benchmark, and those that compare with it, are of the sessions from its first price on.

    Args:
        curve: the account at the close of each session.
        closed_positions: its trades.
        transactions: its fills.
        costs: what was paid.
        risk_free: a year's; a session's is a 252nd of it.
    """
    equity, rf = curve.equity, risk_free / YEAR
    own = of.returns(equity)
    deepest = of.max_drawdown(equity)
    falls = drawdowns(curve)
    pnl = np.array([trade.pnl for trade in closed_positions])
    held = np.array([(trade.exit_date - trade.entry_date).days for trade in closed_positions], dtype=np.float64)
    return {
        "final_equity": float(equity[-1]),
        "total_return": of.total_return(equity),
        "annual_return": of.annual_return(own),
        "cagr": of.cagr(equity, (curve.dates[-1] - curve.dates[0]).days),
        "volatility": of.volatility(own),
        "sharpe": of.sharpe(own, rf),
        "sortino": of.sortino(own, rf),
        "max_drawdown": deepest,
        "max_drawdown_days": falls[0].days if falls else 0,
        "longest_drawdown_days": max((fall.days for fall in falls), default=0),
        "calmar": of.calmar(own, deepest),
        "best_day": best_day(own),
        "worst_day": worst_day(own),
        "trades": len(pnl),
        "win_rate": win_rate(pnl),
        "profit_factor": profit_factor(pnl),
        "average_win": average(pnl[pnl > 0]),
        "average_loss": average(pnl[pnl < 0]),
        "win_loss_ratio": win_loss_ratio(pnl),
        "expectancy": average(pnl),
        "average_holding_days": average(held),
        "time_in_market": time_in_market(curve),
        "mean_exposure": mean_exposure(curve),
        "turnover": turnover(curve, transactions),
        "commission": costs.commission,
        "slippage": costs.slippage,
        "borrow": costs.borrow,
        "interest": costs.interest,
        "costs": costs.commission + costs.slippage + costs.borrow + costs.interest,
        **_against(curve, rf),
    }


def _against(curve: Curve, risk_free: float) -> dict[str, float | None]:
    """Give the benchmark's figures, and the account's against it."""
    priced = np.zeros(0) if curve.benchmark is None else curve.benchmark[~np.isnan(curve.benchmark)]
    benchmark = priced if len(priced) else np.full(1, np.nan)
    market, own = of.returns(benchmark), of.returns(curve.equity[-len(benchmark) :])
    return {
        "benchmark_return": of.total_return(benchmark),
        "benchmark_annual_return": of.annual_return(market),
        "benchmark_volatility": of.volatility(market),
        "benchmark_sharpe": of.sharpe(market, risk_free),
        "benchmark_max_drawdown": of.max_drawdown(benchmark),
        "beta": of.beta(own, market),
        "alpha": of.alpha(own, market, risk_free),
        "correlation": of.correlation(own, market),
    }


@defined
def best_day(returns: Array) -> float | None:
    """Highest return of a session: a fraction."""
    return returns.max() if len(returns) else None


@defined
def worst_day(returns: Array) -> float | None:
    """Lowest return of a session: a fraction."""
    return returns.min() if len(returns) else None


@defined
def average(values: Array) -> float:
    """Arithmetic mean."""
    return values.sum() / len(values) if len(values) else math.nan


@defined
def win_rate(pnl: Array) -> float:
    """Share of the trades that earned money after costs; one that earned nothing is no win. As backtesting.py.

    quantstats' win_rate is of days, not of trades.
    """
    return np.count_nonzero(pnl > 0) / len(pnl)


@defined
def profit_factor(pnl: Array) -> float | None:
    """Money won by the winning trades over money lost by the others, after costs.

    backtesting.py divides sums of per cent, so that a large trade counts no more than a small one; quantstats' is of
    days.
    """
    lost = -pnl[pnl < 0].sum()
    return pnl[pnl > 0].sum() / lost if lost else None


@defined
def win_loss_ratio(pnl: Array) -> float | None:
    """Average win over average loss, as a positive number."""
    win, loss = average(pnl[pnl > 0]), average(pnl[pnl < 0])
    return None if win is None or loss is None else win / -loss


@defined
def time_in_market(curve: Curve) -> float:
    """Share of the sessions that ended with a position.

    backtesting.py's "Exposure Time" counts the session on which a position was closed, too, but not a position that is
    still open in the end.
    """
    return np.count_nonzero((curve.long != 0) | (curve.short != 0)) / len(curve.long)


@defined
def mean_exposure(curve: Curve) -> float | None:
    """Mean of the gross exposure: (long + |short|) / equity at each close; 1 is fully invested, more is borrowed."""
    return float(((curve.long - curve.short) / curve.equity).mean()) if (curve.equity > 0).all() else None


@defined
def turnover(curve: Curve, transactions: Sequence[Transaction]) -> float | None:
    """Half the money traded in a year of 252 sessions over the mean equity: 1 is all bought and sold once a year."""
    traded = sum([abs(fill.quantity) * fill.price for fill in transactions])
    years = (len(curve.equity) - 1) / YEAR
    return float(traded / 2 / years / curve.equity.mean()) if (curve.equity > 0).all() else None


@dataclass(frozen=True, slots=True)
class Drawdown:
    """A fall below the highest equity so far, until that is reached again."""

    depth: float
    """At the trough: a fraction, negative."""
    peak: date
    """The last session at the highest equity."""
    trough: date
    recovery: date | None
    """The first session at that equity again, or above; None: not by the last one."""
    days: int
    """Calendar days from the peak to the recovery, else to the last session."""


def drawdowns(curve: Curve) -> list[Drawdown]:
    """Give every drawdown, the deepest first; of equal ones the earlier first."""
    depth = of.drawdown(curve.equity)
    below = np.concatenate(([0], (depth < 0).astype(np.int8), [0]))
    starts, ends = np.flatnonzero(np.diff(below) == 1), np.flatnonzero(np.diff(below) == -1)
    last = len(depth) - 1
    found = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        trough = start + int(depth[start:end].argmin())
        peak, recovery = curve.dates[start - 1], curve.dates[end] if end <= last else None
        days = ((recovery or curve.dates[last]) - peak).days
        found.append(Drawdown(float(depth[trough]), peak, curve.dates[trough], recovery, days))
    return sorted(found, key=lambda fall: fall.depth)


def monthly_returns(curve: Curve) -> dict[int, list[float | None]]:
    """Give each year's twelve returns, from the end of one month to the end of the next: fractions.

    The first is from the first session. None: no session's return is in that month. empyrical.aggregate_returns.
    """
    table: dict[int, list[float | None]] = {year: [None] * 12 for year in _years(curve)}
    for (year, month), value in _between_ends(curve, [(day.year, day.month) for day in curve.dates]).items():
        table[year][month - 1] = value
    return table


def yearly_returns(curve: Curve) -> dict[int, float | None]:
    """Give each calendar year's return, the first from the first session: fractions."""
    found = _between_ends(curve, [(day.year, 0) for day in curve.dates])
    return {year: found.get((year, 0)) for year in _years(curve)}


def _years(curve: Curve) -> range:
    return range(curve.dates[0].year, curve.dates[-1].year + 1)


def _between_ends(curve: Curve, periods: list[tuple[int, int]]) -> dict[tuple[int, int], float | None]:
    """Give the return of each period, from the last session of the one before."""
    ends = {period: i for i, period in enumerate(periods)}
    starts = [0, *ends.values()]
    return {
        period: of.total_return(curve.equity[[start, end]])
        for (period, end), start in zip(ends.items(), starts, strict=False)
        if end > start
    }
