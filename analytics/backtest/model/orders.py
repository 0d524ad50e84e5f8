"""Actions, which a strategy returns, and orders, which the broker creates from them."""

from __future__ import annotations

import math
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


class Verb(StrEnum):
    """What an action does."""

    order = "order"
    cancel = "cancel"


@dataclass(slots=True)
class Action:
    """One decision of a strategy; create it with `Action.buy`, `sell`, `close` or `cancel`.

    `buy` documents the fields. An order without `limit`, `stop` and `trail` is a market order; an order with a stop and
    a limit is a stop-limit order.
    Prices are on the scale of `portfolio.price()`. `symbol` defaults to the symbol of the bar.
    """

    quantity: float | None = None
    """Shares, negative to sell; None closes the position."""
    symbol: str | None = None
    limit: float | None = None
    stop: float | None = None
    trail: float | None = None
    trail_percent: float | None = None
    stop_loss: float | None = None
    take_profit: float | None = None
    day: bool = False
    exit_trail: float | None = None
    exit_trail_percent: float | None = None
    reduce_only: bool = False
    oco: str | None = None
    tag: str | None = None
    verb: Verb = Verb.order
    order: int | str | None = None
    """The orders that `cancel` means: an id or a tag; None stands for all of the symbol."""
    is_scaled: bool = False
    """Buy or sell fewer shares if the account cannot pay for all of them, instead of none."""

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
        exit_trail: float | None = None,
        exit_trail_percent: float | None = None,
        day: bool = False,
        reduce_only: bool = False,
        oco: str | None = None,
        tag: str | None = None,
    ) -> Action:
        """Buy shares.

        Args:
            quantity: number of shares; 0 is no order.
            symbol: defaults to the symbol of the bar.
            limit: buy at this price or lower.
            stop: buy once the price has risen to this.
            trail: buy once the price has risen by this amount of money above its lowest value since the order.
            trail_percent: the same in per cent of that lowest price (5 is 5 %).
            stop_loss: sell the bought shares once the price falls to this.
            take_profit: sell the bought shares once the price rises to this; the first of the two exits cancels the
                other (a bracket order).
            exit_trail: the stop-loss trails: it follows the highest price since the purchase at this distance in money.
                It starts at `stop_loss`, or without one at this distance below the price of the purchase.
            exit_trail_percent: the same distance in per cent of the highest price.
            day: valid for the next session only; otherwise until filled or cancelled.
            reduce_only: buy back no more shares than are short; the order ends with the position.
            oco: a name of your choice: one order cancels the others. Once an order is filled, the open orders with the
                same name are cancelled; if it is filled in part, they lose the same fraction of their shares.
            tag: a text of your choice, which the order and its exits keep: see `Order.tag`.
        """
        quantity = math.nan if quantity is None else quantity  # None would close the position
        return cls(
            quantity, symbol, limit, stop, trail, trail_percent, stop_loss, take_profit, day, exit_trail,
            exit_trail_percent, reduce_only, oco, tag,
        )  # fmt: skip

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
        exit_trail: float | None = None,
        exit_trail_percent: float | None = None,
        day: bool = False,
        reduce_only: bool = False,
        oco: str | None = None,
        tag: str | None = None,
    ) -> Action:
        """Sell shares; more than the position holds are sold short. The arguments mirror those of `buy`."""
        return cls(
            -quantity, symbol, limit, stop, trail, trail_percent, stop_loss, take_profit, day, exit_trail,
            exit_trail_percent, reduce_only, oco, tag,
        )  # fmt: skip

    @classmethod
    def close(cls, *, symbol: str | None = None) -> Action:
        """Close the position at the market, and cancel the symbol's open orders."""
        return cls(None, symbol)

    @classmethod
    def cancel(cls, order: int | str | None = None, *, symbol: str | None = None) -> Action:
        """Cancel the symbol's open orders: all, the one with an id, or those with a tag."""
        return cls(0, symbol, verb=Verb.cancel, order=order)


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
    is_scaled: bool = False
    """Fill fewer shares if the account cannot pay for all of them."""
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
