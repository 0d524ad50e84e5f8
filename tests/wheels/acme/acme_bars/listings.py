"""The companies of the US market, as Acme lists them."""

from __future__ import annotations

from typing import Self

from stockstream.pipeline.configuration import Settings
from stockstream.pipeline.listings.base import Company, ExchangeListings


class AcmeListings(ExchangeListings):
    """Two companies."""

    name = "acme"

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the list."""
        return cls()

    def companies(self) -> list[Company]:
        """Return the two companies."""
        return [Company("ACME", "Acme Corporation"), Company("ROAD", "Road Runner Inc.")]
