"""The interface of every list of companies."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol, Self

from stockstream.pipeline.configuration import Settings


@dataclass(frozen=True)
class Company:
    """One listed company: a row of `symbols/YYYY-MM-DD-symbols.csv`.

    `market_cap` is in units of the market's currency; None if the exchange reports none (suspended, `--`).
    `listing_date` is the day on which the company was first listed, whatever its code was then; None if the list does
    not have it. It is stored beside the list, as some forms of the list lack it.
    """

    symbol: str
    name: str = ""
    sector: str = ""
    market_cap: int | None = None
    listing_date: date | None = field(default=None, compare=False)


class ListingsSource(Protocol):
    """A list of the companies that are listed today."""

    name: str

    def companies(self) -> list[Company]:
        """Return every listed company, sorted by symbol, each symbol once.

        Raises:
            ListingsRefused: no published answer is a believable list.
        """


class ExchangeListings(ABC):
    """The list that an exchange publishes. Its module is named after the market, in lower case: `asx.py`."""

    name: str

    @classmethod
    @abstractmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the list at the addresses in the settings."""

    @abstractmethod
    def companies(self) -> list[Company]:
        """Return every listed company, sorted by symbol, each symbol once.

        Raises:
            ListingsRefused: no published answer is a believable list.
        """
