"""The rules of execution: when a bar fills an order, and at what price. They do not depend on cash and positions.

A daily bar does not say whether its high or its low came first. Where that matters, the worse case for the account is
assumed.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import NamedTuple

from stockstream.analytics.backtest.model import Order

ROUNDING = 1e-6
"""Largest rounding error of a price, as a fraction of it: vendors compute with single precision."""


class Moment(IntEnum):
    """The moment of a fill within a session; fills are executed in this order."""

    open = 0
    inside = 1
    close = 2


class Prices(NamedTuple):
    """A bar's prices and its volume in shares. An unknown price is the close, an unknown volume is None."""

    open: float
    high: float
    low: float
    close: float
    volume: float | None
    shares: float = 1.0
    """Shares of the day that one share stands for, if prices are adjusted: costs and the volume count these."""

    @property
    def is_possible(self) -> bool:
        """Whether the open and the close are positive and lie between low and high.

        Prices that are rounded or adjusted may lie outside by a rounding error, a millionth of the price.
        """
        low, high = self.low * (1 - ROUNDING), self.high * (1 + ROUNDING)
        return 0 < low <= self.open <= high < math.inf and low <= self.close <= high

    @property
    def vwap(self) -> float:
        """The typical price (high + low + close) / 3: the best estimate of the VWAP that a daily bar allows."""
        return (self.high + self.low + self.close) / 3


class Match(NamedTuple):
    """A fill that a bar allows, before slippage."""

    moment: Moment
    price: float


def match(order: Order, bar: Prices, fill_at: str) -> Match | None:
    """Return when and at what price a bar fills an open order, before slippage; None if it does not.

    - A market order fills at `fill_at`: the open, the close or the vwap.
    - A limit order fills at its limit once the price touches it, or at the open if that is better.
    - A stop order fills at its stop once the price touches it, or at the open if that is worse (a gap). If it
      fills only in part, the rest is a market order from then on (`order.is_triggered`).
    - A stop-limit order becomes a limit order when the stop is touched. In the same bar it fills only if the limit
      allows the price of the stop.
    - A trailing stop (`order.stop`) follows the best price up to the previous bar. A bar that does not reach it moves
      it for the next bar.
    """
    if order.stop is not None and not order.is_triggered:
        trigger = _stop(order, bar)
        if trigger is None:
            if order.trail is not None:
                _trail(order, bar.low if order.quantity > 0 else bar.high)
            return None
        order.is_triggered = True
        if order.limit is None:
            return trigger
        if trigger.moment is Moment.open:
            return _limit(order, bar)
        within = trigger.price <= order.limit if order.quantity > 0 else trigger.price >= order.limit
        return trigger if within else None
    if order.limit is not None:
        return _limit(order, bar)
    if fill_at == "open":
        return Match(Moment.open, bar.open)
    return Match(Moment.close, bar.close if fill_at == "close" else bar.vwap)


def match_exit(exit: Order, entry: Order, entry_price: float, bar: Prices) -> Match | None:
    """Return whether the bar that filled an entry inside it also fills one of its bracket's exits; None if it does not.

    A stop entry is passed in the direction of its take-profit, so that an extreme beyond the take-profit came later. A
    limit entry is passed in the direction of its stop-loss. Otherwise the close alone is certain to come after the
    entry. Where the order of the prices is open, the worse case is assumed: the stop-loss fills, the take-profit does
    not.

    Args:
        exit: the stop-loss or the take-profit.
        entry: the order that was filled inside the bar.
        entry_price: the price of that fill, before slippage.
        bar: the bar of both.
    """
    buys = entry.quantity > 0
    best = bar.close
    if entry_price == entry.stop:
        best = bar.high if buys else bar.low
    if exit.stop is not None:
        if bar.low <= exit.stop if buys else bar.high >= exit.stop:
            # A stop-loss that the entry has passed already fills at the entry's price, which is worse.
            return Match(Moment.inside, min(exit.stop, entry_price) if buys else max(exit.stop, entry_price))
        if exit.trail is not None:
            _trail(exit, best)
        return None
    assert exit.limit is not None
    is_hit = best >= exit.limit if buys else best <= exit.limit
    return Match(Moment.inside, exit.limit) if is_hit else None


def start_trailing(order: Order, close: float) -> None:
    """Set the first stop of a trailing-stop order, from the close after which it was decided."""
    assert order.trail is not None
    distance = close * order.trail if order.trail_is_share else order.trail
    order.stop = close + distance if order.quantity > 0 else close - distance


def _limit(order: Order, bar: Prices) -> Match | None:
    limit = order.limit
    assert limit is not None
    if order.quantity > 0:
        if bar.open <= limit:
            return Match(Moment.open, bar.open)
        return Match(Moment.inside, limit) if bar.low <= limit else None
    if bar.open >= limit:
        return Match(Moment.open, bar.open)
    return Match(Moment.inside, limit) if bar.high >= limit else None


def _stop(order: Order, bar: Prices) -> Match | None:
    stop = order.stop
    assert stop is not None
    if order.quantity > 0:
        if bar.open >= stop:
            return Match(Moment.open, bar.open)
        return Match(Moment.inside, stop) if bar.high >= stop else None
    if bar.open <= stop:
        return Match(Moment.open, bar.open)
    return Match(Moment.inside, stop) if bar.low <= stop else None


def _trail(order: Order, best: float) -> None:
    """Move a trailing stop to its distance from the best price, unless it is closer already."""
    assert order.trail is not None
    assert order.stop is not None
    distance = best * order.trail if order.trail_is_share else order.trail
    order.stop = min(order.stop, best + distance) if order.quantity > 0 else max(order.stop, best - distance)
