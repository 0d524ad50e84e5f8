"""The account: cash, positions, orders and trades. Only the engine changes it; strategies receive a view of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import NamedTuple, cast

from stockstream.analytics.backtest.model.orders import OpenOrders, Order
from stockstream.analytics.backtest.model.views import ReadOnlyDict, ReadOnlyList, View, view_class


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
    is_fractional: bool = False
    """Whether positions are sized in fractions of a share."""
    positions: dict[str, Position] = field(default_factory=dict)
    """Open position per symbol."""
    closed_positions: list[ClosedPosition] = field(default_factory=partial(ReadOnlyList, "closed_positions"))
    transactions: list[Transaction] = field(default_factory=partial(ReadOnlyList, "transactions"))
    orders: OpenOrders = field(default_factory=OpenOrders)
    """Open orders, oldest first."""
    prices: dict[str, float] = field(default_factory=partial(ReadOnlyDict, "prices"))
    """Last close per symbol that has traded so far."""
    position_views: dict[str, Position] = field(default_factory=partial(ReadOnlyDict, "positions"))
    """The positions as a strategy receives them."""
    worth: tuple[float, float] | None = None
    """Market value of the long and of the short positions (negative) at the last close; None if it must be computed."""

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
        return self.orders.of(symbol)

    @property
    def values(self) -> tuple[float, float]:
        """The market value of the long positions and of the short ones (negative), at their last close.

        It is computed once per session, so that sizes cost the same however many positions there are.
        """
        if self.worth is None:
            prices, long, short = self.prices, 0.0, 0.0
            for position in self.positions.values():
                value = position.quantity * prices[position.symbol]
                if value > 0:
                    long += value
                else:
                    short += value
            self.worth = long, short
        return self.worth

    @property
    def equity(self) -> float:
        """Cash plus all positions at their last close."""
        long, short = self.values
        return self.cash + long + short

    @property
    def exposure(self) -> float:
        """Gross market value: long positions plus the absolute value of short ones."""
        long, short = self.values
        return long - short

    @property
    def buying_power(self) -> float:
        """Exposure that may be added: leverage × equity - exposure. With leverage 1 and no shorts it is the cash."""
        return self.leverage * self.equity - self.exposure


_OrderView = view_class(Order, "OrderView")
_PositionView = view_class(Position, "PositionView")
_STORED = ("closed_positions", "positions", "prices", "price", "quantity", "transactions")
"""What a view of a portfolio stores, so that reading it takes no detour."""


class _PortfolioView(view_class(Portfolio, "PortfolioView", _STORED)):  # type: ignore[misc]
    """A portfolio whose positions and orders are views, too."""

    __slots__ = ()

    def __init__(self, portfolio: Portfolio) -> None:
        View.__init__(self, portfolio)
        for name in _STORED:
            stored = portfolio.position_views if name == "positions" else getattr(portfolio, name)
            object.__setattr__(self, name, stored)

    @property
    def orders(self) -> list[Order]:
        return ReadOnlyList("orders", [order_view(order) for order in self._original.orders])

    def open_orders(self, symbol: str) -> list[Order]:
        return [order_view(order) for order in self._original.open_orders(symbol)]


def portfolio_view(portfolio: Portfolio) -> Portfolio:
    """Return what a strategy receives: it always shows the portfolio as it is, and cannot be written."""
    return cast(Portfolio, _PortfolioView(portfolio))


def position_view(position: Position) -> Position:
    """Return a view of a position that cannot be written."""
    return cast(Position, _PositionView(position))


def order_view(order: Order) -> Order:
    """Return a view of an order that cannot be written."""
    return cast(Order, _OrderView(order))
