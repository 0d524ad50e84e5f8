"""Compute damaged silver tables again, from the batch files, the archive and the lists of companies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from stockstream.pipeline.batch_names import from_text, to_text
from stockstream.pipeline.derived import step_modules
from stockstream.pipeline.errors import StockStreamError
from stockstream.pipeline.lake import RAW, Lake
from stockstream.pipeline.manifest import Change, Manifest
from stockstream.pipeline.markets import Market
from stockstream.pipeline.publishing import publish
from stockstream.pipeline.repair.silver import ARCHIVE
from stockstream.pipeline.steps import consolidate, fetch_metadata, resample
from stockstream.sql.session import quoted

Outcome = tuple[tuple[str, ...], str | None]
"""The tables that were computed, and why they could not be."""


def rebuild_tables(lake: Lake, newest: Manifest, damaged: set[str], market: Market | None) -> Iterator[Outcome]:
    """Compute the tables of the newest generation that have a damaged file, each in full; yield the outcome of each.

    Tables that are computed from the bars are computed when the bars were, too. `damaged` has the keys of files.
    """
    broken = {name for name, table in newest.tables.items() if any(file.key in damaged for file in table.files)}
    for name in sorted(broken & {ARCHIVE, "reconciled"}):
        yield (name,), _failure(partial(_leave_out, lake, name, damaged))
    if "metadata" in broken:
        yield ("metadata",), _failure(lambda: _merge_lists(lake, market))
    if "bars" in broken:
        yield ("bars",), _failure(lambda: consolidate.run({"full": True}, lake))
    is_stale = "bars" in broken
    resampled = tuple(sorted(name for name in newest.tables if name.startswith("bars_")))
    if resampled and (is_stale or broken & {*resampled}):
        intervals = [name.removeprefix("bars_") for name in resampled]
        yield resampled, _failure(lambda: resample.run({"intervals": intervals, "full": True}, lake))
    for name, module in step_modules().items():
        if name in newest.tables and (is_stale or name in broken):
            yield (name,), _failure(partial(module.run, {"full": True}, lake))


def _failure(step: Callable[[], object]) -> str | None:
    """Run a step; return the message of its error."""
    try:
        step()
    except StockStreamError as error:
        return str(error)
    return None


def _merge_lists(lake: Lake, market: Market | None) -> None:
    """Publish the table metadata, or a generation without it if no list is left."""
    if market is None:
        raise StockStreamError("the market is not known: name it with --market")
    published = fetch_metadata.run({"full": True}, lake, None, market)
    if published["generation"] is None:
        publish(lake, "repair", lambda before: (Change(tables={"metadata": None}), None))


def name_existing_batches(lake: Lake) -> None:
    """Publish a generation without the names of batch files that no longer exist: readers on S3 do not list them.

    Raises:
        LakeError: the lake cannot be read or written.
    """

    def make(before: Manifest) -> tuple[Change | None, None]:
        existing = {key.removeprefix(RAW) for key in lake.store.list(RAW)}
        held = tuple(name for name in before.consolidated if name in existing)
        return (Change(tables={}, consolidated=held) if len(held) < len(before.consolidated) else None), None

    publish(lake, "repair", make)


def _leave_out(lake: Lake, name: str, damaged: set[str]) -> None:
    """Publish a generation in which a table lacks its damaged files, which nothing can compute again.

    Batch files that were archived, and still exist, are read again, unless an intact file of the archive has them.
    """

    def make(before: Manifest) -> tuple[Change | None, None]:
        table = before.table(name)
        files = tuple(file for file in table.base if file.key not in damaged)
        if not files or name != ARCHIVE:
            return Change(tables={name: None}), None
        existing = {key.removeprefix(RAW) for key in lake.store.list(RAW)}
        archived = existing & {*from_text(table.made_from.get("files", ""))}
        if archived:
            with lake.session(None, "views/read_stored") as con:
                sources = ", ".join(quoted(lake.store.uri(file.key)) for file in files)
                archived &= {
                    name for (name,) in con.execute(f"SELECT DISTINCT file FROM read_parquet([{sources}])").fetchall()
                }
        made_from = {**table.made_from, "files": to_text(archived)}
        return Change(tables={name: table.model_copy(update={"base": files, "made_from": made_from})}), None

    publish(lake, "repair", make)
