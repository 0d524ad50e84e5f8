"""The figures of a run: returns, risk, trades and holdings; intervals by resampling; the luck of the best of many."""

from stockstream.analytics.backtest.stats.bootstrap import (
    LEVEL,
    SAMPLES,
    SEED,
    Interval,
    MonteCarlo,
    monte_carlo,
    resampled_returns,
    resampled_trades,
)
from stockstream.analytics.backtest.stats.caution import MIN_TRADES, cautions
from stockstream.analytics.backtest.stats.distribution import histogram
from stockstream.analytics.backtest.stats.figures import FIGURES, GROUPS, Figure
from stockstream.analytics.backtest.stats.holdings import (
    Concentration,
    Holding,
    concentration,
    largest_holdings,
)
from stockstream.analytics.backtest.stats.lots import RoundTrip, RoundTrips, round_trips, trip_figures
from stockstream.analytics.backtest.stats.metrics import (
    Drawdown,
    drawdowns,
    monthly_returns,
    summary,
    yearly_returns,
)
from stockstream.analytics.backtest.stats.overfitting import deflated_sharpe, expected_maximum, probabilistic_sharpe
from stockstream.analytics.backtest.stats.rolling import WINDOW, rolling_beta, rolling_sharpe, rolling_volatility
from stockstream.analytics.backtest.stats.series import YEAR, Array
from stockstream.analytics.backtest.stats.trading import Part, by_side, by_symbol

__all__ = [
    "FIGURES",
    "GROUPS",
    "LEVEL",
    "MIN_TRADES",
    "SAMPLES",
    "SEED",
    "WINDOW",
    "YEAR",
    "Array",
    "Concentration",
    "Drawdown",
    "Figure",
    "Holding",
    "Interval",
    "MonteCarlo",
    "Part",
    "RoundTrip",
    "RoundTrips",
    "by_side",
    "by_symbol",
    "cautions",
    "concentration",
    "deflated_sharpe",
    "drawdowns",
    "expected_maximum",
    "histogram",
    "largest_holdings",
    "monte_carlo",
    "monthly_returns",
    "probabilistic_sharpe",
    "resampled_returns",
    "resampled_trades",
    "rolling_beta",
    "rolling_sharpe",
    "rolling_volatility",
    "round_trips",
    "summary",
    "trip_figures",
    "yearly_returns",
]
