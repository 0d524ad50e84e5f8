"""Momentum, rebalanced monthly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from stockstream.analytics.backtest.model import Action, Data, Portfolio, Strategy, rebalance


class Momentum(Strategy):
    """Holds the `top` symbols with the highest return over `n` bars, in equal parts of `percent` of the equity.

    It decides after the first session of each month, and only buys symbols with a positive return.
    Source: Jegadeesh and Titman, Returns to Buying Winners and Selling Losers (1993).
    """

    def __init__(self, n: int = 126, top: int = 10, percent: float = 95) -> None:
        self.top, self.percent = top, percent
        self.columns = [f"roc({n})"]
        self._roc = f"roc_{n}"

    def on_start(self, symbols: Sequence[str], portfolio: Portfolio) -> None:
        """Reset the state."""
        self._rates: dict[str, float] = {}
        self._month = 0

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None:
        """Record the symbol's return."""
        rate = data[self._roc]
        if rate is not None:
            self._rates[symbol] = rate

    def on_bar_end(self, date: date, portfolio: Portfolio) -> Iterable[Action] | None:
        """Rank the symbols traded in this session, once per month."""
        rates, self._rates = self._rates, {}
        if date.month == self._month or not rates:
            return None
        self._month = date.month
        winners = sorted((symbol for symbol, rate in rates.items() if rate > 0), key=lambda symbol: -rates[symbol])
        return rebalance(portfolio, dict.fromkeys(winners[: self.top], self.percent / self.top))
