"""What an account holds and what it has done; a strategy reads it, the broker changes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from stockstream.analytics.backtest.model.orders import Order


@dataclass(slots=True, eq=False)
class Position:
    """An open position. Its trade goes from flat to flat, whatever is added and sold off in between."""

    symbol: str
    quantity: float
    """Shares, negative if short."""
    entry_price: float
    """Mean price of the shares held, before commission."""
    entry_date: date
    is_long: bool
    bought: float = 0.0
    sold: float = 0.0
    """Shares in all, of today's split."""
    paid: float = 0.0
    received: float = 0.0
    """Money in all, before commission."""
    commission: float = 0.0
    dividends: float = 0.0
    """Received; negative if paid on a short position."""

    def valued(self, price: float) -> OpenPosition:
        """Give what it is worth at a price."""
        value = self.quantity * price
        pnl = self.received + value - self.paid - self.commission + self.dividends
        return OpenPosition(
            self.symbol, self.quantity, self.entry_date, self.entry_price, price, value, pnl, self.commission,
            self.dividends,
        )  # fmt: skip


class ClosedPosition(NamedTuple):
    """A trade: a position from flat to flat."""

    symbol: str
    quantity: float
    """Shares bought to open it, in all, of the split of the exit; negative: sold short."""
    entry_date: date
    exit_date: date
    entry_price: float
    exit_price: float
    """Mean prices, before commission."""
    pnl: float
    """Money earned, after commission, with dividends."""
    return_pct: float
    """`pnl` in per cent of what was paid (or, short, received) to open it."""
    commission: float
    dividends: float
    reason: str
    """Why it was closed, if not by the strategy: stop-loss, take-profit, delisted, margin call, end of run."""


@dataclass(slots=True, frozen=True)
class OpenPosition:
    """A position that is still held at the end."""

    symbol: str
    quantity: float
    """Shares, negative if short."""
    entry_date: date
    entry_price: float
    """Mean price of the shares held, before commission."""
    price: float
    """The last close."""
    value: float
    """Money, negative if short."""
    pnl: float
    """Money earned until now, after commission, with dividends and what was sold already."""
    commission: float
    dividends: float


class Transaction(NamedTuple):
    """A fill, in full or in part."""

    date: date
    symbol: str
    quantity: float
    """Shares, negative if sold."""
    price: float
    """After slippage."""
    commission: float
    slippage: float
    """Money that slippage cost; it is in `price` already."""
    order: int
    """The order's id."""
    kind: str
    """The order's kind."""


@dataclass(slots=True, eq=False)
class Portfolio:
    """Cash, positions, orders and what was done; money in the market's currency."""

    initial_capital: float
    cash: float
    leverage: float = 1.0
    """Most exposure by equity."""
    positions: dict[str, Position] = field(default_factory=dict)
    """Open positions by symbol."""
    closed_positions: list[ClosedPosition] = field(default_factory=list)
    transactions: list[Transaction] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    """Open orders, oldest first."""
    prices: dict[str, float] = field(default_factory=dict)
    """Of every symbol that has traded yet, its last close."""

    def quantity(self, symbol: str) -> float:
        """Give the shares held of a symbol: 0 if none, negative if short."""
        position = self.positions.get(symbol)
        return position.quantity if position is not None else 0

    def price(self, symbol: str) -> float:
        """Give the last close of a symbol, at which orders are thought of.

        Raises:
            KeyError: it has not traded yet.
        """
        try:
            return self.prices[symbol]
        except KeyError:
            raise KeyError(f"{symbol} has not traded yet") from None

    def open_orders(self, symbol: str) -> list[Order]:
        """Give the open orders of a symbol."""
        return [order for order in self.orders if order.symbol == symbol]

    @property
    def equity(self) -> float:
        """Cash and all positions at their last close."""
        prices = self.prices
        return self.cash + sum([held.quantity * prices[held.symbol] for held in self.positions.values()])

    @property
    def exposure(self) -> float:
        """Gross market value: of long positions and, as a positive number, of short ones."""
        prices = self.prices
        return sum([abs(held.quantity) * prices[held.symbol] for held in self.positions.values()])

    @property
    def buying_power(self) -> float:
        """What may be added to the exposure: without margin and short positions, the cash."""
        return self.leverage * self.equity - self.exposure
