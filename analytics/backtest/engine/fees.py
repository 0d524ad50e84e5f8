"""What a fill costs: the commission and slippage of the settings, also those of a user's own function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from stockstream.analytics.backtest.engine.acceptance import is_number
from stockstream.analytics.backtest.model import Order, Setup, name_of, parse_commission, parse_slippage
from stockstream.sql.errors import UsageError


class Fees:
    """The commission and slippage of the fills of one account."""

    def __init__(self, setup: Setup) -> None:
        """Read the settings.

        Raises:
            UsageError: a function takes other arguments than it should.
        """
        commission = setup.commission if callable(setup.commission) else parse_commission(setup.commission)
        slippage = setup.slippage if callable(setup.slippage) else parse_slippage(setup.slippage)
        self._commission_takes_order = _takes_order("commission", commission, 2)
        self._slippage_takes_order = slippage is not None and _takes_order("slippage", slippage, 3)
        self._commission: Callable[..., float] = commission
        self._slippage: Callable[..., float] | None = slippage
        self.has_slippage = slippage is not None
        if callable(setup.commission):
            self._commission = partial(_checked, "commission", setup.commission)
        if callable(setup.slippage):
            self._slippage = partial(_checked, "slippage", setup.slippage)

    def commission(self, order: Order, quantity: float, price: float) -> float:
        """Return the commission on a fill of `quantity` shares (positive), in money; negative if it is a rebate."""
        if self._commission_takes_order:
            return self._commission(quantity, price, order=order)
        return self._commission(quantity, price)

    def slippage(self, order: Order, quantity: float, price: float, volume: float | None) -> float:
        """Return how much worse the price of a fill of `quantity` shares (positive) becomes, in money per share.

        Orders with a limit have none.
        """
        if self._slippage is None or order.limit is not None:
            return 0.0
        if self._slippage_takes_order:
            return self._slippage(quantity, price, volume, order=order)
        return self._slippage(quantity, price, volume)


def _takes_order(what: str, function: Callable[..., float], count: int) -> bool:
    """Return whether a function has a parameter `order`.

    Raises:
        UsageError: it does not take `count` arguments besides.
    """
    try:
        signature = inspect.signature(function)
    except ValueError:
        return False  # a function in C, such as max
    extra = {"order": None} if "order" in signature.parameters else {}
    try:
        signature.bind(*(None,) * count, **extra)
    except TypeError:
        names = ", ".join(("quantity", "price", "volume")[:count])
        raise UsageError(f"{what} {name_of(function)}: it must take {names}, and may take order") from None
    return bool(extra)


def _checked(what: str, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> float:
    """Return the result of a user's function.

    Raises:
        UsageError: it fails, or its result is no finite number, or is a slippage below 0.
    """
    shares, price = arguments[:2]
    case = f"{what} {name_of(function)}, for {shares:,g} shares at {price:,g}"
    try:
        cost = function(*arguments, **keywords)
    except Exception as error:
        raise UsageError(f"{case}: {type(error).__name__}: {error}") from error
    if not is_number(cost) or (what == "slippage" and cost < 0):
        raise UsageError(f"{case}: it returned {cost!r}: a finite number is needed, for slippage at least 0")
    return float(cost)
