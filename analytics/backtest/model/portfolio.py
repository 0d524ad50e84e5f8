"""The account: cash, positions, orders and trades. Strategies read it; only the engine changes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from stockstream.analytics.backtest.model.orders import Order


@dataclass(slots=True, eq=False)
class Position:
    """An open position. Its trade lasts from the first share to the last, including all additions and reductions."""

    symbol: str
    quantity: float
    """Shares, negative if short."""
    entry_price: float
    """Mean entry price of the shares held, before commission."""
    entry_date: date
    is_long: bool
    bought: float = 0.0
    sold: float = 0.0
    """Total shares bought and sold, adjusted for splits up to now."""
    paid: float = 0.0
    received: float = 0.0
    """Total money paid and received, before commission."""
    commission: float = 0.0
    dividends: float = 0.0
    """Money received; negative if paid on a short position."""

    def at_price(self, price: float) -> OpenPosition:
        """Return the position valued at a price."""
        value = self.quantity * price
        pnl = self.received + value - self.paid - self.commission + self.dividends
        return OpenPosition(
            self.symbol, self.quantity, self.entry_date, self.entry_price, price, value, pnl, self.commission,
            self.dividends,
        )  # fmt: skip


class ClosedPosition(NamedTuple):
    """A closed trade: a position from its first share to its last."""

    symbol: str
    quantity: float
    """Total shares that were bought (sold short: negative), adjusted for splits up to the exit."""
    entry_date: date
    exit_date: date
    entry_price: float
    exit_price: float
    """Mean prices, before commission."""
    pnl: float
    """Profit in money, after commission, with dividends."""
    return_pct: float
    """`pnl` in per cent of the money paid for the shares (for a short position, the money received)."""
    commission: float
    dividends: float
    reason: str
    """Why it was closed if not by the strategy: stop-loss, take-profit, delisted, margin call, end of run."""


@dataclass(slots=True, frozen=True)
class OpenPosition:
    """A position that is still open at the end of the run."""

    symbol: str
    quantity: float
    """Shares, negative if short."""
    entry_date: date
    entry_price: float
    """Mean entry price of the shares held, before commission."""
    price: float
    """The last close."""
    value: float
    """Market value in money, negative if short."""
    pnl: float
    """Profit in money so far, realized and unrealized, after commission, with dividends."""
    commission: float
    dividends: float


class Transaction(NamedTuple):
    """A full or partial fill."""

    date: date
    symbol: str
    quantity: float
    """Shares, negative if sold."""
    price: float
    """Price per share, after slippage."""
    commission: float
    slippage: float
    """Cost of slippage in money; `price` already includes it."""
    order: int
    """The order's id."""
    kind: str
    """The order type, see `Order.kind`."""


@dataclass(slots=True, eq=False)
class Portfolio:
    """Cash, positions, orders, trades and fills. Money is in the market's currency."""

    initial_capital: float
    cash: float
    leverage: float = 1.0
    """Maximum gross exposure ÷ equity."""
    positions: dict[str, Position] = field(default_factory=dict)
    """Open position per symbol."""
    closed_positions: list[ClosedPosition] = field(default_factory=list)
    transactions: list[Transaction] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    """Open orders, oldest first."""
    prices: dict[str, float] = field(default_factory=dict)
    """Last close per symbol that has traded so far."""

    def quantity(self, symbol: str) -> float:
        """Return the shares held of a symbol: 0 if none, negative if short."""
        position = self.positions.get(symbol)
        return position.quantity if position is not None else 0

    def price(self, symbol: str) -> float:
        """Return the last close of a symbol; the prices in orders are on the same scale.

        Raises:
            KeyError: the symbol has not traded yet.
        """
        try:
            return self.prices[symbol]
        except KeyError:
            raise KeyError(f"{symbol} has not traded yet") from None

    def open_orders(self, symbol: str) -> list[Order]:
        """Return the open orders of a symbol."""
        return [order for order in self.orders if order.symbol == symbol]

    @property
    def equity(self) -> float:
        """Cash plus all positions at their last close."""
        prices = self.prices
        return self.cash + sum([item.quantity * prices[item.symbol] for item in self.positions.values()])

    @property
    def exposure(self) -> float:
        """Gross market value: long positions plus the absolute value of short ones."""
        prices = self.prices
        return sum([abs(item.quantity) * prices[item.symbol] for item in self.positions.values()])

    @property
    def buying_power(self) -> float:
        """Exposure that may be added: leverage × equity - exposure. With leverage 1 and no shorts it is the cash."""
        return self.leverage * self.equity - self.exposure
