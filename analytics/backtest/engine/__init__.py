"""The event loop, and the account: when orders fill, whether they can be paid, and how they are booked."""

from stockstream.analytics.backtest.engine.loop import Account, StrategyError, run

__all__ = [
    "Account",
    "StrategyError",
    "run",
]
