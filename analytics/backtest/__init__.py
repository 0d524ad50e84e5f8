"""Backtests of strategies in Python on the bars and indicators of a lake.

from stockstream.analytics.backtest import MovingAverageCrossover, backtest
result = backtest(MovingAverageCrossover(fast=20, slow=50), "./lake", symbols=["BHP", "CBA"], start="2020-01-01")
result.metrics["sharpe"]

The packages, each layer importing only those below it (tests/analytics/backtest/test_layers.py):

    this module                what strategies and scripts import
    runs                       a single run, a parameter search, a walk-forward analysis, a check for look-ahead
    engine, report             the event loop and the account; files and the HTML page
    feed, stats, strategies    bars from the lake; metrics; the shipped strategies
    model                      strategy, orders, portfolio, setup, costs, result
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.analytics.backtest.model import (
    Action,
    ClosedPosition,
    Data,
    Order,
    Portfolio,
    Position,
    Result,
    Setup,
    SignalStrategy,
    Strategy,
    Transaction,
    fixed_money,
    optimal_weights,
    percent_of_equity,
    rebalance,
    volatility_target,
)
from stockstream.sql.extras import naming_the_extra

if TYPE_CHECKING:
    from stockstream.analytics.backtest.runs import (
        Session,
        backtest,
        blend,
        monte_carlo,
        pyfolio_frames,
        sample,
        search,
        verify,
        walk_forward,
    )

RUNS = ("Session", "backtest", "blend", "monte_carlo", "pyfolio_frames", "sample", "search", "verify", "walk_forward")

__all__ = [
    "Action",
    "ClosedPosition",
    "Data",
    "Order",
    "Portfolio",
    "Position",
    "Result",
    "Session",
    "Setup",
    "SignalStrategy",
    "Strategy",
    "Transaction",
    "backtest",
    "blend",
    "fixed_money",
    "monte_carlo",
    "optimal_weights",
    "percent_of_equity",
    "pyfolio_frames",
    "rebalance",
    "sample",
    "search",
    "verify",
    "volatility_target",
    "walk_forward",
]


def __getattr__(name: str) -> type[Strategy]:
    """Import the functions that run a strategy, and the shipped strategies, at their first use.

    `runs` imports numpy and pyarrow, which neither a strategy's file nor the help of the command line needs.

    Raises:
        AttributeError: the package has no such name.
        MissingPackage: the extra `backtest` is not installed.
    """
    if name in RUNS:
        with naming_the_extra():
            from stockstream.analytics.backtest import runs

        return getattr(runs, name)  # type: ignore[no-any-return]
    if name[0].isupper():
        from stockstream.analytics.backtest.strategies import SHIPPED

        if name in SHIPPED:
            return SHIPPED[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    from stockstream.analytics.backtest.strategies import SHIPPED

    return sorted({*__all__, *SHIPPED, *(name for name in globals() if name.startswith("__"))})
