"""Actions, which a strategy returns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum


class Verb(StrEnum):
    """What an action does."""

    order = "order"
    cancel = "cancel"
    change = "change"
    exits = "exits"
    target = "target"
    target_value = "target_value"
    target_percent = "target_percent"


@dataclass(slots=True)
class Action:
    """One decision of a strategy: create it with `Action.buy` or one of the other class methods.

    `buy` documents the fields. An order without `limit`, `stop` and `trail` is a market order; an order with a stop and
    a limit is a stop-limit order.
    Prices are on the scale of `portfolio.price()`. `symbol` defaults to the symbol of the bar.
    """

    quantity: float | None = None
    """Shares, negative to sell; None closes the position. For a target: shares, money or per cent."""
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
    """The orders that `cancel` and `change` mean: an id or a tag; None stands for all of the symbol."""

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
    def target(
        cls,
        shares: float,
        *,
        symbol: str | None = None,
        limit: float | None = None,
        stop: float | None = None,
        day: bool = False,
        tag: str | None = None,
    ) -> Action:
        """Buy or sell what is missing to a position of `shares`, negative for a short one.

        If the account cannot pay for all, it buys as many as the money is enough for, costs included. An open order to
        an earlier target of the symbol is cancelled; other open orders do not count.
        """
        return cls(shares, symbol, limit, stop, day=day, tag=tag, verb=Verb.target)

    @classmethod
    def target_value(
        cls,
        money: float,
        *,
        symbol: str | None = None,
        limit: float | None = None,
        stop: float | None = None,
        day: bool = False,
        tag: str | None = None,
    ) -> Action:
        """Buy or sell what is missing to a position worth `money` at the last close, rounded towards no position."""
        return cls(money, symbol, limit, stop, day=day, tag=tag, verb=Verb.target_value)

    @classmethod
    def target_percent(
        cls,
        percent: float,
        *,
        symbol: str | None = None,
        limit: float | None = None,
        stop: float | None = None,
        day: bool = False,
        tag: str | None = None,
    ) -> Action:
        """Buy or sell what is missing to a position worth `percent` of the equity at the last close (50 is a half)."""
        return cls(percent, symbol, limit, stop, day=day, tag=tag, verb=Verb.target_percent)

    @classmethod
    def exits(
        cls,
        *,
        symbol: str | None = None,
        stop_loss: float | None = None,
        take_profit: float | None = None,
        trail: float | None = None,
        trail_percent: float | None = None,
        tag: str | None = None,
    ) -> Action:
        """Move the exits of the position, or add exits for all of its shares; what is not named stays as it is.

        Args:
            symbol: defaults to the symbol of the bar.
            stop_loss: the new stop-loss.
            take_profit: the new take-profit.
            trail: the stop-loss follows the best price from now on at this distance in money; it starts at `stop_loss`,
                or where it is, or without one at this distance from the last close.
            trail_percent: the same distance in per cent.
            tag: the tag of exits that are added.
        """
        return cls(
            None, symbol, stop_loss=stop_loss, take_profit=take_profit, exit_trail=trail,
            exit_trail_percent=trail_percent, tag=tag, verb=Verb.exits,
        )  # fmt: skip

    @classmethod
    def change(
        cls,
        order: int | str,
        *,
        symbol: str | None = None,
        quantity: float | None = None,
        limit: float | None = None,
        stop: float | None = None,
        trail: float | None = None,
        trail_percent: float | None = None,
        stop_loss: float | None = None,
        take_profit: float | None = None,
        exit_trail: float | None = None,
        exit_trail_percent: float | None = None,
    ) -> Action:
        """Change the open order with an id, or the symbol's open orders with a tag; what is not named stays as it is.

        `quantity` is the number of shares still to fill. The exits apply to what is filled from now on: those of the
        position move with `Action.exits`.
        """
        return cls(
            quantity, symbol, limit, stop, trail, trail_percent, stop_loss, take_profit, exit_trail=exit_trail,
            exit_trail_percent=exit_trail_percent, verb=Verb.change, order=order,
        )  # fmt: skip

    @classmethod
    def cancel(cls, order: int | str | None = None, *, symbol: str | None = None) -> Action:
        """Cancel the symbol's open orders: all, the one with an id, or those with a tag."""
        return cls(0, symbol, verb=Verb.cancel, order=order)
