"""What a fill costs: commission and slippage. A model is a callable; `commission("0.1%")` reads one from text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from stockstream.sql.errors import UsageError

Commission = Callable[[float, float], float]
"""Gives the money for a fill, by its shares (positive) and its price."""
Slippage = Callable[[float, float, float | None], float]
"""Gives how much worse the price gets, in money a share, by shares (positive), price and the bar's volume."""


@dataclass(frozen=True)
class PerShare:
    """So much a share, at least `minimum`, at most `maximum_share` of the fill's value."""

    amount: float
    minimum: float = 0.0
    maximum_share: float | None = None

    def __call__(self, quantity: float, price: float) -> float:
        """Give the money for a fill."""
        fee = max(self.amount * quantity, self.minimum)
        return fee if self.maximum_share is None else min(fee, self.maximum_share * quantity * price)


@dataclass(frozen=True)
class Percentage:
    """A share of the fill's value (0.001 is 0.1 %), at least `minimum`."""

    share: float
    minimum: float = 0.0

    def __call__(self, quantity: float, price: float) -> float:
        """Give the money for a fill."""
        return max(quantity * price * self.share, self.minimum)


@dataclass(frozen=True)
class Tiers:
    """A fixed fee by the fill's value: the first tier that reaches it; above the last a share of it."""

    tiers: tuple[tuple[float, float], ...]
    share: float

    def __call__(self, quantity: float, price: float) -> float:
        """Give the money for a fill."""
        value = quantity * price
        return next((fee for up_to, fee in self.tiers if value <= up_to), value * self.share)


BROKERS: dict[str, Commission] = {
    "commsec": Tiers(((1_000, 5.0), (3_000, 10.0), (10_000, 19.95), (25_000, 29.95)), 0.0012),
    "selfwealth": Tiers(((float("inf"), 9.5),), 0.0),
    "ibkr-asx": Percentage(0.0008, minimum=6.0),
    "ibkr-us": PerShare(0.005, minimum=1.0, maximum_share=0.01),
    "zero": Percentage(0.0),
}
"""What some brokers charge, in their market's currency, as of 2025: look at your own account's fees."""


@dataclass(frozen=True)
class Fixed:
    """So much money a share, such as half a spread."""

    amount: float

    def __call__(self, quantity: float, price: float, volume: float | None) -> float:
        """Give the money a share."""
        return self.amount


@dataclass(frozen=True)
class BasisPoints:
    """So many hundredths of a per cent of the price."""

    points: float

    def __call__(self, quantity: float, price: float, volume: float | None) -> float:
        """Give the money a share."""
        return price * self.points / 10_000


@dataclass(frozen=True)
class VolumeShare:
    """Grows with the square of the fill's share in the bar's volume, as zipline's VolumeShareSlippage."""

    impact: float = 0.1

    def __call__(self, quantity: float, price: float, volume: float | None) -> float:
        """Give the money a share; a bar without volume counts as wholly one's own."""
        share = min(quantity / volume, 1.0) if volume else 1.0
        return price * self.impact * share * share


_NUMBER = r"(\d+(?:\.\d+)?)"


def commission(text: str) -> Commission:
    """Read a commission: `0.1%`, `0.1% min 6`, `0.005/share`, `0.005/share min 1`, or a broker of `BROKERS`.

    Raises:
        UsageError: it is none of these.
    """
    text = text.strip().lower()
    if text in BROKERS:
        return BROKERS[text]
    if found := re.fullmatch(rf"{_NUMBER}\s*(%|/\s*share)(?:\s+min\s+{_NUMBER})?", text):
        amount, minimum = float(found[1]), float(found[3] or 0)
        return Percentage(amount / 100, minimum) if found[2] == "%" else PerShare(amount, minimum)
    raise UsageError(f"commission {text}: write 0.1%, 0.1% min 6, 0.005/share min 1, or one of {', '.join(BROKERS)}")


def slippage(text: str) -> Slippage | None:
    """Read a slippage: `5bps`, `0.01/share`, `volume-share`, `volume-share 0.2` or `none`.

    Raises:
        UsageError: it is none of these.
    """
    text = text.strip().lower()
    if text == "none":
        return None
    if found := re.fullmatch(rf"{_NUMBER}\s*bps", text):
        return BasisPoints(float(found[1]))
    if found := re.fullmatch(rf"{_NUMBER}\s*/\s*share", text):
        return Fixed(float(found[1]))
    if found := re.fullmatch(rf"volume-share(?:\s+{_NUMBER})?", text):
        return VolumeShare(float(found[1])) if found[1] else VolumeShare()
    raise UsageError(f"slippage {text}: write 5bps, 0.01/share, volume-share or none")
