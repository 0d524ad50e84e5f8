"""Commission and slippage models: callables that return what a fill costs, and the parsers of their text form."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from stockstream.analytics.backtest.model.files import module_of
from stockstream.analytics.backtest.model.orders import Order
from stockstream.sql.errors import UsageError

Commission = Callable[[float, float], float]
"""(shares, price) -> commission in money. Shares are positive for purchases and sales."""
OrderCommission = Callable[[float, float, Order], float]
"""The same, with the order as a further argument `order`."""
Slippage = Callable[[float, float, float | None], float]
"""(shares, price, bar volume) -> how much worse the price becomes, in money per share. Shares are positive."""


@dataclass(frozen=True)
class PerShare:
    """A fixed amount per share: at least `minimum`, at most the fraction `maximum_share` of the fill's value."""

    amount: float
    minimum: float = 0.0
    maximum_share: float | None = None

    def __call__(self, quantity: float, price: float) -> float:
        """Return the commission on a fill."""
        fee = max(self.amount * quantity, self.minimum)
        return fee if self.maximum_share is None else min(fee, self.maximum_share * quantity * price)


@dataclass(frozen=True)
class Percentage:
    """A fraction of the fill's value (0.001 is 0.1 %), at least `minimum`."""

    share: float
    minimum: float = 0.0

    def __call__(self, quantity: float, price: float) -> float:
        """Return the commission on a fill."""
        fee = quantity * price * self.share
        return self.minimum if self.minimum > fee else fee


@dataclass(frozen=True)
class Sum:
    """An amount per fill, an amount per share and a fraction of the value together, at least `minimum`."""

    flat: float
    per_share: float
    share: float
    minimum: float = -math.inf

    def __call__(self, quantity: float, price: float) -> float:
        """Return the commission on a fill."""
        return max(self.flat + self.per_share * quantity + quantity * price * self.share, self.minimum)


@dataclass(frozen=True)
class MakerTaker:
    """One commission on limit orders that wait for their limit, which add liquidity, and another on all others."""

    taker: Commission
    maker: Commission

    def __call__(self, quantity: float, price: float, order: Order) -> float:
        """Return the commission on a fill; that of the maker may be negative, a rebate."""
        return (self.maker if price == order.limit else self.taker)(quantity, price)


@dataclass(frozen=True)
class Tiers:
    """A flat fee per tier of the fill's value; above the last tier, the fraction `share` of the value."""

    tiers: tuple[tuple[float, float], ...]
    """(maximum value, fee) per tier, in money, the lowest tier first."""
    share: float

    def __call__(self, quantity: float, price: float) -> float:
        """Return the commission on a fill."""
        value = quantity * price
        return next((fee for up_to, fee in self.tiers if value <= up_to), value * self.share)


BROKERS: dict[str, Commission] = {
    "commsec": Tiers(((1_000, 5.0), (3_000, 10.0), (10_000, 19.95), (25_000, 29.95)), 0.0012),
    "selfwealth": Tiers(((float("inf"), 9.5),), 0.0),
    "ibkr-asx": Percentage(0.0008, minimum=6.0),
    "ibkr-us": PerShare(0.005, minimum=1.0, maximum_share=0.01),
    "zero": Percentage(0.0),
}
"""Standard fees of some brokers in 2025, in their market's currency. Check the fees of your own account."""


@dataclass(frozen=True)
class Fixed:
    """A fixed amount per share, such as half the spread."""

    amount: float

    def __call__(self, quantity: float, price: float, volume: float | None) -> float:
        """Return the slippage in money per share."""
        return self.amount


@dataclass(frozen=True)
class BasisPoints:
    """A number of basis points (hundredths of a per cent) of the price."""

    points: float

    def __call__(self, quantity: float, price: float, volume: float | None) -> float:
        """Return the slippage in money per share."""
        return price * self.points / 10_000


@dataclass(frozen=True)
class VolumeShare:
    """Price impact: price × `impact` × (shares ÷ bar volume)², as in zipline's VolumeShareSlippage."""

    impact: float = 0.1

    def __call__(self, quantity: float, price: float, volume: float | None) -> float:
        """Return the slippage in money per share; without a volume, shares ÷ volume is 1."""
        share = min(quantity / volume, 1.0) if volume else 1.0
        return price * self.impact * share * share


class FileFunction:
    """A user's function of costs by its place, `my.py:fees`; another process reads the file again."""

    def __init__(self, text: str) -> None:
        """Read the file.

        Raises:
            UsageError: there is no such file or function, or the file fails.
        """
        self._text = text
        self._file, _, self._name = text.rpartition(":")
        self.path = Path(self._file).absolute()
        _ = self.__wrapped__  # an error now, not at the first fill

    @cached_property
    def __wrapped__(self) -> Callable[..., float]:
        """The function, whose parameters are also those of this object."""
        function: Callable[..., float] | None = getattr(module_of(self.path), self._name, None)
        if not callable(function):
            raise UsageError(f"{self._file} has no function {self._name}, which would return the cost of a fill")
        return function

    def __call__(self, *arguments: Any, **keywords: Any) -> float:
        """Return the cost of a fill."""
        return self.__wrapped__(*arguments, **keywords)

    def __repr__(self) -> str:
        return self._text

    def __getstate__(self) -> dict[str, Any]:
        """Return the place without the function, which only this process has."""
        return {name: value for name, value in vars(self).items() if name != "__wrapped__"}


def file_function(text: str) -> FileFunction | None:
    """Return the function of a text `FILE.py:NAME`; None for another text.

    Raises:
        UsageError: there is no such file or function, or the file fails.
    """
    path, colon, _ = text.strip().rpartition(":")
    if path.endswith(".py") and colon:
        return FileFunction(text.strip())
    if text.strip().endswith(".py"):
        raise UsageError(f"{text}: name the function as {text.strip()}:my_function")
    return None


_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"


_TERM = rf"(-?){_NUMBER}\s*(%|/\s*share|/\s*fill)"


def parse_commission(text: str) -> Commission | OrderCommission:
    """Return the commission of a text.

    It is a name in `BROKERS`, or a sum of `0.1%`, `0.005/share` and `5/fill` with an optional minimum, as in
    `5/fill + 0.1% min 6`. `, limit -0.002/share` may follow: what limit orders that wait for their limit pay instead.

    Raises:
        UsageError: the text is none of these.
    """
    simple = text.strip().lower()
    if simple in BROKERS:
        return BROKERS[simple]
    taker, *maker = re.split(r"\s*,\s*limit\s+", simple, maxsplit=1)
    if (first := _sum(taker)) is not None:
        if not maker:
            return first
        if (other := _sum(maker[0], is_rebate_allowed=True)) is not None:
            return MakerTaker(first, other)
    raise UsageError(
        f"commission {simple}: write 0.1%, 0.1% min 6, 0.005/share min 1, 5/fill + 0.1%, 0.3%, limit -0.1%, or one of "
        f"{', '.join(BROKERS)}, or FILE.py:FUNCTION"
    )


def _sum(text: str, *, is_rebate_allowed: bool = False) -> Commission | None:
    match = re.fullmatch(rf"({_TERM}(?:\s*\+\s*{_TERM})*)(?:\s+min\s+{_NUMBER})?", text)
    if match is None:
        return None
    minimum = float(match[match.lastindex or 0]) if " min " in text else None
    amounts = {"%": 0.0, "share": 0.0, "fill": 0.0}
    terms = re.findall(_TERM, match[1])
    for sign, number, unit in terms:
        if sign and not is_rebate_allowed:
            return None
        amounts[unit.strip("/ ")] += float(sign + number)
    if len(terms) == 1 and not terms[0][0]:
        if terms[0][2] == "%":
            return Percentage(amounts["%"] / 100, minimum or 0.0)
        if terms[0][2].endswith("share"):
            return PerShare(amounts["share"], minimum or 0.0)
    return Sum(amounts["fill"], amounts["share"], amounts["%"] / 100, -math.inf if minimum is None else minimum)


def parse_slippage(text: str) -> Slippage | None:
    """Return the slippage for `5bps`, `0.01/share`, `volume-share`, `volume-share 0.2`; None for `none`.

    Raises:
        UsageError: the text is none of these.
    """
    text = text.strip().lower()
    if text == "none":
        return None
    if match := re.fullmatch(rf"{_NUMBER}\s*bps", text):
        return BasisPoints(float(match[1]))
    if match := re.fullmatch(rf"{_NUMBER}\s*/\s*share", text):
        return Fixed(float(match[1]))
    if match := re.fullmatch(rf"volume-share(?:\s+{_NUMBER})?", text):
        return VolumeShare(float(match[1])) if match[1] else VolumeShare()
    raise UsageError(f"slippage {text}: write 5bps, 0.01/share, volume-share, none or FILE.py:FUNCTION")


def name_of(function: Callable[..., float]) -> str:
    """Return the name of a function with its module, or the text of an object that can be called."""
    name = getattr(function, "__qualname__", None)
    return repr(function) if name is None else f"{function.__module__}.{name}"
