"""Breakout above the upper Bollinger band."""

from __future__ import annotations

from datetime import date

from stockstream.analytics.backtest.model import Action, Data, Portfolio, Strategy, percent_of_equity


class BollingerBreakout(Strategy):
    """Buys on a close above the upper band, and sells on a close below the middle band.

    Each symbol that has traded so far gets an equal share of `percent` of the equity. `width` is the bands' distance in
    standard deviations. A trailing stop `trail` per cent below the highest price protects the position (0 for none).
    """

    def __init__(self, n: int = 20, width: float = 2, trail: float = 15, percent: float = 95) -> None:
        self.percent, self.trail = percent, trail
        self.columns = [f"bollinger({n}, {width:g})"]
        self._upper, self._middle = f"bollinger_upper_{n}_{width:g}", f"bollinger_middle_{n}_{width:g}"

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Action | None:
        """Buy above the upper band, sell below the middle band, protect an open position."""
        upper, close = data[self._upper], data.close
        if upper is None:
            return None
        position = portfolio.positions.get(symbol)
        if position is None:
            share = self.percent / len(portfolio.prices)
            quantity = percent_of_equity(portfolio, symbol, share) if close > upper else 0
            return Action.buy(quantity) if quantity else None
        if close < data[self._middle]:
            return Action.close()
        if self.trail and not portfolio.open_orders(symbol):
            return Action.sell(position.quantity, trail_percent=self.trail)
        return None
