"""When an order is filled by a bar, and at what price: the rules, without money.

A bar tells where the price opened, how far it went and where it closed, not in which order. Where that matters the
worse case is taken.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from stockstream.analytics.backtest.model.orders import Order


class Moment(IntEnum):
    """When in a session; fills are made in this order."""

    open = 0
    inside = 1
    close = 2


class Prices(NamedTuple):
    """A bar's prices, and how many shares were traded; those that are not known are the close."""

    open: float
    high: float
    low: float
    close: float
    volume: float | None

    @property
    def vwap(self) -> float:
        """The typical price (high + low + close) / 3: daily bars know no better of the volume-weighted mean."""
        return (self.high + self.low + self.close) / 3


class Match(NamedTuple):
    """A fill that a bar allows."""

    moment: Moment
    price: float


def match(order: Order, bar: Prices, fill_at: str) -> Match | None:
    """Give when in a bar an open order is filled and at what price, before slippage; None: not in this one.

    A market order is filled at `fill_at`: the open, the close or the vwap. A limit order is filled at its limit once
    the price touches it, at the open where that is better. A stop order is filled at its stop once the price touches
    it, at the open where that is worse: gaps are not traded through. What is left of it then is a market order
    (`order.is_triggered`). A stop-limit order becomes a limit order when the stop is touched; inside the bar that does
    so it is filled only where the limit lies beyond the stop. A trailing stop (`order.stop`) has the extreme up to the
    bar before, and then takes this one's.
    """
    if order.stop is not None and not order.is_triggered:
        found = _stop(order, bar)
        if found is None:
            if order.trail is not None:
                _trail(order, bar)
            return None
        order.is_triggered = True
        if order.limit is None:
            return found
        if found.moment is Moment.open:
            return _limit(order, bar)
        within = found.price <= order.limit if order.quantity > 0 else found.price >= order.limit
        return found if within else None
    if order.limit is not None:
        return _limit(order, bar)
    if fill_at == "open":
        return Match(Moment.open, bar.open)
    return Match(Moment.close, bar.close if fill_at == "close" else bar.vwap)


def start_trailing(order: Order, close: float) -> None:
    """Set a trailing stop by the close on which it was decided."""
    assert order.trail is not None
    away = close * order.trail if order.trail_is_share else order.trail
    order.stop = close + away if order.quantity > 0 else close - away


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


def _trail(order: Order, bar: Prices) -> None:
    assert order.trail is not None
    assert order.stop is not None
    if order.quantity > 0:
        away = bar.low * order.trail if order.trail_is_share else order.trail
        order.stop = min(order.stop, bar.low + away)
    else:
        away = bar.high * order.trail if order.trail_is_share else order.trail
        order.stop = max(order.stop, bar.high - away)
