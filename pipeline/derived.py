"""Derived tables: silver tables that are computed from the consolidated bars and written again when these change.

A derived table consists of base and delta, like the bars. Its base is kept as long as the base of the bars is; its
delta is computed again for each new delta of the bars. `stockstream run` keeps every table up to date that a module in
`pipeline/steps` declares as `TABLE`: see CONTRIBUTING.md.
"""

from __future__ import annotations

import logging
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from types import ModuleType

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.pipeline import steps
from stockstream.pipeline.errors import Conflict, LakeError, StockStreamError
from stockstream.pipeline.events import TableReport
from stockstream.pipeline.lake import Lake, no_files
from stockstream.pipeline.manifest import Change, DataFile, Manifest, Table
from stockstream.pipeline.publishing import Published, publish, session_at, sql_versions
from stockstream.pipeline.staging import stage, staging_folder, upload
from stockstream.pipeline.verification import damaged, missing
from stockstream.sql.loader import load, views_for
from stockstream.sql.session import explain, set_variable

logger = logging.getLogger(__name__)

AT_ONCE = 6
"""Maximum number of tables that are computed at the same time."""
ROW_GROUP = 61_440
"""Rows per row group."""
BEGINNING = date(1, 1, 1)
"""A day before all bars: `since` when a whole table is computed."""


@dataclass(frozen=True)
class DerivedTable:
    """A table with the key (symbol, date) that an SQL file computes from the consolidated bars.

    The SQL file creates the temp table `derived_rows`: all rows of the symbols in the variable `restated`, and the rows
    after the day in the variable `since` of all other symbols.
    """

    name: str
    """The name of the table, of its schema `sql/schema/NAME.sql` and of its view."""
    step: str
    """The SQL file below `sql/`, without suffix: `steps/NAME`."""

    ends_on = "date"
    """Name of the column that holds, per row, the last day of the bars from which the row is computed."""

    @property
    def sql(self) -> tuple[str, ...]:
        """The SQL files that decide the rows: when one of them changes, the whole table is computed again."""
        return (*self.steps, *views_for(*self.steps))

    @property
    def steps(self) -> tuple[str, ...]:
        """The SQL files that `last_day` and `compute` execute."""
        return (self.step,)

    def last_day(self, con: DuckDBPyConnection, bars: Table) -> date | None:
        """Return the last day in base when the whole table is computed; None if base remains empty."""
        return bars.through

    def compute(self, con: DuckDBPyConnection, since: date, restated: Sequence[str]) -> None:
        """Create the temp table `derived_rows`; for the whole table `since` is BEGINNING and `restated` is empty."""
        set_variable(con, "since", since)
        set_variable(con, "restated", restated)
        con.execute(load(self.step).text)


def refresh(
    lake: Lake,
    step: str,
    tables: Iterable[DerivedTable],
    *,
    full: bool = False,
    inputs: Mapping[str, str] | None = None,
) -> Published[dict[str, TableReport]]:
    """Compute the tables that are out of date, and publish them as one generation; see `changed`.

    Raises:
        LakeError: the lake cannot be read or written, or a table cannot be computed; the others are published.
    """
    tables = list(tables)

    def make(before: Manifest) -> tuple[Change | None, Derived]:
        return changed(lake, before, tables, full=full, inputs=inputs)

    published = publish(lake, step, make)
    if failed := published.report.failed:
        raise LakeError("; ".join(f"{name} stays as it was: {reason}" for name, reason in failed.items()))
    return Published(published.generation, published.report.tables)


@dataclass(frozen=True)
class Derived:
    """What became of tables that were to be brought up to date."""

    tables: dict[str, TableReport]
    """Those that were written, by name."""
    failed: dict[str, str]
    """Those that could not be computed, with the reason."""


def changed(
    lake: Lake,
    before: Manifest,
    tables: Iterable[DerivedTable],
    *,
    full: bool = False,
    inputs: Mapping[str, str] | None = None,
) -> tuple[Change | None, Derived]:
    """Compute the tables that are out of date, concurrently, and upload their files; return the change that names them.

    `full` computes all tables from the beginning. `inputs` has the checksums, by name, of inputs other than the bars
    and the SQL files. A table that cannot be computed stays as it was. A table of which a file is gone or damaged is
    computed from the beginning.

    Raises:
        LakeError: the lake cannot be listed.
    """
    if not before.table("bars").files:
        return None, Derived({}, {})
    checkpoints = {table: _checkpoint(before, table, inputs or {}) for table in tables}
    absent = missing(lake, (file for table in checkpoints for file in before.table(table.name).files))
    jobs: dict[str, Future[tuple[Table, TableReport]]] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for table, made_from in checkpoints.items():
            existing = before.table(table.name)
            lost = next((f"{file.key}: {absent[file.key]}" for file in existing.files if file.key in absent), None)
            if full or lost or made_from != existing.made_from:
                jobs[table.name] = pool.submit(_refreshed, lake, before, table, made_from, full, lost)
    results, failed = {}, {}
    for name, job in jobs.items():
        try:
            results[name] = job.result()
        except Conflict:
            raise
        except Exception as error:
            failed[name] = reason_of(error, lake)
            logger.error("%s stays as it was: %s", name, failed[name], exc_info=not is_expected(error))
    change = Change(tables={name: table for name, (table, _) in results.items()}) if results else None
    return change, Derived({name: report for name, (_, report) in results.items()}, failed)


def is_expected(error: Exception) -> bool:
    """Return whether an error is one of the lake or of the machine, and not a mistake in the program."""
    return isinstance(error, StockStreamError | duckdb.Error | OSError | MemoryError)


def reason_of(error: Exception, lake: Lake) -> str:
    """Return why a table could not be computed, in one line."""
    if isinstance(error, duckdb.Error):
        return str(explain(error, lake.uri))
    return str(error) if isinstance(error, StockStreamError) else f"{type(error).__name__}: {error}"


def _refreshed(
    lake: Lake, before: Manifest, table: DerivedTable, made_from: dict[str, str], full: bool, lost: str | None
) -> tuple[Table, TableReport]:
    """Compute a table; if a file of it is gone or damaged, from the beginning, which does not read these files."""
    existing = before.table(table.name)
    unread = before.model_copy(update={"tables": {k: v for k, v in before.tables.items() if k != table.name}})
    if not lost:
        whole = full or _is_whole(existing, made_from)
        try:
            return _compute_table(lake, unread if whole else before, table, made_from, full)
        except (duckdb.Error, LakeError):
            bad = {} if whole else damaged(lake, existing.files)
            if not bad:
                raise
            lost = "; ".join(f"{key}: {reason}" for key, reason in bad.items())
    logger.warning("%s is computed from the beginning: %s", table.name, lost)
    rebuilt, report = _compute_table(lake, unread, table, made_from, True)
    return rebuilt, {**report, "rebuilt": lost}


def step_modules() -> dict[str, ModuleType]:
    """Return the modules of `pipeline/steps` that declare a derived table as `TABLE`, by the table's name."""
    modules = (import_module(f"{steps.__name__}.{module.name}") for module in pkgutil.iter_modules(steps.__path__))
    tables = ((getattr(module, "TABLE", None), module) for module in modules)
    return {table.name: module for table, module in tables if isinstance(table, DerivedTable)}


def _checkpoint(before: Manifest, table: DerivedTable, inputs: Mapping[str, str]) -> dict[str, str]:
    """Return the present inputs of a table: the files of the bars, and checksums of other inputs and of SQL files."""
    bars = before.table("bars")
    parts = {"base": bars.base, "delta": bars.delta}
    keys = {role: " ".join(file.key for file in files) for role, files in parts.items()}
    return {**keys, **inputs, **sql_versions(*table.sql)}


def _is_whole(existing: Table, made_from: Mapping[str, str]) -> bool:
    """Return whether an input other than the bars' delta has changed, so that the whole table must be computed."""
    return not existing.made_from or any(
        existing.made_from.get(name) != version for name, version in made_from.items() if name != "delta"
    )


def _compute_table(
    lake: Lake, before: Manifest, table: DerivedTable, made_from: dict[str, str], full: bool
) -> tuple[Table, TableReport]:
    """Compute a table and upload its new files; keep its base unless the whole table must be computed."""
    bars, existing = before.table("bars"), before.table(table.name)
    whole = full or _is_whole(existing, made_from)
    with session_at(lake, before, no_files, *table.steps) as con, staging_folder() as folder:
        last_day = table.last_day(con, bars) if whole else existing.through
        table.compute(con, BEGINNING if whole or last_day is None else last_day, () if whole else bars.restated)
        set_variable(con, "restated", bars.restated)
        finished = f"{table.ends_on} <= DATE '{last_day}'" if last_day else "false"
        conditions = {"delta": "true"}
        if whole:
            in_base = f"{finished} AND NOT list_contains(getvariable('restated'), symbol)"
            conditions = {"base": in_base, "delta": f"({in_base}) IS NOT TRUE"}
        files: dict[str, tuple[DataFile, ...]] = {"base": () if whole else existing.base, "delta": ()}
        for role, condition in conditions.items():
            if con.execute(f"SELECT count(*) FROM derived_rows WHERE {condition}").fetchall() != [(0,)]:
                query = f"FROM derived_rows WHERE {condition} ORDER BY symbol, date"
                staged = stage(con, query, folder / f"{role}.parquet", ROW_GROUP)
                files[role] = upload(lake, [staged], table.name, role, before.generation + 1)
    written = files["base"] + files["delta"] if whole else files["delta"]
    return (
        Table(
            base=files["base"],
            delta=files["delta"],
            restated=bars.restated,
            through=last_day,
            made_from=made_from,
            sql=sql_versions(*table.sql),
        ),
        {"rows": sum(file.rows for file in written), "bytes": sum(file.bytes for file in written), "whole": whole},
    )
