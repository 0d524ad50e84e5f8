"""Buy and hold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from stockstream.analytics.backtest.model import Action, Data, Portfolio, Strategy, fixed_money


class BuyAndHold(Strategy):
    """Buys each symbol after its first bar and holds it, for an equal share of `percent` of the initial capital.

    The capital is divided among the symbols that have traded so far. Those that start to trade later are bought with
    the money that is left: how many will do so is not known before.
    """

    def __init__(self, percent: float = 95) -> None:
        self.percent = percent

    def on_start(self, symbols: Sequence[str], portfolio: Portfolio) -> None:
        """Reset the state."""
        self._bought: dict[str, bool] = {}  # not a set, which the state of a `Session` cannot have

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Action | None:
        """Buy a symbol once."""
        if symbol in self._bought:
            return None
        self._bought[symbol] = True
        share = portfolio.initial_capital * self.percent / 100 / len(portfolio.prices)
        quantity = fixed_money(portfolio, symbol, min(share, 0.95 * portfolio.buying_power))
        return Action.buy(quantity) if quantity else None
