"""Turn the actions of a strategy into orders, and refuse those that are none."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date
from numbers import Real
from typing import Any

from stockstream.analytics.backtest.model import Action, Order, Verb

PRICES = (
    "limit", "stop", "trail", "trail_percent", "stop_loss", "take_profit", "exit_trail", "exit_trail_percent",
)  # fmt: skip


class OrderError(Exception):
    """An action is not a valid order."""


def order_of(action: Action, symbol: str, id: int, day: date) -> Order:
    """Return the order of an action, an order or a target, that was decided after the close of a session.

    Raises:
        OrderError: a number is not finite, or a price is not above 0.
    """
    _check_quantity(action, symbol)
    is_target = action.verb is not Verb.order
    if _is_plain(action):  # most orders: the general way takes several times as long
        return Order(
            id, symbol, plain(action.quantity), day, None, None, None, False, None, None, action.day, is_target, None,
            False, action.reduce_only, action.oco, action.tag,
        )  # fmt: skip
    _check_prices(action, symbol)
    trail, trail_is_share = distance(action.trail, action.trail_percent)
    exit_trail, exit_trail_is_share = distance(action.exit_trail, action.exit_trail_percent)
    return Order(
        id, symbol, plain(action.quantity), day, plain(action.limit), plain(action.stop), trail, trail_is_share,
        plain(action.stop_loss), plain(action.take_profit), action.day, is_target, exit_trail,
        exit_trail_is_share, action.reduce_only, action.oco, action.tag,
    )  # fmt: skip


def distance(money: Any, percent: Any) -> tuple[float | None, bool]:
    """Return the distance of a trailing stop, and whether it is a fraction of the price."""
    return (plain(money), False) if percent is None else (plain(percent) / 100, True)


def check(action: Action, symbol: str) -> None:
    """Check the numbers of an action.

    Raises:
        OrderError: a number is not finite, or a price is not above 0.
    """
    _check_quantity(action, symbol)
    if not _is_plain(action):
        _check_prices(action, symbol)


def _check_quantity(action: Action, symbol: str) -> None:
    if not is_number(action.quantity) and not (action.quantity is None and action.verb in (Verb.change, Verb.exits)):
        raise OrderError(f"an order for {action.quantity!r} shares of {symbol}: it must be a finite number")
    for name, text in (("oco", action.oco), ("tag", action.tag)):
        if text is not None and not isinstance(text, str):
            raise OrderError(f"an order for {symbol} with {name}={text!r}: it must be a text")


def _check_prices(action: Action, symbol: str) -> None:
    for name in PRICES:
        price = getattr(action, name)
        if price is not None and not (is_number(price) and price > 0):
            raise OrderError(f"an order for {symbol} with {name}={price!r}: it must be a number above 0")
    for name in ("trail", "exit_trail"):
        if getattr(action, name) is not None and getattr(action, f"{name}_percent") is not None:
            raise OrderError(f"an order for {symbol} with {name} and {name}_percent: name one of them")
    if (action.trail or action.trail_percent) and (action.stop or action.limit):
        raise OrderError(f"an order for {symbol} with a trailing stop and another price: name one of them")


def _is_plain(action: Action) -> bool:
    """Return whether an action has no price and no distance."""
    return (
        action.limit is None
        and action.stop is None
        and action.trail is None
        and action.trail_percent is None
        and action.stop_loss is None
        and action.take_profit is None
        and action.exit_trail is None
        and action.exit_trail_percent is None
    )


def plain(value: Any) -> Any:
    """Return a number of another library, such as numpy, as a number of Python; its text is that of JSON."""
    return value if value is None or type(value) in (int, float) else float(value)


def is_number(value: object) -> bool:
    """Return whether a value is a finite number."""
    if type(value) is float or type(value) is int:  # the check against the abstract class Real is slow
        return math.isfinite(value)
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def refuse_answer(answer: object, method: str) -> None:
    """Raise an error if a method returned something that would be ignored.

    Raises:
        OrderError: the answer is not None.
    """
    if answer is not None:
        raise OrderError(f"{method} returned {answer!r}, which has no effect: return orders from on_data or on_bar_end")


def actions_of(actions: Iterable[Action]) -> list[Action]:
    """Return the actions of a strategy's answer as a list.

    Raises:
        OrderError: the answer is not iterable, fails while it is iterated, or has an item that is not an Action.
    """
    if not isinstance(actions, Iterable):
        raise OrderError(f"it returned {actions!r}: return an Action, several, or None")
    try:
        answer = list(actions)
    except Exception as error:
        raise OrderError(f"its orders cannot be read: {type(error).__name__}: {error}") from error
    if invalid := [item for item in answer if not isinstance(item, Action)]:
        raise OrderError(f"it returned {invalid[0]!r}: return an Action, several, or None")
    return answer
