"""Buy in a new month, sell at the end of its second week."""

from __future__ import annotations

from datetime import date

from stockstream.analytics.backtest.model import Action, Data, Portfolio, Strategy, fixed_money


class EveryMonth(Strategy):
    """Hold each symbol in the first days of every month, for `money` per symbol."""

    def __init__(self, money: float = 5000, days: int = 14) -> None:
        self.money = money
        self.days = days

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Action | None:
        """Buy before day `days` of a month and sell after it."""
        shares = portfolio.quantity(symbol)
        if date.day < self.days and not shares:
            quantity = fixed_money(portfolio, symbol, self.money)
            return Action.buy(quantity) if quantity else None
        return Action.sell(shares) if date.day >= self.days and shares else None
