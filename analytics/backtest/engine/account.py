"""The account of one run: its portfolio and its value at the close of each session."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import numpy as np

from stockstream.analytics.backtest.engine.broker import Broker
from stockstream.analytics.backtest.engine.ledger import ledger_of
from stockstream.analytics.backtest.model import Curve, LedgerEntry, Portfolio
from stockstream.sql.errors import StockStreamError


class StrategyError(StockStreamError):
    """A strategy raised an exception, or returned an invalid order."""


@dataclass
class Account:
    """The account of one run, up to the error if the strategy failed."""

    portfolio: Portfolio
    broker: Broker
    dates: list[date] = field(default_factory=list)
    equity: list[float] = field(default_factory=list)
    cash: list[float] = field(default_factory=list)
    long: list[float] = field(default_factory=list)
    short: list[float] = field(default_factory=list)
    error: StrategyError | None = None

    @property
    def curve(self) -> Curve:
        """The account at the close of each session."""
        return Curve(self.dates, *(np.array(values) for values in (self.equity, self.cash, self.long, self.short)))

    @property
    def ledger(self) -> list[LedgerEntry]:
        """Every change of the cash; empty if the run ended before the first session."""
        return ledger_of(self.portfolio, self.broker.books.bookings, self.dates[0]) if self.dates else []

    def record(self, day: date) -> None:
        """Append the account's value at the close of a session."""
        long, short = self.portfolio.values
        self.dates.append(day)
        self.equity.append(self.portfolio.cash + long + short)
        self.cash.append(self.portfolio.cash)
        self.long.append(long)
        self.short.append(short)

    def drop_last(self) -> date:
        """Remove the last session's values, and return its date."""
        for values in (self.equity, self.cash, self.long, self.short):
            values.pop()
        return self.dates.pop()
