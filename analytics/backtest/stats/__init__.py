"""The metrics of a run: returns, risk and trades; and the probability that the best of many runs is only luck."""

from stockstream.analytics.backtest.stats.metrics import (
    LESS_IS_BETTER,
    Drawdown,
    drawdowns,
    monthly_returns,
    summary,
    yearly_returns,
)
from stockstream.analytics.backtest.stats.overfitting import deflated_sharpe, expected_maximum, probabilistic_sharpe
from stockstream.analytics.backtest.stats.series import Array

__all__ = [
    "LESS_IS_BETTER",
    "Array",
    "Drawdown",
    "deflated_sharpe",
    "drawdowns",
    "expected_maximum",
    "monthly_returns",
    "probabilistic_sharpe",
    "summary",
    "yearly_returns",
]
