"""Backtests of stateful strategies on what queries of a lake give.

from stockstream.analytics.backtest import MovingAverageCrossover, backtest
result = backtest(MovingAverageCrossover(fast=20, slow=50), "./lake", symbols=["BHP", "CBA"], start="2020-01-01")
result.metrics["sharpe"]

strategy.py is what one writes; orders.py and portfolio.py what it sees. query.py writes the one query and feed.py
streams it; engine.py is the loop; matching.py, broker.py, books.py and costs.py are the rules of the account.
"""

from stockstream.analytics.backtest.model.data import Data
from stockstream.analytics.backtest.model.orders import Action, Order
from stockstream.analytics.backtest.model.portfolio import ClosedPosition, Portfolio, Position, Transaction
from stockstream.analytics.backtest.model.result import Result
from stockstream.analytics.backtest.model.sizing import fixed_money, percent_of_equity, rebalance, volatility_target
from stockstream.analytics.backtest.model.strategy import Strategy
from stockstream.analytics.backtest.runs.single import backtest
from stockstream.analytics.backtest.strategies import (
    BollingerBreakout,
    BuyAndHold,
    Momentum,
    MovingAverageCrossover,
    PairsTrade,
    RSIMeanReversion,
)

__all__ = [
    "Action",
    "BollingerBreakout",
    "BuyAndHold",
    "ClosedPosition",
    "Data",
    "Momentum",
    "MovingAverageCrossover",
    "Order",
    "PairsTrade",
    "Portfolio",
    "Position",
    "RSIMeanReversion",
    "Result",
    "Strategy",
    "Transaction",
    "backtest",
    "fixed_money",
    "percent_of_equity",
    "rebalance",
    "volatility_target",
]
