"""Crossover of two moving averages."""

from __future__ import annotations

from datetime import date

from stockstream.analytics.backtest.model import Action, Data, Portfolio, Strategy, percent_of_equity


class MovingAverageCrossover(Strategy):
    """Holds a symbol while the mean of its last `fast` closes is above the mean of its last `slow` closes.

    Each symbol that has traded so far gets an equal share of `percent` of the equity.
    """

    def __init__(self, fast: int = 20, slow: int = 50, percent: float = 95) -> None:
        self.percent = percent
        self.columns = [f"sma({fast})", f"sma({slow})"]
        self._fast, self._slow = f"sma_{fast}", f"sma_{slow}"

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Action | None:
        """Buy if the fast average is above the slow one, sell if it is below."""
        fast, slow = data[self._fast], data[self._slow]
        if slow is None or fast is None:
            return None
        if fast > slow:
            if symbol not in portfolio.positions:
                quantity = percent_of_equity(portfolio, symbol, self.percent / len(portfolio.prices))
                return Action.buy(quantity) if quantity else None
        elif fast < slow and symbol in portfolio.positions:
            return Action.close()
        return None
