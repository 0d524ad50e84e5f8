"""The strategy that the other engines run with equal trades: SMA 20/50 of the close, long only, from bar 50 on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from stockstream.analytics.backtest import Action, Data, Portfolio, SignalStrategy, Strategy

COMMISSION = "0.1%"


class Crossover(Strategy):
    """Buys for 95 % of the equity if there is one symbol, otherwise for half of an equal share of the capital."""

    columns = ("sma(20)", "sma(50)")

    def __init__(self) -> None:
        self._warm: set[str] = set()

    def on_start(self, symbols: Sequence[str], portfolio: Portfolio) -> None:
        self._is_alone = len(symbols) == 1
        self._money = 0.5 * portfolio.initial_capital / len(symbols)

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Action | None:
        slow = data["sma_50"]
        if slow is None:
            return None
        if symbol not in self._warm:  # bar 49 is the first with an average of 50; the others decide from bar 50 on
            self._warm.add(symbol)
            return None
        fast = data["sma_20"]
        if fast > slow and symbol not in portfolio.positions:
            money = 0.95 * portfolio.equity if self._is_alone else self._money
            return Action.buy(int(money / data["close"]))
        if fast < slow and symbol in portfolio.positions:
            return Action.close()
        return None


class DeclaredCrossover(SignalStrategy):
    """Declares the same trades; the lag skips bar 49, the first with an average of 50."""

    entry = "sma(20) > sma(50) AND lag(close, 50) IS NOT NULL"
    exit = "sma(20) < sma(50)"

    def on_start(self, symbols: Sequence[str], portfolio: Portfolio) -> None:
        self._money = 0.5 * portfolio.initial_capital / len(symbols)

    def size(self, symbol: str, data: Data, portfolio: Portfolio) -> float:
        return int(self._money / portfolio.price(symbol))
