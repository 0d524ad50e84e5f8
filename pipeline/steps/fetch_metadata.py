"""Step: when each symbol was listed and under which codes, from the lists in the lake and from Polygon."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import count
from typing import TYPE_CHECKING

import duckdb

from stockstream.pipeline.companies import believe
from stockstream.pipeline.errors import Conflict, SourceError, UsageError
from stockstream.pipeline.events import FetchMetadataEvent, FetchMetadataResult, PolygonReport
from stockstream.pipeline.generations import head
from stockstream.pipeline.lake import Lake, metadata_key, no_files, parquet
from stockstream.pipeline.manifest import Change, Manifest, Table
from stockstream.pipeline.markets import Market
from stockstream.pipeline.metadata.inputs import Inputs
from stockstream.pipeline.metadata.periods import SQL, is_up_to_date, merge
from stockstream.pipeline.publishing import candidate, publish, session_at, sql_versions
from stockstream.pipeline.staging import stage, staging_folder, upload
from stockstream.pipeline.verification import damaged
from stockstream.sql.loader import load
from stockstream.sql.session import explained

if TYPE_CHECKING:  # most runs need no client of Polygon, which takes a while to import
    from stockstream.pipeline.metadata.polygon import Page, PolygonReference

logger = logging.getLogger(__name__)

MAX_CODES = 20
"""Requests per run for the codes of single companies: at 5 requests per minute, 4 minutes."""
ROW_GROUP = 61_440
"""Rows per row group."""


def run(
    event: FetchMetadataEvent,
    lake: Lake,
    provider: PolygonReference | None,
    market: Market,
    now: datetime | None = None,
) -> FetchMetadataResult:
    """Publish a generation whose `metadata` is made from every list of companies and Polygon's answers in the lake.

    With a provider, its lists are fetched and stored first: all tickers and all delisted ones, once per day, and in
    each run the former and later codes of up to `codes` symbols that appeared when others disappeared, if no FIGI shows
    whether that is the same company.

    Raises:
        UsageError: the day of the event is in the future.
        ListingsRefused: Polygon's list of tickers is not plausible.
        SourceError: Polygon does not return a complete list.
        LakeError: the lake cannot be read or written.
    """
    polygon = _fetch(provider, event, lake, market, now or datetime.now(UTC)) if provider else None
    published = publish(lake, "metadata", lambda before: change(event, lake, before))
    return {**published.report, "polygon": polygon, "generation": published.generation}


def change(event: FetchMetadataEvent, lake: Lake, before: Manifest) -> tuple[Change | None, FetchMetadataResult]:
    """Merge the lists of companies into the table of `before`, upload it, and return the change that names it.

    If its file is gone or damaged, all lists are merged from the beginning.

    Raises:
        LakeError: the lake cannot be read or written.
    """
    (table, lost), inputs, full = _stored(lake, before), Inputs.of(lake), bool(event.get("full"))
    report: FetchMetadataResult = {
        "generation": None, "lists": 0, "rows": 0, "listed": 0, "code_changes": 0,
        "reused": 0, "unlinked": 0, "polygon": None,
    }  # fmt: skip
    if lost:
        report["rebuilt"] = lost
    if not inputs.days or (is_up_to_date(table, inputs) and not full):
        return None, report
    con, report["lists"] = merge(lake, table, inputs, full)
    with con, staging_folder() as folder:
        counts = con.execute(load("steps/metadata_counts").text).fetchall()[0]
        report["rows"], report["listed"], report["code_changes"] = counts
        key = ("symbol", "valid_from")
        staged = stage(con, "FROM metadata", folder / "base.parquet", ROW_GROUP, key, is_sorted=False)
        table = Table(
            base=upload(lake, [staged], "metadata", "base", before.generation + 1),
            through=inputs.days[-1],
            made_from=inputs.checkpoint(inputs.days[-1]),
            sql=sql_versions(*SQL),
        )
    publication = Change(tables={"metadata": table})
    report["reused"], report["unlinked"] = _doubts(lake, candidate(before, publication))
    return publication, report


def lost(lake: Lake) -> str | None:
    """Return which file of the newest table is gone or damaged, and how; None if there is none.

    Raises:
        LakeError: the lake cannot be read.
    """
    return _stored(lake, head(lake))[1]


def _stored(lake: Lake, before: Manifest) -> tuple[Table, str | None]:
    """Return the table of a generation; an empty one, and the reason, if its file is gone or damaged."""
    table = before.table("metadata")
    bad = damaged(lake, table.files)
    if not bad:
        return table, None
    lost = "; ".join(f"{key}: {reason}" for key, reason in bad.items())
    logger.warning("metadata is merged from the beginning: %s", lost)
    return Table(), lost


def _doubts(lake: Lake, manifest: Manifest) -> tuple[int, int]:
    """Return the numbers of symbols that two companies have had, and of those that may be code changes."""
    views = ("reused_symbols", "unlinked_symbols")
    with explained(lake.uri), session_at(lake, manifest, no_files, *(f"views/{view}" for view in views)) as con:
        counts = [con.execute(f"SELECT count(DISTINCT symbol) FROM {view}").fetchall()[0][0] for view in views]
    return counts[0], counts[1]


def _fetch(
    provider: PolygonReference, event: FetchMetadataEvent, lake: Lake, market: Market, now: datetime
) -> PolygonReport:
    """Store Polygon's answers, and report how many there were."""
    today, text = market.today(now), event.get("date")
    day = date.fromisoformat(text) if text else today
    if day > today:
        raise UsageError(f"{day} is still to come: Polygon has the tickers of today and of past days")
    lake.prepare(market, today)
    report: PolygonReport = {"tickers": None, "delisted": None, "codes": 0, "refused": None}
    (table, _), stored = _stored(lake, head(lake)), Inputs.of(lake)
    if not stored.has("polygon-tickers", day):
        pages = provider.tickers(day if day < today else None)
        report["tickers"] = tickers = sum(page.rows for page in pages)
        is_newest = table.through is not None and table.through <= day
        believe(tickers, _listed(lake) if is_newest else 0, bool(event.get("accept_smaller")))
        _store(lake, "tickers", day, now, pages)
    if day == today and not stored.has("polygon-delisted", day):
        pages = provider.delisted()
        report["delisted"] = sum(page.rows for page in pages)
        _store(lake, "delisted", day, now, pages)

    pages = []
    for symbol in _unexplained(lake, table)[: event.get("codes", MAX_CODES)]:
        try:
            pages.append(provider.codes(symbol))
        except SourceError as refusal:  # store the answers so far; the next run requests the rest
            report["refused"] = str(refusal)
            logger.warning("the codes of %s: %s", symbol, refusal)
            break
    report["codes"] = len(pages)
    if pages:
        _store(lake, "events", today, now, pages)
    return report


def _listed(lake: Lake) -> int:
    """Return the number of companies in the last list that was merged."""
    with explained(lake.uri), lake.session(no_files, "views/metadata") as con:
        return int(con.execute("SELECT count(*) FROM metadata WHERE valid_to IS NULL").fetchall()[0][0])


def _unexplained(lake: Lake, table: Table) -> list[str]:
    """Return the symbols whose codes are to be requested, the most urgent first."""
    con, _ = merge(lake, table, Inputs.of(lake))
    with explained(lake.uri), con:
        return [symbol for (symbol,) in con.execute(load("steps/metadata_unexplained").text).fetchall()]


def _store(lake: Lake, kind: str, day: date, now: datetime, pages: Sequence[Page]) -> None:
    """Put answers into the lake unchanged. If two runs store the list of a day at once, the first one stays."""
    asked_at = now.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    rows = [(kind, day, page.symbol, page.path, asked_at, page.answer, page.refused) for page in pages]
    with duckdb.connect() as con:
        con.execute(load("steps/metadata_answers").text)
        con.executemany("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        data = parquet(con, "FROM answers")
    for part in count():
        try:
            lake.store.put(metadata_key(day, f"polygon-{kind}", part), data, replaces=None)
        except Conflict:
            if kind == "events":
                continue
        return
