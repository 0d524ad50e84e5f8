"""Bring the list of listed companies up to date and cut it into batches."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, date, datetime

from stockstream.pipeline.companies import believe, last_list, refuse_unusable, store_list
from stockstream.pipeline.errors import ListingsRefused
from stockstream.pipeline.events import Batch, SymbolsUpdate, UpdateSymbolsEvent
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.listings.base import ListingsSource
from stockstream.pipeline.markets import Market
from stockstream.pipeline.symbols import canonical, checked

logger = logging.getLogger(__name__)


def run(
    event: UpdateSymbolsEvent,
    lake: Lake,
    source: ListingsSource | None,
    market: Market,
    batch_size: int = 100,
    now: datetime | None = None,
) -> SymbolsUpdate:
    """Store today's list of companies and return it, cut into batches.

    Without a source the event's `symbols` are used, in the form in which symbols are stored and each once; no list is
    stored, and `metadata` is None. If the new
    list is refused, the last good one is used, and `metadata.refused` says why.

    Raises:
        ListingsRefused: There is neither a believable list nor an earlier one.
        UsageError: One of the event's `symbols` cannot be a symbol.
    """
    day = date.fromisoformat(text) if (text := event.get("date")) else market.today(now or datetime.now(UTC))
    lake.prepare(market, day)
    if source is None:
        symbols = list(dict.fromkeys(checked(canonical(name), "symbols") for name in event.get("symbols") or ()))
        return {"symbols": symbols, "symbolBatches": batches(symbols, batch_size), "metadata": None}
    before_day, before = last_list(lake, day)
    refused = None
    try:
        listings = source.companies()
        refuse_unusable(listings)
        believe(len(listings), len(before), accept_smaller=bool(event.get("accept_smaller")))
        store_list(lake, day, listings)
    except ListingsRefused as refusal:
        if not before:
            raise ListingsRefused(
                f"{refusal}; and {lake.uri} has no list from before: name --symbols, or run again later"
            ) from None
        refused, listings = str(refusal), before
        logger.warning("list of companies refused, that of %s is used: %s", before_day, refused)

    symbols = [listing.symbol for listing in listings]
    old, new = {listing.symbol for listing in before}, set(symbols)
    added, removed = (sorted(new - old), sorted(old - new)) if before else ([], [])
    logger.info("%d symbols, %d added, %d removed", len(symbols), len(added), len(removed))
    return {
        "symbols": symbols,
        "symbolBatches": batches(symbols, batch_size),
        "metadata": {
            "date": str(day),
            "source": source.name,
            "list_of": str(before_day if refused else day),
            "count": len(symbols),
            "added": added,
            "removed": removed,
            "refused": refused,
        },
    }


def batches(symbols: Sequence[str], size: int = 100) -> list[Batch]:
    """Cut a list of symbols into batches of at most `size`, numbered from 0."""
    return [
        {"symbols": list(symbols[start : start + size]), "batchNumber": number}
        for number, start in enumerate(range(0, len(symbols), size))
    ]
