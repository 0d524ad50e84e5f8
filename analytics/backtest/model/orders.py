"""What a strategy asks for, and the orders that come of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Status(StrEnum):
    """What has become of an order."""

    open = "open"
    filled = "filled"
    cancelled = "cancelled"
    expired = "expired"
    rejected = "rejected"


@dataclass(slots=True)
class Action:
    """One decision of a strategy: made by `Action.buy`, `sell`, `close` or `cancel`.

    An order without `limit`, `stop` and `trail` is a market order; with a stop and a limit it is a stop-limit order.
    Prices are those of `portfolio.price()`. `symbol` is the bar's where none is named.
    """

    quantity: float | None = None
    """Shares, negative to sell; None: whatever is held is closed."""
    symbol: str | None = None
    limit: float | None = None
    stop: float | None = None
    trail: float | None = None
    trail_percent: float | None = None
    stop_loss: float | None = None
    take_profit: float | None = None
    day: bool = False
    is_cancel: bool = False

    @classmethod
    def buy(
        cls,
        quantity: float,
        *,
        symbol: str | None = None,
        limit: float | None = None,
        stop: float | None = None,
        trail: float | None = None,
        trail_percent: float | None = None,
        stop_loss: float | None = None,
        take_profit: float | None = None,
        day: bool = False,
    ) -> Action:
        """Buy shares.

        At the market; at `limit` or lower; once the price has risen to `stop`; or once it has risen by `trail` (money)
        or `trail_percent` (5 is 5 %) above its lowest since. `stop_loss` and `take_profit` make it a bracket: what was
        bought is sold at whichever of the two prices comes first. `day`: for the next session only, else until
        it is filled or cancelled.
        """
        quantity = math.nan if quantity is None else quantity  # None would close the position
        return cls(quantity, symbol, limit, stop, trail, trail_percent, stop_loss, take_profit, day)

    @classmethod
    def sell(
        cls,
        quantity: float,
        *,
        symbol: str | None = None,
        limit: float | None = None,
        stop: float | None = None,
        trail: float | None = None,
        trail_percent: float | None = None,
        stop_loss: float | None = None,
        take_profit: float | None = None,
        day: bool = False,
    ) -> Action:
        """Sell shares, those held and beyond them short: the mirror of `buy`."""
        return cls(-quantity, symbol, limit, stop, trail, trail_percent, stop_loss, take_profit, day)

    @classmethod
    def close(cls, *, symbol: str | None = None) -> Action:
        """Close the position at the market; its open orders are cancelled."""
        return cls(None, symbol)

    @classmethod
    def cancel(cls, *, symbol: str | None = None) -> Action:
        """Cancel the symbol's open orders."""
        return cls(0, symbol, is_cancel=True)


@dataclass(slots=True, eq=False)
class Order:
    """An order: open until filled, cancelled, expired or rejected."""

    id: int
    symbol: str
    quantity: float
    """Shares, negative to sell."""
    created: date
    """The session on whose close it was decided; it can be filled from the next one on."""
    limit: float | None = None
    stop: float | None = None
    trail: float | None = None
    """How far the stop follows behind: money, or a share of the price where `trail_is_share`."""
    trail_is_share: bool = False
    stop_loss: float | None = None
    take_profit: float | None = None
    day: bool = False
    status: Status = Status.open
    filled: float = 0.0
    """Shares filled so far, negative if sold."""
    price: float = 0.0
    """Mean price of these shares, after slippage."""
    commission: float = 0.0
    reason: str = ""
    """Who made it, if not the strategy, such as stop-loss; why it was cancelled or rejected."""
    only_reduces: bool = False
    """It fills no more than what is held."""
    is_triggered: bool = False
    """Of a stop-limit order: the stop was reached, it is a limit order from now on."""
    sibling: Order | None = None
    """Of a bracket: the other exit, which is cancelled by what this one fills."""

    @property
    def remaining(self) -> float:
        """Shares still to fill, negative if to sell."""
        return self.quantity - self.filled

    @property
    def kind(self) -> str:
        """market, limit, stop, stop-limit or trailing-stop."""
        if self.trail is not None:
            return "trailing-stop"
        if self.stop is not None:
            return "stop" if self.limit is None else "stop-limit"
        return "market" if self.limit is None else "limit"
