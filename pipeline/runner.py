"""A whole run in one process: the steps of the state machine as plain function calls, in the same order."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any

from stockstream.pipeline.attempts import failed_batch
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.errors import StockStreamError
from stockstream.pipeline.events import REFRESHES, Batch, BatchResult, Event, FetchBatchEvent, Result
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.listings import open_listings
from stockstream.pipeline.markets import Market
from stockstream.pipeline.sources.base import Source
from stockstream.pipeline.steps import fetch_batch, fetch_metadata, load_step, refresh, update_symbols
from stockstream.pipeline.steps.summarise import past_day_notes, summarised

logger = logging.getLogger(__name__)

MAX_CONCURRENT_BATCHES = 10


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
    alert_rules: Sequence[str] = (),
    serving_file: bool | None = None,
    on_start: Callable[[int], None] = lambda symbols: None,
    on_symbols: Callable[[int], None] = lambda count: None,
    on_step: Callable[[str], None] = lambda step: None,
) -> dict[str, Any]:
    """Update the list of symbols (unless `symbols` are named), fetch all batches, refresh silver and check it.

    `day` is the run's day (today on the exchange), `start` the first day of a new symbol's history; with `end`, that
    range is fetched for every symbol. Batches are fetched concurrently. `alert_rules` are files and folders of further
    alert rules. `serving_file`: whether to store one in the lake (None: as the setting says). Returns
    `events.Summary` with `seconds`, and with the result of each later step under its key. What was fetched is stored
    and served even if a later step fails.
    """
    began = time.monotonic()
    now = datetime.now(UTC)
    day = day or market.today(now)
    listings = (source.listings() or open_listings(market, settings())) if symbols is None else None
    update = update_symbols.run(
        {"date": str(day), "symbols": list(symbols or ()), "accept_smaller": accept_smaller},
        lake,
        listings,
        market,
        batch_size or source.batch_size,
        now,
    )
    base: FetchBatchEvent = {
        "date": str(day),
        "start": str(start) if start else None,
        "end": str(end) if end else None,
    }
    on_start(len(update["symbols"]))
    notes = _readable_metadata(lake)
    pool = ThreadPoolExecutor(min(MAX_CONCURRENT_BATCHES, source.concurrency))
    try:
        futures = [
            pool.submit(_fetch, base, batch, lake, source, market, now, on_symbols) for batch in update["symbolBatches"]
        ]
        batches = [future.result() for future in futures]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # an interrupt must not wait for the batches that are left
    results, failures = _refresh(lake, alert_rules, serving_file, on_step)
    notes += [*source.notes(), *past_day_notes(day, market, now)]
    summary = summarised(batches, update["metadata"], lake, source.name, market, str(day), results, failures, notes)
    return {**summary, "seconds": round(time.monotonic() - began, 2)}


def _readable_metadata(lake: Lake) -> list[str]:
    """Compute the table metadata, which the fetch reads, if a file of it is gone or damaged; return a note about it."""
    reason = fetch_metadata.lost(lake)
    if reason is None:
        return []
    refresh.run({"only": ["metadata"]}, lake)
    return [f"metadata was computed from the beginning: {reason}"]


def _refresh(
    lake: Lake, alert_rules: Sequence[str], serving_file: bool | None, on_step: Callable[[str], None]
) -> tuple[dict[str, Result], dict[str, str]]:
    """Run the steps after the fetch; return results and failures by key.

    A step that fails as a whole ends it, unless it may fail.
    """
    steps = {step.result: load_step(step.name) for step in REFRESHES}
    may_fail = {step.result for step in REFRESHES if step.may_fail}
    steps["refresh"] = lambda event, lake: refresh.run({}, lake, on_step)  # reports each part
    events: dict[str, Event] = {"alerts": {"sql_path": [*alert_rules]}}
    if serving_file is not None:
        events["serving"] = {"enabled": serving_file}
    results: dict[str, Result] = {}
    failures: dict[str, str] = {}
    for name, step in steps.items():
        if name != "refresh":
            on_step(name)
        try:
            results[name] = step(events.get(name, {}), lake)
        except StockStreamError as error:
            logger.error("%s: %s", name, error)
            failures[name] = str(error)
            if name not in may_fail:
                break
    return results, failures


def _fetch(
    base: FetchBatchEvent,
    batch: Batch,
    lake: Lake,
    source: Source,
    market: Market,
    now: datetime,
    on_symbols: Callable[[int], None],
) -> BatchResult:
    """Fetch a batch; return a result also for a batch that fails as a whole, so that the others go on."""
    try:
        event: FetchBatchEvent = {**base, "symbols": batch["symbols"], "batchNumber": batch["batchNumber"]}
        return fetch_batch.run(event, lake, source, market, now, on_symbols)
    except StockStreamError as error:
        reason = str(error)
        logger.error("batch %s: %s", batch["batchNumber"], reason)
    except Exception as error:
        reason = f"unexpected {type(error).__name__}: {error}"
        logger.exception("batch %s", batch["batchNumber"])
    return failed_batch(batch, reason)
