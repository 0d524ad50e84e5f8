"""Step 5: who was listed when, and under which code: from the lists in the lake, and from Polygon."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import count
from typing import TYPE_CHECKING, Any

import duckdb

from stockstream.pipeline.errors import Conflict, SourceError, UsageError
from stockstream.pipeline.lake import Lake, metadata_key, no_files, parquet
from stockstream.pipeline.manifest import Manifest, Table
from stockstream.pipeline.markets import Market
from stockstream.pipeline.metadata.inputs import Inputs
from stockstream.pipeline.metadata.merge import SQL, is_up_to_date, merge
from stockstream.pipeline.publish import head, publish, sql_versions, stage, staging, upload
from stockstream.pipeline.steps.update_symbols import believe
from stockstream.sql.loader import load

if TYPE_CHECKING:  # most runs need no client of Polygon, which takes a while to import
    from stockstream.pipeline.metadata.polygon import Page, PolygonReference

logger = logging.getLogger(__name__)

Event = dict[str, Any]

MOST_CODES = 20
"""Calls a run for the codes of single companies: at 5 calls a minute, 4 minutes."""
ROW_GROUP = 61_440


def fetch_metadata(
    event: Event, lake: Lake, provider: PolygonReference | None, market: Market, now: datetime | None = None
) -> dict[str, Any]:
    """Publish a generation whose `metadata` is made of every list of companies in the lake, and of what Polygon said.

    With a provider it is asked first, and its answers are stored: once a day all tickers and those delisted; and each
    run the codes in turn of up to `codes` symbols that came when others went, where no FIGI tells if that is one
    company. `event`: `date` (YYYY-MM-DD; today on the exchange by default; of a past day only the tickers of that day
    are asked for), `codes` (calls; 20 by default), `acceptSmaller` (true: take a list that lost more than 10 %), `full`
    (true: make everything anew). Gives `{"generation" (None: nothing new), "lists" (days merged), "rows" (periods),
    "listed" (symbols in the newest list), "codeChanges", "polygon" (None without a provider): {"tickers", "delisted"
    (both None: stored before), "codes" (symbols asked for), "refused" (why no more; else None)}}`.

    Raises:
        ListingsRefused: Polygon's list of tickers is not believable.
        SourceError: Polygon does not give a whole list.
        LakeError: the lake cannot be read or written.
    """
    told = _ask(provider, event, lake, market, now or datetime.now(UTC)) if provider else None
    full = bool(event.get("full"))
    result: dict[str, Any] = {}

    def make(before: Manifest) -> Manifest | None:
        held, inputs = before.table("metadata"), Inputs.of(lake)
        result.update(lists=0, rows=0, listed=0, codeChanges=0)
        if not inputs.days or (is_up_to_date(held, inputs) and not full):
            return None
        con, result["lists"] = merge(lake, held, inputs, full)
        with con, staging() as folder:
            result["rows"], result["listed"], result["codeChanges"] = con.execute(
                "SELECT count(*), count(*) FILTER (valid_to IS NULL), count(renamed_to) FROM metadata"
            ).fetchall()[0]
            staged = stage(con, "FROM metadata", folder / "base.parquet", ROW_GROUP)
            table = Table(
                base=upload(lake, [staged], "metadata", "base", before.generation + 1),
                through=inputs.days[-1],
                made_from=inputs.checkpoint(inputs.days[-1]),
                sql=sql_versions(*SQL),
            )
        tables = {**before.tables, "metadata": table}
        return before.model_copy(update={"tables": tables, "inputs": (), "restores": None})

    made = publish(lake, "metadata", make)
    return {"generation": made.generation if made else None, **result, "polygon": told}


def _ask(provider: PolygonReference, event: Event, lake: Lake, market: Market, now: datetime) -> dict[str, Any]:
    """Store what Polygon says, and tell how much that was."""
    today = market.today(now)
    day = date.fromisoformat(event["date"]) if event.get("date") else today
    if day > today:
        raise UsageError(f"{day} is still to come: Polygon knows the tickers of today and of past days")
    lake.prepare(market, today)
    told: dict[str, Any] = {"tickers": None, "delisted": None, "codes": 0, "refused": None}
    held, stored = head(lake).table("metadata"), Inputs.of(lake)
    if not stored.has("polygon-tickers", day):
        pages = provider.tickers(day if day < today else None)
        told["tickers"] = sum(page.rows for page in pages)
        last = held.through is not None and held.through <= day
        believe(told["tickers"], _listed(lake) if last else 0, bool(event.get("acceptSmaller")))
        _store(lake, "tickers", day, now, pages)
    if day == today and not stored.has("polygon-delisted", day):
        pages = provider.delisted()
        told["delisted"] = sum(page.rows for page in pages)
        _store(lake, "delisted", day, now, pages)

    pages = []
    for symbol in _unexplained(lake, held)[: event.get("codes", MOST_CODES)]:
        try:
            pages.append(provider.codes(symbol))
        except SourceError as refusal:  # what was answered is kept, the rest is for the next run
            told["refused"] = str(refusal)
            logger.warning("the codes of %s: %s", symbol, refusal)
            break
    told["codes"] = len(pages)
    if pages:
        _store(lake, "events", today, now, pages)
    return told


def _listed(lake: Lake) -> int:
    """Count the companies of the last list that was merged."""
    with lake.session(no_files, "views/metadata") as con:
        return int(con.execute("SELECT count(*) FROM metadata WHERE valid_to IS NULL").fetchall()[0][0])


def _unexplained(lake: Lake, held: Table) -> list[str]:
    """Give the symbols to ask for, the most urgent first."""
    con, _ = merge(lake, held, Inputs.of(lake))
    with con:
        return [symbol for (symbol,) in con.execute(load("steps/metadata_unexplained").text).fetchall()]


def _store(lake: Lake, kind: str, day: date, now: datetime, pages: Sequence[Page]) -> None:
    """Put answers into the lake as they came. Of two lists of a day, told to two runs at once, the first stays."""
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
