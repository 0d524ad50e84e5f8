"""The lake's lists of companies: one CSV file per day, and whether a new list is believable."""

from __future__ import annotations

import csv
import io
import logging
import reprlib
from datetime import date

import duckdb

from stockstream.pipeline.errors import ListingsRefused
from stockstream.pipeline.lake import Lake, metadata_key, parquet, symbols_key
from stockstream.pipeline.listings.base import Company
from stockstream.pipeline.symbols import fault
from stockstream.sql.session import quoted, run_date

logger = logging.getLogger(__name__)

LARGEST_LOSS = 0.10
"""A list that has lost more than this share of its companies since the last one is refused as incomplete."""


def last_list(lake: Lake, day: date) -> tuple[date | None, list[Company]]:
    """Return the newest list stored for `day` or before, with its day; (None, []) if there is none."""
    for key in reversed(lake.store.list("symbols/")):
        listed_on = run_date(key)
        stored = lake.store.get(key) if listed_on is not None and listed_on <= day else None
        if stored is not None and (listings := _from_csv(stored.data.decode(errors="replace"))):
            return listed_on, listings
    return None, []


def store_list(lake: Lake, day: date, listings: list[Company]) -> None:
    """Store a day's list as CSV, and the listing dates as a Parquet file if the source reports them."""
    if dates := _listing_dates(listings):
        lake.update(metadata_key(day, "listing-dates"), lambda _: dates)
    lake.update(symbols_key(day), lambda _: _to_csv(listings))


def refuse_unusable(listings: list[Company]) -> None:
    """Accept a list whose symbols can all be stored.

    Raises:
        ListingsRefused: One of them cannot be a symbol.
    """
    for company in listings:
        if reason := fault(company.symbol):
            raise ListingsRefused(
                f"the list of companies has {reprlib.repr(company.symbol)}, which is no symbol: {reason}"
            )


def believe(count: int, before: int, accept_smaller: bool) -> None:
    """Accept a list of `count` companies as complete, where the last list had `before` (0: there was none).

    Raises:
        ListingsRefused: The list is empty, or has lost too many companies.
    """
    if not count:
        raise ListingsRefused("the list of companies is empty")
    if count < (1 - LARGEST_LOSS) * before and not accept_smaller:
        raise ListingsRefused(
            f"the list has {count} companies, more than {LARGEST_LOSS:.0%} fewer than the {before} "
            "of the last list (if that is true, run with --accept-smaller)"
        )


def _to_csv(listings: list[Company]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["symbol", "name", "sector", "market_cap"])
    writer.writerows([item.symbol, item.name, item.sector, item.market_cap] for item in listings)
    return text.getvalue().encode()


def _from_csv(text: str) -> list[Company]:
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row.get("symbol")]
    if unusable := {row["symbol"]: reason for row in rows if (reason := fault(row["symbol"]))}:
        first, reason = next(iter(unusable.items()))
        logger.warning("%d symbols of a list cannot be used; the first: %s: %s", len(unusable), repr(first), reason)
    return [
        Company(row["symbol"], row.get("name") or "", row.get("sector") or "", _market_cap(row.get("market_cap")))
        for row in rows
        if row["symbol"] not in unusable
    ]


def _market_cap(text: str | None) -> int | None:
    try:
        return int(float(text)) if text else None  # other programs write 180500000000.0
    except ValueError:
        return None


def _listing_dates(listings: list[Company]) -> bytes | None:
    """Return a Parquet file with the columns symbol and listing_date; None if the source reports no dates."""
    rows = [f"({quoted(item.symbol)}, DATE '{item.listing_date}')" for item in listings if item.listing_date]
    if not rows:
        return None
    with duckdb.connect() as con:
        return parquet(con, f"SELECT symbol, listing_date FROM (VALUES {', '.join(rows)}) AS v (symbol, listing_date)")
