"""Conditions of trades in the US that keep a trade out of a bar's prices or volume.

Source: Polygon's glossary, https://polygon.io/glossary/us/stocks/conditions-indicators, columns "Update High/Low",
"Update Last" and "Update Volume" of the consolidated processing guidelines. They are those of the tape: Consolidated
Tape System and UTP participant specifications, tables of sale conditions. Other conditions update all three.
"""

from __future__ import annotations

NO_VOLUME = frozenset({15, 16, 38})
"""Official close and open of a market centre, corrected consolidated close: they repeat volume that was reported."""
NO_PRICE = frozenset({2, 7, 12, 13, 15, 16, 20, 21, 37, 52, 53})
"""They change neither open, high, low nor close: average price, cash sale, form T (two codes), official close and open
of a market centre, next day, price variation, odd lot, contingent and qualified contingent trade."""
NO_CLOSE = frozenset({5, 10, 22, 29, 32, 33, *NO_PRICE})
"""They change high and low, and open and close only as the first trade of the day: bunched sold, derivatively priced,
prior reference price, seller, sold out of sequence (two codes)."""
