"""Buy and hold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from stockstream.analytics.backtest.model import Action, Data, Portfolio, Strategy, fixed_money


class BuyAndHold(Strategy):
    """Buys each symbol after its first bar, for an equal share of `percent` of the initial capital, and holds it."""

    def __init__(self, percent: float = 95) -> None:
        self.percent = percent

    def on_start(self, symbols: Sequence[str], portfolio: Portfolio) -> None:
        """Divide the capital among the symbols."""
        self._bought: dict[str, bool] = {}  # not a set, which the state of a `Session` cannot have
        self._share = portfolio.initial_capital * self.percent / 100 / len(symbols)

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Action | None:
        """Buy a symbol once."""
        if symbol in self._bought:
            return None
        self._bought[symbol] = True
        quantity = fixed_money(portfolio, symbol, self._share)
        return Action.buy(quantity) if quantity else None
