"""The metrics of a backtest, computed from its equity curve, its trades and its costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from stockstream.analytics.backtest.model import ClosedPosition, Costs, Curve, OpenPosition, Transaction
from stockstream.analytics.backtest.stats import distribution, series
from stockstream.analytics.backtest.stats.series import YEAR, none_if_undefined
from stockstream.analytics.backtest.stats.trading import average, profit_factor, win_loss_ratio, win_rate


def summary(
    curve: Curve,
    closed_positions: Sequence[ClosedPosition],
    transactions: Sequence[Transaction],
    costs: Costs,
    open_positions: Sequence[OpenPosition] = (),
    *,
    risk_free: float = 0.0,
) -> dict[str, float | None]:
    """Return every figure of `FIGURES` by name, in its order; None if it is undefined.

    Returns, rates, drawdowns and exposure are fractions (0.1 is 10 %), money is in the account's currency, durations
    are in calendar days. `curve.equity[0]` is the initial capital: no order can fill before the second session.
    Metrics of the benchmark, and metrics relative to it, cover the sessions from its first price on.

    Args:
        curve: the account at the close of each session.
        closed_positions: the closed trades.
        transactions: the fills.
        costs: the total costs.
        open_positions: the positions at the end.
        risk_free: annual risk-free rate; per session it is divided by 252.
    """
    equity, rf = curve.equity, risk_free / YEAR
    returns = series.returns(equity)
    deepest = series.max_drawdown(equity)
    falls = drawdowns(curve)
    pnl = np.array([trade.pnl for trade in closed_positions])
    holding_days = np.array([(trade.exit_date - trade.entry_date).days for trade in closed_positions], dtype=np.float64)
    return {
        "final_equity": float(equity[-1]),
        "total_return": series.total_return(equity),
        "annual_return": series.annual_return(returns),
        "cagr": series.cagr(equity, (curve.dates[-1] - curve.dates[0]).days),
        "volatility": series.volatility(returns),
        "sharpe": series.sharpe(returns, rf),
        "sortino": series.sortino(returns, rf),
        "calmar": series.calmar(returns, deepest),
        "max_drawdown": deepest,
        "max_drawdown_days": falls[0].days if falls else 0,
        "longest_drawdown_days": max((fall.days for fall in falls), default=0),
        "ulcer_index": distribution.ulcer_index(equity),
        "best_day": distribution.best_day(returns),
        "worst_day": distribution.worst_day(returns),
        "value_at_risk": distribution.value_at_risk(returns),
        "conditional_value_at_risk": distribution.conditional_value_at_risk(returns),
        "skew": distribution.skew(returns),
        "kurtosis": distribution.kurtosis(returns),
        "tail_ratio": distribution.tail_ratio(returns),
        "omega": distribution.omega(returns, rf),
        "trades": len(pnl),
        "win_rate": win_rate(pnl),
        "profit_factor": profit_factor(pnl),
        "average_win": average(pnl[pnl > 0]),
        "average_loss": average(pnl[pnl < 0]),
        "win_loss_ratio": win_loss_ratio(pnl),
        "expectancy": average(pnl),
        "average_holding_days": average(holding_days),
        "open_positions": len(open_positions),
        "open_pnl": sum([position.pnl for position in open_positions], 0.0),
        "time_in_market": time_in_market(curve),
        "mean_exposure": mean_exposure(curve),
        "turnover": turnover(curve, transactions),
        "commission": costs.commission,
        "slippage": costs.slippage,
        "borrow": costs.borrow,
        "interest": costs.interest,
        "costs": costs.commission + costs.slippage + costs.borrow + costs.interest,
        **_relative(curve, rf),
    }


def _relative(curve: Curve, risk_free: float) -> dict[str, float | None]:
    """Return the metrics of the benchmark, and those of the account relative to it."""
    closes = np.zeros(0) if curve.benchmark is None else curve.benchmark[~np.isnan(curve.benchmark)]
    benchmark = closes if len(closes) else np.full(1, np.nan)
    market, account = series.returns(benchmark), series.returns(curve.equity[-len(benchmark) :])
    return {
        "benchmark_return": series.total_return(benchmark),
        "benchmark_annual_return": series.annual_return(market),
        "benchmark_volatility": series.volatility(market),
        "benchmark_sharpe": series.sharpe(market, risk_free),
        "benchmark_max_drawdown": series.max_drawdown(benchmark),
        "beta": series.beta(account, market),
        "alpha": series.alpha(account, market, risk_free),
        "correlation": series.correlation(account, market),
        "tracking_error": series.tracking_error(account, market),
        "information_ratio": series.information_ratio(account, market),
    }


@none_if_undefined
def time_in_market(curve: Curve) -> float:
    """Fraction of the sessions that ended with a position.

    backtesting.py's "Exposure Time" also counts the session in which a position was closed, but not a position that
    is still open at the end.
    """
    return np.count_nonzero((curve.long != 0) | (curve.short != 0)) / len(curve.long)


@none_if_undefined
def mean_exposure(curve: Curve) -> float | None:
    """Mean of (long + |short|) ÷ equity at the close; 1 is fully invested, more than 1 is leveraged."""
    return float(((curve.long - curve.short) / curve.equity).mean()) if (curve.equity > 0).all() else None


@none_if_undefined
def turnover(curve: Curve, transactions: Sequence[Transaction]) -> float | None:
    """Half the money traded per 252 sessions ÷ mean equity; 1: all of the equity is bought and sold once per year."""
    money = sum([abs(fill.quantity) * fill.price for fill in transactions])
    years = (len(curve.equity) - 1) / YEAR
    return float(money / 2 / years / curve.equity.mean()) if (curve.equity > 0).all() else None


@dataclass(frozen=True, slots=True)
class Drawdown:
    """A period in which the equity is below its highest value so far."""

    depth: float
    """Fall from the peak to the trough: a negative fraction."""
    peak: date
    """The last session at the highest equity."""
    trough: date
    recovery: date | None
    """The first session at or above that equity again; None if there is none."""
    days: int
    """Calendar days from the peak to the recovery, or to the last session."""


def drawdowns(curve: Curve) -> list[Drawdown]:
    """Return every drawdown, the deepest first; of equal drawdowns, the earlier comes first."""
    depth = series.drawdown(curve.equity)
    below = np.concatenate(([0], (depth < 0).astype(np.int8), [0]))
    starts, ends = np.flatnonzero(np.diff(below) == 1), np.flatnonzero(np.diff(below) == -1)
    last = len(depth) - 1
    result = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        trough = start + int(depth[start:end].argmin())
        peak, recovery = curve.dates[start - 1], curve.dates[end] if end <= last else None
        days = ((recovery or curve.dates[last]) - peak).days
        result.append(Drawdown(float(depth[trough]), peak, curve.dates[trough], recovery, days))
    return sorted(result, key=lambda fall: fall.depth)


def monthly_returns(curve: Curve) -> dict[int, list[float | None]]:
    """Return twelve monthly returns per year, from month end to month end: fractions.

    The first month starts at the first session. None: the month has no return. The same as
    empyrical.aggregate_returns.
    """
    table: dict[int, list[float | None]] = {year: [None] * 12 for year in _years(curve)}
    for (year, month), value in _between_ends(curve, [(day.year, day.month) for day in curve.dates]).items():
        table[year][month - 1] = value
    return table


def yearly_returns(curve: Curve) -> dict[int, float | None]:
    """Return the return per calendar year as a fraction; the first year starts at the first session."""
    returns = _between_ends(curve, [(day.year, 0) for day in curve.dates])
    return {year: returns.get((year, 0)) for year in _years(curve)}


def _years(curve: Curve) -> range:
    return range(curve.dates[0].year, curve.dates[-1].year + 1)


def _between_ends(curve: Curve, periods: list[tuple[int, int]]) -> dict[tuple[int, int], float | None]:
    """Return the return per period, measured from the last session of the previous period."""
    ends = {period: i for i, period in enumerate(periods)}
    starts = [0, *ends.values()]
    return {
        period: series.total_return(curve.equity[[start, end]])
        for (period, end), start in zip(ends.items(), starts, strict=False)
        if end > start
    }
