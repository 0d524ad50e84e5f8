"""Buy on Mondays, sell on Fridays."""

from __future__ import annotations

from datetime import date

from stockstream.analytics.backtest.model import Action, Data, Portfolio, Strategy, fixed_money


class EveryMonday(Strategy):
    """Hold each symbol from Monday to Friday, for `money` per symbol."""

    def __init__(self, money: float = 5000) -> None:
        self.money = money

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Action | None:
        """Buy on a Monday and sell on a Friday."""
        shares = portfolio.quantity(symbol)
        if date.weekday() == 0 and not shares:
            quantity = fixed_money(portfolio, symbol, self.money)
            return Action.buy(quantity) if quantity else None
        return Action.sell(shares) if date.weekday() == 4 and shares else None
