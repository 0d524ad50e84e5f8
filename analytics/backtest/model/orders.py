"""Orders, which the broker creates from the actions of a strategy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Status(StrEnum):
    """The state of an order."""

    open = "open"
    filled = "filled"
    cancelled = "cancelled"
    expired = "expired"
    rejected = "rejected"


@dataclass(slots=True, eq=False)
class Order:
    """An order, open until it is filled, cancelled, expired or rejected. It names other orders by their ids only."""

    id: int
    symbol: str
    quantity: float
    """Shares, negative to sell."""
    created: date
    """The session after whose close the order was decided; it can fill from the next session on."""
    limit: float | None = None
    stop: float | None = None
    trail: float | None = None
    """Distance of the trailing stop: money, or a fraction of the price if `trail_is_share`."""
    trail_is_share: bool = False
    stop_loss: float | None = None
    take_profit: float | None = None
    day: bool = False
    is_target: bool = False
    """The order leads to a target: it fills fewer shares if the account cannot pay for all, and another target replaces
    it."""
    exit_trail: float | None = None
    """Distance of the stop-loss from the best price since the entry, as `trail`; None if it does not trail."""
    exit_trail_is_share: bool = False
    reduce_only: bool = False
    """The order never fills more than the position, and ends with it."""
    oco: str | None = None
    """A name that orders share of which one cancels the others; the exits of a bracket have one, too."""
    tag: str | None = None
    """The text that the strategy gave the order; the exits of a bracket have that of their entry."""
    parent: int | None = None
    """The id of the entry of which this order is an exit."""
    reason: str = ""
    """Why the order exists, if not by the strategy: stop-loss, take-profit, margin call, end of run."""
    status: Status = Status.open
    filled: float = 0.0
    """Shares filled so far, negative if sold."""
    price: float = 0.0
    """Mean price of the filled shares, after slippage."""
    commission: float = 0.0
    is_triggered: bool = False
    """The stop was reached; a stop-limit order is a limit order from then on."""
    ended: date | None = None
    """The session in which it was filled, cancelled, expired or rejected."""
    end_reason: str = ""
    """Why it was cancelled, expired or rejected."""

    @property
    def remaining(self) -> float:
        """Shares still to fill, negative to sell."""
        return self.quantity - self.filled

    @property
    def kind(self) -> str:
        """The order type: market, limit, stop, stop-limit or trailing-stop."""
        if self.trail is not None:
            return "trailing-stop"
        if self.stop is not None:
            return "stop" if self.limit is None else "stop-limit"
        return "market" if self.limit is None else "limit"


class OpenOrders(list[Order]):
    """The open orders of an account, oldest first; those of a symbol are found without a search."""

    __slots__ = ("_by_symbol",)

    def __init__(self, orders: Iterable[Order] = ()) -> None:
        super().__init__()
        self._by_symbol: dict[str, list[Order]] = {}
        for order in orders:
            self.add(order)

    def add(self, order: Order) -> None:
        """Append an order."""
        self.append(order)
        self._by_symbol.setdefault(order.symbol, []).append(order)

    def of(self, symbol: str) -> list[Order]:
        """Return the orders of a symbol, oldest first."""
        return list(self._by_symbol.get(symbol, ()))

    def rename(self, symbol: str, new: str) -> None:
        """Move the orders of a symbol to its new code."""
        for order in self.of(symbol):
            order.symbol = new
        self._by_symbol.clear()
        for order in self:
            self._by_symbol.setdefault(order.symbol, []).append(order)

    def remove_ended(self) -> None:
        """Remove the orders that are no longer open."""
        ended = [order for order in self if order.status is not Status.open]
        if len(ended) == len(self):
            self.clear()
            self._by_symbol.clear()
        elif ended:
            self[:] = [order for order in self if order.status is Status.open]
            for order in ended:
                self._by_symbol[order.symbol].remove(order)
