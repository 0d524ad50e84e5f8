"""Strategies that are shipped: one a file, to run and to copy from."""

from stockstream.analytics.backtest.strategies.bollinger_breakout import BollingerBreakout
from stockstream.analytics.backtest.strategies.buy_and_hold import BuyAndHold
from stockstream.analytics.backtest.strategies.momentum import Momentum
from stockstream.analytics.backtest.strategies.moving_average_crossover import MovingAverageCrossover
from stockstream.analytics.backtest.strategies.pairs_trade import PairsTrade
from stockstream.analytics.backtest.strategies.rsi_mean_reversion import RSIMeanReversion

SHIPPED = {
    strategy.__name__: strategy
    for strategy in (BollingerBreakout, BuyAndHold, Momentum, MovingAverageCrossover, PairsTrade, RSIMeanReversion)
}

__all__ = [
    "SHIPPED",
    "BollingerBreakout",
    "BuyAndHold",
    "Momentum",
    "MovingAverageCrossover",
    "PairsTrade",
    "RSIMeanReversion",
]
