"""RSI mean reversion."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from stockstream.analytics.backtest.model.data import Data
from stockstream.analytics.backtest.model.orders import Action
from stockstream.analytics.backtest.model.portfolio import Portfolio
from stockstream.analytics.backtest.model.sizing import percent_of_equity
from stockstream.analytics.backtest.model.strategy import Strategy


class RSIMeanReversion(Strategy):
    """Buys when the RSI of `n` bars is below `oversold`, and sells when it is above `overbought`.

    With `stop_loss` (per cent of the close, 0 for none) each position has a stop from the start.
    """

    def __init__(
        self, n: int = 14, oversold: float = 30, overbought: float = 70, stop_loss: float = 0, percent: float = 95
    ) -> None:
        self.oversold, self.overbought, self.stop_loss, self.percent = oversold, overbought, stop_loss, percent
        self.columns = [f"rsi({n})"]
        self._rsi = f"rsi_{n}"

    def on_start(self, symbols: Sequence[str], portfolio: Portfolio) -> None:
        """Divide the money."""
        self._share = self.percent / len(symbols)

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Action | None:
        """Buy what has fallen, sell what has risen."""
        rsi = data[self._rsi]
        if rsi is None:
            return None
        if rsi < self.oversold and symbol not in portfolio.positions:
            stop = portfolio.price(symbol) * (1 - self.stop_loss / 100) if self.stop_loss else None
            quantity = percent_of_equity(portfolio, symbol, self._share)
            return Action.buy(quantity, stop_loss=stop) if quantity else None
        if rsi > self.overbought and symbol in portfolio.positions:
            return Action.close()
        return None
