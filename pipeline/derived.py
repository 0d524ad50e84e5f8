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
from pathlib import Path
from types import ModuleType

from duckdb import DuckDBPyConnection

from stockstream.pipeline import steps
from stockstream.pipeline.buckets import buckets_of, limit_memory
from stockstream.pipeline.events import TableReport
from stockstream.pipeline.lake import SILVER, Lake, no_files
from stockstream.pipeline.manifest import Change, DataFile, Manifest, Table
from stockstream.pipeline.publishing import Published, publish, session_at, sql_versions
from stockstream.pipeline.staging import Parts, StagedFile, staging_folder, upload
from stockstream.pipeline.tiers import MAX_TIERS, add_tier
from stockstream.pipeline.verification import damaged
from stockstream.sql.loader import load, views_for
from stockstream.sql.session import set_silver, set_variable, silver_of
from stockstream.sql.variables import literal

logger = logging.getLogger(__name__)

ROW_GROUP = 61_440
"""Rows per row group."""
BARS_TO_READ = "steps/bars_to_read"
"""The SQL file of the bars by which symbols are divided into buckets."""
BEGINNING = date(1, 1, 1)
"""A day before all bars: `since` when a whole table is computed."""


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
    """Compute the tables that are out of date or have lost files, and publish them as one generation.

    `full` computes all tables from the beginning. `inputs` has the checksums, by name, of inputs other than the bars
    and the SQL files. The report has one entry per table that was written, by the table's name.

    Raises:
        LakeError: the lake cannot be read or written.
    """
    tables = list(tables)

    def make(before: Manifest) -> tuple[Change | None, dict[str, TableReport]]:
        if not before.table("bars").files:
            return None, {}
        checkpoints = {table: _checkpoint(before, table, inputs or {}) for table in tables}
        existing = {table: before.table(table.name) for table in tables}
        gone = missing_files(lake, existing.values())
        lost = [table for table in tables if full or gone.intersection(file.key for file in existing[table].files)]
        stale = [table for table in tables if table in lost or checkpoints[table] != existing[table].made_from]
        if not stale:
            return None, {}
        steps = {BARS_TO_READ, *(step for table in stale for step in table.steps)}
        with session_at(lake, before, no_files, *sorted(steps)) as con, staging_folder() as folder:
            results = compute_tables(con, lake, before, folder, {one: checkpoints[one] for one in stale}, lost)
        change = Change(tables={name: table for name, (table, _) in results.items()})
        return change, {name: report for name, (_, report) in results.items()}

    return publish(lake, step, make)


def step_modules() -> dict[str, ModuleType]:
    """Return the modules of `pipeline/steps` that declare a derived table as `TABLE`, by the table's name."""
    modules = (import_module(f"{steps.__name__}.{module.name}") for module in pkgutil.iter_modules(steps.__path__))
    tables = ((getattr(module, "TABLE", None), module) for module in modules)
    return {table.name: module for table, module in tables if isinstance(table, DerivedTable)}


def missing_files(lake: Lake, tables: Iterable[Table]) -> set[str]:
    """Return the keys of files of tables that are gone, or have another size than was published."""
    files = [file for table in tables for file in table.files]
    listed = lake.store.list(SILVER) if files else {}
    return {file.key for file in files if file.key not in listed or listed[file.key].size != file.bytes}


def _checkpoint(before: Manifest, table: DerivedTable, inputs: Mapping[str, str]) -> dict[str, str]:
    """Return the present inputs of a table: the files of the bars, and checksums of other inputs and of SQL files."""
    bars = before.table("bars")
    parts = {"base": bars.base, "delta": bars.delta}
    keys = {role: " ".join(file.key for file in files) for role, files in parts.items()}
    return {**keys, **inputs, **sql_versions(*table.sql)}


def _is_whole(existing: Table, made_from: Mapping[str, str]) -> bool:
    """Return whether the whole table must be computed, because more has changed than the bars' delta and tiers.

    The tiers of the bars are merged, but their rows stay, unless the first file of base is written again.
    """
    names = made_from.keys() - {"base", "delta"}
    return (
        not existing.made_from
        or any(existing.made_from.get(name) != made_from[name] for name in names)
        or existing.made_from.get("base", "").split(" ")[0] != made_from["base"].split(" ")[0]
    )


def compute_tables(
    con: DuckDBPyConnection,
    lake: Lake,
    before: Manifest,
    folder: Path,
    checkpoints: Mapping[DerivedTable, dict[str, str]],
    lost: Collection[DerivedTable],
) -> dict[str, tuple[Table, TableReport]]:
    """Compute tables of a step from the bars of `before`, bucket by bucket, and upload their new files.

    `con` reads `before`, and has the views of the tables' steps and of BARS_TO_READ. `checkpoints` are those of the new
    tables; the tables in `lost` are computed from the beginning. Returns the new tables by name, each with a report.
    """
    limit_memory(con, folder)
    plans = [_plan(con, lake, before, table, checkpoint, table in lost) for table, checkpoint in checkpoints.items()]
    # A table that is computed from the beginning is made from the bars alone, whatever has become of its files.
    names = before.tables.keys() - {plan.table.name for plan in plans if plan.is_whole}
    set_silver(con, {name: silver_of(con, name) for name in sorted(names)})
    staged: dict[str, dict[str, StagedFile]] = {}
    for is_whole in (True, False):
        group = [plan for plan in plans if plan.is_whole is is_whole]
        if group:
            staged |= _compute(con, before.table("bars"), folder, group)
    return {plan.table.name: _uploaded(con, lake, before, plan, staged[plan.table.name]) for plan in plans}


@dataclass(frozen=True)
class _Plan:
    """Which rows of a table are computed, and where they are written."""

    table: DerivedTable
    checkpoint: dict[str, str]
    is_whole: bool
    since: date
    """The rows after this day are computed; BEGINNING: all."""
    through: date | None
    """The last day in base from now on."""
    base: tuple[DataFile, ...] = ()
    """The files that base has already."""


def _plan(
    con: DuckDBPyConnection,
    lake: Lake,
    before: Manifest,
    table: DerivedTable,
    checkpoint: dict[str, str],
    is_lost: bool,
) -> _Plan:
    """Return how a table is brought up to date: from the beginning, or with a new delta, and perhaps a tier."""
    bars, existing = before.table("bars"), before.table(table.name)
    whole = _Plan(table, checkpoint, True, BEGINNING, table.last_day(con, bars))
    if is_lost or _is_whole(existing, checkpoint):
        return whole
    since, through = existing.through or BEGINNING, existing.through
    if existing.made_from["base"] != checkpoint["base"]:  # the bars have a new tier, which makes more rows final
        through = max((day for day in (through, whole.through) if day), default=None)
        tiers = existing.base[1:] if len(existing.base) > MAX_TIERS else ()
        if broken := damaged(lake, tiers):
            logger.warning("%s is computed from the beginning, as files are damaged: %s", table.name, broken)
            return whole
    return _Plan(table, checkpoint, False, since, through, existing.base)


def _compute(
    con: DuckDBPyConnection, bars: Table, folder: Path, plans: Sequence[_Plan]
) -> dict[str, dict[str, StagedFile]]:
    """Compute the rows of tables, all from the beginning or none, and write them; return their new files by role."""
    parts = {
        (plan.table.name, role): Parts(con, folder / f"{plan.table.name}-{role}.parquet", lambda rows: ROW_GROUP)
        for plan in plans
        for role in ("base", "delta")
    }
    restated = () if plans[0].is_whole else bars.restated
    first = min(plan.since for plan in plans)
    set_variable(con, "restated", restated)
    set_variable(con, "since", min(plan.table.reads_after(plan.since) for plan in plans))
    con.execute(load(BARS_TO_READ).text)
    plans[0].table.start(con, first)
    for bucket in buckets_of(con, "bars_to_read", sum(file.rows for file in bars.files)):
        bucket.select(con)
        plans[0].table.prepare(con, first, restated)
        for plan in plans:
            plan.table.compute(con, plan.since, restated)
            in_base = "false"
            if plan.through is not None and plan.through > plan.since:
                in_base = f"{plan.table.ends_on} <= DATE '{plan.through}' AND NOT list_contains({_list(bars)}, symbol)"
            for role, condition in {"base": in_base, "delta": f"({in_base}) IS NOT TRUE"}.items():
                query = f"FROM derived_rows WHERE {bucket.condition} AND {condition} ORDER BY symbol, date"
                parts[plan.table.name, role].add(query)
    written = {key: file for key, part in parts.items() if (file := part.staged()) is not None}
    return {
        plan.table.name: {role: file for (name, role), file in written.items() if name == plan.table.name}
        for plan in plans
    }


def _list(bars: Table) -> str:
    """Return the restated symbols as a list in SQL."""
    return f"{literal(bars.restated)}::VARCHAR[]"


def _uploaded(
    con: DuckDBPyConnection, lake: Lake, before: Manifest, plan: _Plan, staged: Mapping[str, StagedFile]
) -> tuple[Table, TableReport]:
    """Upload the new files of a table; return the table and its report."""
    bars, base, new = before.table("bars"), plan.base, dict(staged)
    if "base" in new:
        base, new["base"] = add_tier(con, lake, base, new["base"], bars.restated, ROW_GROUP)
    name, number = plan.table.name, before.generation + 1
    files = {role: upload(lake, [file], name, role, number) for role, file in new.items()}
    return (
        Table(
            base=base + files.get("base", ()),
            delta=files.get("delta", ()),
            restated=bars.restated,
            through=plan.through,
            made_from=plan.checkpoint,
            sql=sql_versions(*plan.table.sql),
        ),
        {
            "rows": sum(file.rows for file in new.values()),
            "bytes": sum(file.bytes for file in new.values()),
            "whole": plan.is_whole,
        },
    )
