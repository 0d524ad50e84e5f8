"""Conditions of trades in the US that keep a trade out of a bar's prices or volume.

The numbers are those of Polygon's condition codes, and what they update is in the rules of the consolidated tape:
Consolidated Tape System and UTP participant specifications, tables of sale conditions.
"""

from __future__ import annotations

NO_VOLUME = frozenset({15, 16, 38})
"""Official close and open of a market centre, corrected close: they repeat trades that were reported before."""
NO_PRICE = frozenset({2, 7, 12, 13, 20, 21, 37, 52, 53, *NO_VOLUME})
"""They change neither open, high, low nor close: average price, cash sale, form T (two codes), next day, price
variation, odd lot, contingent and qualified contingent trade."""
NO_CLOSE = frozenset({5, 10, 22, 29, 32, 33, *NO_PRICE})
"""They change high and low, but neither open nor close: bunched sold, derivatively priced, prior reference price,
seller, sold out of sequence (two codes)."""
