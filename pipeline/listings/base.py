"""What a directory of listed companies gives, whoever publishes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Protocol


@dataclass(frozen=True)
class Listing:
    """One listed company: a row of `symbols/YYYY-MM-DD-symbols.csv`.

    `market_cap` is in units of the market's currency; None where the exchange gives none (suspended, `--`).
    `listing_date` is the day the company was first listed, whatever its code was then; None where the answer has none.
    It is not part of the list, and is stored beside it: not all forms of a directory give it.
    """

    symbol: str
    name: str = ""
    sector: str = ""
    market_cap: int | None = None
    listing_date: date | None = field(default=None, compare=False)


class ListingsSource(Protocol):
    """A list of the companies that a market has today."""

    name: str

    def companies(self) -> list[Listing]:
        """Give every listed company, sorted by symbol, each symbol once.

        Raises:
            ListingsRefused: when no published answer is a believable list.
        """
