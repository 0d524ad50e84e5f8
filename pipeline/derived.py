"""Derived tables: silver tables that are computed from the consolidated bars and written again when these change.

A derived table consists of base and delta, like the bars. Its base is kept as long as the first file of the bars' base
is; when that base gets a tier, so does this one. Its delta is computed again for each new delta of the bars.
`stockstream run` keeps every table up to date that a module in `pipeline/steps` declares as `TABLE`: see
CONTRIBUTING.md.
"""

from __future__ import annotations

import logging
import pkgutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from types import ModuleType

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.pipeline import steps
from stockstream.pipeline.derived_rows import BARS_TO_READ, compute_tables, is_current, is_whole
from stockstream.pipeline.errors import Conflict, LakeError, StockStreamError
from stockstream.pipeline.events import TableReport
from stockstream.pipeline.lake import Lake, no_files
from stockstream.pipeline.manifest import Change, Manifest, Table
from stockstream.pipeline.publishing import Published, publish, session_at
from stockstream.pipeline.staging import staging_folder
from stockstream.pipeline.verification import damaged, missing
from stockstream.sql.loader import load, views_for
from stockstream.sql.session import explain, set_variable

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DerivedTable:
    """A table with the key (symbol, date) that an SQL file computes from the consolidated bars.

    The SQL file creates the temp table `derived_rows`: all rows of the symbols in the variable `restated`, and the rows
    after the day in the variable `since` of all other symbols. It may leave out symbols outside of the bucket of
    `pipeline/buckets.py` that is being computed, which saves time and memory.
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
        """The SQL files that the methods below execute."""
        return (self.step,)

    def last_day(self, con: DuckDBPyConnection, bars: Table) -> date | None:
        """Return the last day in base when the whole table is computed; None if base remains empty."""
        return bars.through

    def reads_after(self, since: date) -> date:
        """Return the day after which bars are read to compute the rows after `since`."""
        return since

    def start(self, con: DuckDBPyConnection, since: date) -> None:
        """Prepare the computation of all buckets: once for all tables of a step, `since` being the earliest one."""

    def prepare(self, con: DuckDBPyConnection, since: date, restated: Sequence[str]) -> None:
        """Prepare the computation of a bucket: once for all tables of a step, `since` being the earliest one."""

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
    """Compute the tables that are out of date, and upload their files; return the change that names them.

    `full` computes all tables from the beginning. `inputs` has the checksums, by name, of inputs other than the bars
    and the SQL files. A table that cannot be computed stays as it was. A table of which a file is gone or damaged is
    computed from the beginning.

    Raises:
        LakeError: the lake cannot be listed.
    """
    if not before.table("bars").files:
        return None, Derived({}, {})
    checkpoints = {table: _checkpoint(before, inputs or {}) for table in tables}
    absent = missing(lake, (file for table in checkpoints for file in before.table(table.name).files))
    stale, lost = {}, {}
    for table, checkpoint in checkpoints.items():
        existing = before.table(table.name)
        if gone := {file.key: absent[file.key] for file in existing.files if file.key in absent}:
            lost[table.name] = _listed(gone)
        if full or gone or not is_current(table, existing, checkpoint):
            stale[table] = checkpoint
    outcomes = _outcomes(lake, before, stale, stale if full else [one for one in stale if one.name in lost])
    broken = {}
    for table, checkpoint in stale.items():
        existing = before.table(table.name)
        is_kept = not full and table.name not in lost and not is_whole(table, existing, checkpoint)
        is_lost = is_kept and isinstance(outcomes[table.name], duckdb.Error | LakeError)
        if is_lost and (bad := damaged(lake, existing.files)):
            lost[table.name], broken[table] = _listed(bad), checkpoint
    outcomes |= _outcomes(lake, before, broken, broken)
    results: dict[str, tuple[Table, TableReport]] = {}
    failed: dict[str, str] = {}
    for name, outcome in outcomes.items():
        if isinstance(outcome, Exception):
            failed[name] = reason_of(outcome, lake)
            logger.error(
                "%s stays as it was: %s", name, failed[name], exc_info=outcome if not is_expected(outcome) else None
            )
            continue
        written, report = outcome
        if name in lost:
            logger.warning("%s was computed from the beginning: %s", name, lost[name])
            report["rebuilt"] = lost[name]
        results[name] = written, report
    change = Change(tables={name: written for name, (written, _) in results.items()}) if results else None
    return change, Derived({name: report for name, (_, report) in results.items()}, failed)


def _outcomes(
    lake: Lake, before: Manifest, stale: Mapping[DerivedTable, dict[str, str]], whole: Collection[DerivedTable]
) -> dict[str, tuple[Table, TableReport] | Exception]:
    """Compute tables in one session; return each with its report, or the error because of which it stays as it was.

    `stale` has their checkpoints; those in `whole` are computed from the beginning.
    """
    if not stale:
        return {}
    files = {BARS_TO_READ, *(step for table in stale for step in table.steps)}
    try:
        with session_at(lake, before, no_files, *sorted(files)) as con, staging_folder() as folder:
            return compute_tables(con, lake, before, folder, stale, whole)
    except Conflict:
        raise
    except Exception as error:
        return {table.name: error for table in stale}


def _listed(reasons: Mapping[str, str]) -> str:
    return "; ".join(f"{key}: {reason}" for key, reason in reasons.items())


def is_expected(error: Exception) -> bool:
    """Return whether an error is one of the lake or of the machine, and not a mistake in the program."""
    return isinstance(error, StockStreamError | duckdb.Error | OSError | MemoryError)


def reason_of(error: Exception, lake: Lake) -> str:
    """Return why a table could not be computed, in one line."""
    if isinstance(error, duckdb.Error):
        return str(explain(error, lake.uri))
    return str(error) if isinstance(error, StockStreamError) else f"{type(error).__name__}: {error}"


def step_modules() -> dict[str, ModuleType]:
    """Return the modules of `pipeline/steps` that declare a derived table as `TABLE`, by the table's name."""
    modules = (import_module(f"{steps.__name__}.{module.name}") for module in pkgutil.iter_modules(steps.__path__))
    tables = ((getattr(module, "TABLE", None), module) for module in modules)
    return {table.name: module for table, module in tables if isinstance(table, DerivedTable)}


def _checkpoint(before: Manifest, inputs: Mapping[str, str]) -> dict[str, str]:
    """Return the present inputs of a table: the files of the bars, and checksums of others, without the SQL files."""
    bars = before.table("bars")
    parts = {"base": bars.base, "delta": bars.delta}
    keys = {role: " ".join(file.key for file in files) for role, files in parts.items()}
    return {**keys, **inputs}
