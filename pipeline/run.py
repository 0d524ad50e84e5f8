"""The whole pipeline in one process: the steps that the state machine runs as functions, in the same order."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.errors import StockStreamError
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.listings import open_listings
from stockstream.pipeline.markets import Market
from stockstream.pipeline.sources.base import Source
from stockstream.pipeline.steps.consolidate import consolidate
from stockstream.pipeline.steps.fetch_batch import fetch_batch
from stockstream.pipeline.steps.fetch_metadata import fetch_metadata
from stockstream.pipeline.steps.refresh_indicators import refresh_indicators
from stockstream.pipeline.steps.resample import resample
from stockstream.pipeline.steps.summarise import missing_batch, summary_of
from stockstream.pipeline.steps.update_symbols import update_symbols

logger = logging.getLogger(__name__)

BATCHES_AT_ONCE = 10

Result = dict[str, Any]

PUBLISHING: dict[str, Callable[[Lake, Market], Result]] = {
    "metadata": lambda lake, market: fetch_metadata({}, lake, None, market),
    "consolidate": lambda lake, _: consolidate({}, lake),
    "resample": lambda lake, _: resample({}, lake),
    "indicators": lambda lake, _: refresh_indicators({}, lake),
}
"""The steps after the fetch, in order."""


def run(
    lake: Lake,
    source: Source,
    market: Market,
    symbols: Sequence[str] | None = None,
    day: date | None = None,
    start: date | None = None,
    end: date | None = None,
    accept_smaller: bool = False,
    batch_size: int | None = None,
    on_start: Callable[[int], None] = lambda symbols: None,
    on_symbols: Callable[[int], None] = lambda count: None,
    on_step: Callable[[str], None] = lambda step: None,
) -> Result:
    """Update the list of symbols (unless `symbols` are given), fetch all batches, several at once, then publish silver.

    `day` is the run's day (today on the exchange), `start` the first day of a new symbol's history; with `end` that
    range is fetched for every symbol. Gives a JSON-able summary; `status` is `complete`, `partial` (some symbols
    missing: `missing` says which and why) or `failed` (nothing could be had, or silver could not be published:
    `refused` says why; what was fetched is stored and served all the same).
    """
    began = time.monotonic()
    now = datetime.now(UTC)
    day = day or market.today(now)
    size = batch_size or source.batch_size
    directory = (source.listings() or open_listings(market, settings())) if symbols is None else None
    asked = {"date": str(day), "symbols": symbols, "acceptSmaller": accept_smaller}
    update = update_symbols(asked, lake, directory, market, size, now)
    work, metadata = update["symbolBatches"], update["metadata"]

    base = {"date": str(day), "start": str(start) if start else None, "end": str(end) if end else None}
    on_start(sum(len(batch["symbols"]) for batch in work))
    pool = ThreadPoolExecutor(min(BATCHES_AT_ONCE, source.concurrency))
    try:
        futures = [pool.submit(_one_batch, {**base, **batch}, lake, source, market, now, on_symbols) for batch in work]
        results = [future.result() for future in futures]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # an interrupt must not wait for the batches to come
    silver = _publish(lake, market, on_step)
    summary = summary_of(results, metadata, lake, source.name, market, str(day))
    summary["status"] = "failed" if silver["refused"] else summary["status"]
    return {**summary, **silver, "seconds": round(time.monotonic() - began, 2)}


def _publish(lake: Lake, market: Market, on_step: Callable[[str], None]) -> Result:
    """Bring silver up to date, a step at a time; the first that fails ends it, as each needs the one before."""
    done: Result = {"refused": None}
    for name, step in PUBLISHING.items():
        on_step(name)
        try:
            done[name] = step(lake, market)
        except StockStreamError as error:
            logger.error("%s: %s", name, error)
            done["refused"] = f"{name}: {error}"
            break
    return done


def _one_batch(
    event: Result, lake: Lake, source: Source, market: Market, now: datetime, on_symbols: Callable[[int], None]
) -> Result:
    """Fetch a batch; one that fails as a whole is a result too, so that the others go on."""
    try:
        return fetch_batch(event, lake, source, market, now, on_symbols)
    except StockStreamError as error:
        reason = str(error)
        logger.error("batch %s: %s", event["batchNumber"], reason)
    except Exception as error:
        reason = f"unexpected {type(error).__name__}: {error}"
        logger.exception("batch %s", event["batchNumber"])
    return missing_batch(event, reason)
