"""Pairs trading."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from statistics import fmean, pstdev
from typing import Any

from stockstream.analytics.backtest.model import Action, Data, Portfolio, Strategy, rebalance
from stockstream.sql.errors import UsageError


class PairsTrade(Strategy):
    """Sells the more expensive of two symbols short and buys the other, until their ratio returns to its mean.

    It enters when the logarithm of the ratio of their adjusted closes is `entry` standard deviations away from its mean
    over `n` sessions, and exits at `exit`. Each leg has half of `percent` of the equity.
    Source: Gatev, Goetzmann and Rouwenhorst, Pairs Trading (2006).
    """

    columns = ("adjusted_close",)

    def __init__(self, n: int = 60, entry: float = 2, exit: float = 0.5, percent: float = 80) -> None:
        self.n, self.entry, self.exit, self.percent = n, entry, exit, percent

    def on_start(self, symbols: Sequence[str], portfolio: Portfolio) -> None:
        """Accept exactly two symbols, and reset the state."""
        if len(symbols) != 2:
            raise UsageError(f"PairsTrade takes two symbols, not {len(symbols)}: name them with --symbols")
        self._pair = tuple(symbols)
        self._spreads: deque[float] = deque(maxlen=self.n)
        self._closes: dict[str, float] = {}

    def state(self) -> dict[str, Any]:
        """Return what the strategy remembers, for `Session.state`."""
        return {"spreads": list(self._spreads), "closes": self._closes}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Remember what `state` has returned."""
        self._spreads.extend(state["spreads"])
        self._closes = dict(state["closes"])

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None:
        """Record the symbol's close."""
        self._closes[symbol] = data.adjusted_close

    def on_bar_end(self, date: date, portfolio: Portfolio) -> Iterable[Action] | None:
        """Compare the two closes; do nothing in a session in which only one of the symbols traded."""
        closes, self._closes = self._closes, {}
        if len(closes) < 2:
            return None
        first, second = self._pair
        self._spreads.append(math.log(closes[first] / closes[second]))
        if len(self._spreads) < self.n:
            return None
        spread = pstdev(self._spreads)
        score = (self._spreads[-1] - fmean(self._spreads)) / spread if spread else 0.0
        shares = portfolio.quantity(first)
        if not shares and abs(score) > self.entry:
            leg = math.copysign(self.percent / 2, score)
            return rebalance(portfolio, {first: -leg, second: leg})
        return rebalance(portfolio, {}) if shares and abs(score) < self.exit else None
