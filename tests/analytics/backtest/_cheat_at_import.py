"""A strategy that reads the whole lake when its file is imported."""

from __future__ import annotations

from stockstream import analytics
from stockstream.analytics.backtest import Action, Strategy

NEXT = "SELECT symbol, date, lead(close) OVER (PARTITION BY symbol ORDER BY date) FROM bars_as_traded"
with analytics.connect() as con:
    LATER = {(symbol, day): close for symbol, day, close in con.sql(NEXT).fetchall()}


class ConnectionAtImport(Strategy):
    """Holds a symbol on the days before a rise."""

    def on_data(self, date, symbol, data, portfolio):
        later = LATER[symbol, date]
        if later is not None and later > data.close and symbol not in portfolio.positions:
            return Action.buy(10)
        return Action.close() if symbol in portfolio.positions else None
