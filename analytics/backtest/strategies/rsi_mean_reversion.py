"""Mean reversion with the RSI."""

from __future__ import annotations

from datetime import date

from stockstream.analytics.backtest.model import Action, Data, Portfolio, Strategy, percent_of_equity


class RSIMeanReversion(Strategy):
    """Buys when the RSI of `n` bars is below `oversold`, and sells when it is above `overbought`.

    Each symbol that has traded so far gets an equal share of `percent` of the equity. `stop_loss` is the distance of
    the stop below the close, in per cent (0 for none).
    """

    def __init__(
        self, n: int = 14, oversold: float = 30, overbought: float = 70, stop_loss: float = 0, percent: float = 95
    ) -> None:
        self.oversold, self.overbought, self.stop_loss, self.percent = oversold, overbought, stop_loss, percent
        self.columns = [f"rsi({n})"]
        self._rsi = f"rsi_{n}"

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Action | None:
        """Buy an oversold symbol, sell an overbought one."""
        rsi = data[self._rsi]
        if rsi is None:
            return None
        if rsi < self.oversold and symbol not in portfolio.positions:
            stop = portfolio.price(symbol) * (1 - self.stop_loss / 100) if self.stop_loss else None
            quantity = percent_of_equity(portfolio, symbol, self.percent / len(portfolio.prices))
            return Action.buy(quantity, stop_loss=stop) if quantity else None
        if rsi > self.overbought and symbol in portfolio.positions:
            return Action.close()
        return None
