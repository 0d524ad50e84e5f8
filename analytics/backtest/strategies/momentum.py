"""Momentum, rebalanced by the month."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from stockstream.analytics.backtest.model.data import Data
from stockstream.analytics.backtest.model.orders import Action
from stockstream.analytics.backtest.model.portfolio import Portfolio
from stockstream.analytics.backtest.model.sizing import rebalance
from stockstream.analytics.backtest.model.strategy import Strategy


class Momentum(Strategy):
    """Holds the `top` symbols that have risen the most in `n` bars, in equal parts.

    Decides in the first session of each month; a symbol that has fallen is not bought.
    Jegadeesh and Titman, Returns to Buying Winners and Selling Losers (1993).
    """

    def __init__(self, n: int = 126, top: int = 10, percent: float = 95) -> None:
        self.top, self.percent = top, percent
        self.columns = [f"roc({n})"]
        self._roc = f"roc_{n}"

    def on_start(self, symbols: Sequence[str], portfolio: Portfolio) -> None:
        """Begin with nothing known."""
        self._rates: dict[str, float] = {}
        self._month = 0

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None:
        """Take note of how far each has risen."""
        rate = data[self._roc]
        if rate is not None:
            self._rates[symbol] = rate

    def on_bar_end(self, date: date, portfolio: Portfolio) -> Iterable[Action] | None:
        """Rank what was traded in this session."""
        rates, self._rates = self._rates, {}
        if date.month == self._month or not rates:
            return None
        self._month = date.month
        risen = sorted((symbol for symbol, rate in rates.items() if rate > 0), key=lambda symbol: -rates[symbol])
        return rebalance(portfolio, dict.fromkeys(risen[: self.top], self.percent / self.top))
