"""Step 1: bring the list of listed companies up to date and cut it into batches."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import duckdb

from stockstream.pipeline.errors import ListingsRefused
from stockstream.pipeline.lake import Lake, metadata_key, parquet, symbols_key
from stockstream.pipeline.listings.base import Company, ListingsSource
from stockstream.pipeline.markets import Market
from stockstream.sql.session import quoted, run_date

logger = logging.getLogger(__name__)

LARGEST_LOSS = 0.10
"""A directory that has lost more than this share of its companies since the last list is a broken answer."""

Event = dict[str, Any]


def update_symbols(
    event: Event,
    lake: Lake,
    directory: ListingsSource | None,
    market: Market,
    batch_size: int = 100,
    now: datetime | None = None,
) -> dict[str, Any]:
    """Store today's list of companies and give it, cut into batches.

    `event`: `date` (YYYY-MM-DD, the run's day; today on the exchange by default), `acceptSmaller` (true: take a list
    although it is more than 10 % smaller than the last one). Without a directory `symbols` of the event are taken, each
    once, nothing is stored, and `metadata` is None. Gives `{"symbols": [...], "symbolBatches": [{"symbols":
    [...], "batchNumber": 0}, ...], "metadata": {...}}`; where the directory was refused the last good list is used,
    and `metadata.refused` says why.

    Raises:
        ListingsRefused: there is neither a believable directory nor a list from before.
    """
    day = date.fromisoformat(event["date"]) if event.get("date") else market.today(now or datetime.now(UTC))
    lake.prepare(market, day)
    if directory is None:
        named = list(dict.fromkeys(event["symbols"]))
        return {"symbols": named, "symbolBatches": batches(named, batch_size), "metadata": None}
    before_day, before = last_list(lake, day)
    refused = None
    try:
        listings = directory.companies()
        believe(len(listings), len(before), accept_smaller=bool(event.get("acceptSmaller")))
        if dates := _listing_dates(listings):
            lake.update(metadata_key(day, "listing-dates"), lambda _: dates)
        lake.update(symbols_key(day), lambda _: _to_csv(listings))
    except ListingsRefused as refusal:
        if not before:
            raise ListingsRefused(
                f"{refusal}; and {lake.uri} has no list from before: name --symbols, or run again later"
            ) from None
        refused, listings = str(refusal), before
        logger.warning("directory refused, the list of %s is used: %s", before_day, refused)

    symbols = [listing.symbol for listing in listings]
    old, new = {listing.symbol for listing in before}, set(symbols)
    added, removed = (sorted(new - old), sorted(old - new)) if before else ([], [])
    logger.info("%d symbols, %d added, %d removed", len(symbols), len(added), len(removed))
    return {
        "symbols": symbols,
        "symbolBatches": batches(symbols, batch_size),
        "metadata": {
            "date": str(day),
            "directory": directory.name,
            "listOf": str(before_day if refused else day),
            "count": len(symbols),
            "added": added,
            "removed": removed,
            "refused": refused,
        },
    }


def batches(symbols: Sequence[str], size: int = 100) -> list[dict[str, Any]]:
    """Cut a list of symbols into batches: `[{"symbols": [...], "batchNumber": 0}, ...]`."""
    return [
        {"symbols": list(symbols[start : start + size]), "batchNumber": number}
        for number, start in enumerate(range(0, len(symbols), size))
    ]


def last_list(lake: Lake, day: date) -> tuple[date | None, list[Company]]:
    """Give the newest list of companies stored for `day` or before, and its day; (None, []) where there is none."""
    for key in reversed(lake.store.list("symbols/")):
        listed_on = run_date(key)
        stored = lake.store.get(key) if listed_on is not None and listed_on <= day else None
        if stored is not None and (listings := _from_csv(stored.data.decode(errors="replace"))):
            return listed_on, listings
    return None, []


def believe(count: int, before: int, accept_smaller: bool) -> None:
    """Take a directory of `count` companies for whole, where the last list had `before` (0: there was none).

    Raises:
        ListingsRefused: it is empty, or has lost too many.
    """
    if not count:
        raise ListingsRefused("the directory is empty")
    if count < (1 - LARGEST_LOSS) * before and not accept_smaller:
        raise ListingsRefused(
            f"the directory has {count} companies, more than {LARGEST_LOSS:.0%} fewer than the {before} "
            "of the last list (if that is true, run with --accept-smaller)"
        )


def _to_csv(listings: list[Company]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["symbol", "name", "sector", "market_cap"])
    writer.writerows([item.symbol, item.name, item.sector, item.market_cap] for item in listings)
    return text.getvalue().encode()


def _from_csv(text: str) -> list[Company]:
    rows = csv.DictReader(io.StringIO(text))
    return [
        Company(row["symbol"], row.get("name") or "", row.get("sector") or "", _cap(row.get("market_cap")))
        for row in rows
        if row.get("symbol")
    ]


def _cap(text: str | None) -> int | None:
    try:
        return int(float(text)) if text else None  # lists of other programs write 180500000000.0
    except ValueError:
        return None


def _listing_dates(listings: list[Company]) -> bytes | None:
    """Give the listing dates as a Parquet file, columns symbol and listing_date; None where the directory has none."""
    rows = [f"({quoted(item.symbol)}, DATE '{item.listing_date}')" for item in listings if item.listing_date]
    if not rows:
        return None
    with duckdb.connect() as con:
        return parquet(con, f"SELECT symbol, listing_date FROM (VALUES {', '.join(rows)}) AS v (symbol, listing_date)")
