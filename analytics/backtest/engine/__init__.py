"""The event loop, and the account: when orders fill, whether they can be paid, and how they are booked."""

from stockstream.analytics.backtest.engine.account import Account, StrategyError
from stockstream.analytics.backtest.engine.loop import Loop, run
from stockstream.analytics.backtest.engine.memory import initial_of
from stockstream.analytics.backtest.engine.records import Records, records_of
from stockstream.analytics.backtest.engine.state import restore, state_of

__all__ = [
    "Account",
    "Loop",
    "Records",
    "StrategyError",
    "initial_of",
    "records_of",
    "restore",
    "run",
    "state_of",
]
