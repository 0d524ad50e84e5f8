"""A strategy in a module of its own: the check for look-ahead imports its module in each process."""

from __future__ import annotations

from datetime import date

from stockstream.analytics.backtest import Action, Data, Portfolio, Strategy


class Queried(Strategy):
    """Trades on a query of its own, which the check for look-ahead executes on each copy of the lake."""

    query = """
        SELECT symbol, date, close / lag(close, 20) OVER (PARTITION BY symbol ORDER BY date) AS change
        FROM bars_adjusted
    """

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Action | None:
        if data.change is None:
            return None
        if data.change > 1.1 and symbol not in portfolio.positions:
            return Action.buy(1)
        return Action.close() if data.change < 1 and symbol in portfolio.positions else None
