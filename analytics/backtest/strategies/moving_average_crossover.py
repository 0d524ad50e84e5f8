"""Moving-average crossover."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from stockstream.analytics.backtest.model.data import Data
from stockstream.analytics.backtest.model.orders import Action
from stockstream.analytics.backtest.model.portfolio import Portfolio
from stockstream.analytics.backtest.model.sizing import percent_of_equity
from stockstream.analytics.backtest.model.strategy import Strategy


class MovingAverageCrossover(Strategy):
    """Holds a symbol while the mean of its last `fast` closes is above that of its last `slow`.

    Buys for an equal share of `percent` of the account's equity a symbol.
    """

    def __init__(self, fast: int = 20, slow: int = 50, percent: float = 95) -> None:
        self.percent = percent
        self.columns = [f"sma({fast})", f"sma({slow})"]
        self._fast, self._slow = f"sma_{fast}", f"sma_{slow}"

    def on_start(self, symbols: Sequence[str], portfolio: Portfolio) -> None:
        """Divide the money."""
        self._share = self.percent / len(symbols)

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Action | None:
        """Buy above, sell below."""
        fast, slow = data[self._fast], data[self._slow]
        if slow is None or fast is None:
            return None
        if fast > slow:
            if symbol not in portfolio.positions and (quantity := percent_of_equity(portfolio, symbol, self._share)):
                return Action.buy(quantity)
        elif fast < slow and symbol in portfolio.positions:
            return Action.close()
        return None
