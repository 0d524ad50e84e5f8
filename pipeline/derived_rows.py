"""The rows of derived tables: computed bucket by bucket, written to the parts base and delta, and uploaded."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from duckdb import DuckDBPyConnection

from stockstream.pipeline.buckets import buckets_of, limit_memory
from stockstream.pipeline.errors import Conflict
from stockstream.pipeline.events import TableReport
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.manifest import DataFile, Manifest, Table
from stockstream.pipeline.publishing import sql_versions
from stockstream.pipeline.staging import Parts, StagedFile, upload
from stockstream.pipeline.tiers import BEGINNING, MAX_TIERS, add_tier
from stockstream.pipeline.verification import damaged
from stockstream.sql.loader import load
from stockstream.sql.session import set_silver, set_variable, silver_of
from stockstream.sql.variables import literal

if TYPE_CHECKING:  # derived.py imports this file
    from stockstream.pipeline.derived import DerivedTable

logger = logging.getLogger(__name__)

ROW_GROUP = 61_440
"""Rows per row group."""
BARS_TO_READ = "steps/bars_to_read"
"""The SQL file of the bars by which symbols are divided into buckets."""

Outcome = tuple[Table, TableReport] | Exception
"""A table that was computed, with its report, or the error because of which it could not be."""


def compute_tables(
    con: DuckDBPyConnection,
    lake: Lake,
    before: Manifest,
    folder: Path,
    checkpoints: Mapping[DerivedTable, dict[str, str]],
    lost: Collection[DerivedTable],
) -> dict[str, Outcome]:
    """Compute tables of a step from the bars of `before`, bucket by bucket, and upload their new files.

    `con` reads `before`, and has the views of the tables' steps and of BARS_TO_READ. `checkpoints` are those of the new
    tables; the tables in `lost` are computed from the beginning. Returns the outcome per table, by its name: an error
    of one table leaves the others.

    Raises:
        duckdb.Error, LakeError: the bars cannot be read.
    """
    limit_memory(con, folder)
    outcomes: dict[str, Outcome] = {}
    plans = []
    for table, checkpoint in checkpoints.items():
        try:
            plans.append(_plan(con, lake, before, table, checkpoint, table in lost))
        except Exception as error:
            outcomes[table.name] = error
    # A table that is computed from the beginning is made from the bars alone, whatever has become of its files.
    names = before.tables.keys() - {plan.table.name for plan in plans if plan.is_whole}
    set_silver(con, {name: silver_of(con, name) for name in sorted(names)})
    for whole in (True, False):
        group = [plan for plan in plans if plan.is_whole is whole]
        if group:
            outcomes |= _compute(con, before.table("bars"), folder, group)
    for plan in plans:
        if plan.table.name not in outcomes:
            try:
                outcomes[plan.table.name] = _uploaded(con, lake, before, plan)
            except Conflict:
                raise
            except Exception as error:
                outcomes[plan.table.name] = error
    return outcomes


def is_current(table: DerivedTable, existing: Table, checkpoint: Mapping[str, str]) -> bool:
    """Return whether a table was computed from the present inputs by the present SQL files."""
    has_inputs = all(existing.made_from.get(name) == value for name, value in checkpoint.items())
    return has_inputs and existing.sql == sql_versions(*table.sql)


def is_whole(table: DerivedTable, existing: Table, checkpoint: Mapping[str, str]) -> bool:
    """Return whether the whole table must be computed, because more has changed than the bars' delta and tiers.

    The tiers of the bars are merged, but their rows stay, unless the first file of base is written again.
    """
    inputs = checkpoint.keys() - {"base", "delta"}
    return (
        existing.sql != sql_versions(*table.sql)
        or any(existing.made_from.get(name) != checkpoint[name] for name in inputs)
        or existing.made_from.get("base", "").split(" ")[0] != checkpoint["base"].split(" ")[0]
    )


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
    staged: dict[str, StagedFile] = field(default_factory=dict)
    """The new files, by role, once they are written."""


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
    if is_lost or is_whole(table, existing, checkpoint):
        return whole
    since, through = existing.through or BEGINNING, existing.through
    if existing.made_from["base"] != checkpoint["base"]:  # the bars have a new tier, which makes more rows final
        through = max((day for day in (through, whole.through) if day), default=None)
        tiers = existing.base[1:] if len(existing.base) > MAX_TIERS else ()
        if broken := damaged(lake, tiers):
            logger.warning("%s is computed from the beginning, as files are damaged: %s", table.name, broken)
            return whole
    return _Plan(table, checkpoint, False, since, through, existing.base)


def _compute(con: DuckDBPyConnection, bars: Table, folder: Path, plans: Sequence[_Plan]) -> dict[str, Outcome]:
    """Compute the rows of tables, all from the beginning or none, and write them; return the errors by table."""
    parts = {
        (plan.table.name, role): Parts(con, folder / f"{plan.table.name}-{role}.parquet", lambda rows: ROW_GROUP)
        for plan in plans
        for role in ("base", "delta")
    }
    errors: dict[str, Outcome] = {}
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
            if plan.table.name in errors:
                continue
            try:
                plan.table.compute(con, plan.since, restated)
                for role, condition in _conditions(plan, bars).items():
                    query = f"FROM derived_rows WHERE {bucket.condition} AND {condition} ORDER BY symbol, date"
                    parts[plan.table.name, role].add(query)
            except Exception as error:
                errors[plan.table.name] = error
    for plan in plans:
        try:
            files = {role: parts[plan.table.name, role].staged() for role in ("base", "delta")}
        except Exception as error:
            errors.setdefault(plan.table.name, error)
        else:
            plan.staged.update({role: file for role, file in files.items() if file is not None})
    return errors


def _conditions(plan: _Plan, bars: Table) -> dict[str, str]:
    """Return which of the computed rows go to base and to delta, as conditions in SQL."""
    in_base = "false"
    if plan.through is not None and plan.through > plan.since:
        restated = f"{literal(bars.restated)}::VARCHAR[]"
        in_base = f"{plan.table.ends_on} <= DATE '{plan.through}' AND NOT list_contains({restated}, symbol)"
    return {"base": in_base, "delta": f"({in_base}) IS NOT TRUE"}


def _uploaded(con: DuckDBPyConnection, lake: Lake, before: Manifest, plan: _Plan) -> tuple[Table, TableReport]:
    """Upload the new files of a table; return the table and its report."""
    bars, base, new = before.table("bars"), plan.base, dict(plan.staged)
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
