"""Step: merge the new batch files into the silver bars, so that a year of files reads like one file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path

from duckdb import DuckDBPyConnection

from stockstream.pipeline.buckets import buckets_of, limit_memory
from stockstream.pipeline.checks import refuse
from stockstream.pipeline.events import ConsolidateEvent, ConsolidateResult
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.manifest import Change, DataFile, Manifest, Table
from stockstream.pipeline.publishing import publish, session_at, sql_versions
from stockstream.pipeline.raw_rows import read_raw_only
from stockstream.pipeline.staging import Parts, StagedFile, staging_folder, upload
from stockstream.pipeline.tiers import BEGINNING, add_tier, require_intact
from stockstream.sql.loader import load, rules, views
from stockstream.sql.session import files_of, set_silver, set_variable

TAIL = 60
"""The number of newest sessions that stay in delta: late corrections then rewrite that file only."""
OPEN = 20
"""The newest of these sessions, which may still be corrected in place. The sessions before them are stable, and enough
for a bar of 34 sessions."""
LARGEST_DELTA = 1 / 30
"""When delta has more rows older than TAIL sessions than this share of base, they become a new file of base, a tier."""
LARGEST_TIERS = 1 / 2
"""When all tiers would have more rows than this share of the first file of base, base is written again."""
LARGEST_RESTATED = 1 / 10
"""When the restated symbols have more rows than this share of base, base is written again."""
BASE_ROW_GROUP = 57_344
"""Rows per row group: enough for one symbol's history, and the footer of ten years is one request. See
tests/benchmarks/lake.py."""
DELTA_ROW_GROUPS = 2
"""So that the last day of all symbols is two requests."""
_COMMENT = re.compile(r"/\*.*?\*/|--[^\n]*", re.DOTALL)


def run(event: ConsolidateEvent, lake: Lake) -> ConsolidateResult:
    """Publish a generation whose bars include every batch file in the lake.

    Raises:
        LakeError: the lake cannot be read or written.
        CheckFailed: the bars that were to be published fail a check; the old generation stays.
    """

    published = publish(lake, "consolidate", lambda before: change(event, lake, before))
    return {**published.report, "generation": published.generation}


def change(event: ConsolidateEvent, lake: Lake, before: Manifest) -> tuple[Change | None, ConsolidateResult]:
    """Merge the batch files into the bars of `before`, upload the new files, and return the change that names them.

    Raises:
        LakeError, CheckFailed: as in `run`.
    """
    with session_at(lake, before, None, *views()) as con, staging_folder() as folder:
        return _Consolidation(con, lake, before, folder).change(bool(event.get("full")))


@dataclass(frozen=True)
class _Plan:
    """Which bars are written, and where to."""

    table: Table
    """The table bars, with the files of base that stay, and without the new ones."""
    cut: date
    """The rows after this day are written, and all rows of the restated symbols."""
    rows: int
    """Their number, about."""
    writes_base: bool
    """Whether the rows up to `table.through` become a file of base."""


@dataclass(frozen=True)
class _Consolidation:
    """One attempt to merge the batch files into the bars of the newest generation."""

    con: DuckDBPyConnection
    lake: Lake
    before: Manifest
    folder: Path

    def change(self, full: bool) -> tuple[Change | None, ConsolidateResult]:
        """Upload the new files of the bars, and return the change that names them."""
        report: ConsolidateResult = {
            "generation": None, "inputs": 0, "rows": 0, "bytes": 0, "compacted": False, "sealed": False,
            "restated": 0, "damaged": [], "replaced": [],
        }  # fmt: skip
        bars = self.before.table("bars")
        existing = {_name(file) for file in files_of(self.con, "listed_files")}
        inputs = tuple(sorted(_name(file) for file in files_of(self.con, "fresh_files")))
        judged_by = rules_version()
        is_judged = not bars.files or bars.sql.get("rules", "") == judged_by
        if not inputs and not full and is_judged:
            return None, report
        limit_memory(self.con, self.folder)
        if not full and not is_judged:  # only a user may decide to do without a damaged file
            require_intact(self.lake, bars.files)
        if full or not is_judged:
            damage, changed = read_raw_only(self.con, self.lake, self.before, self.folder, is_judged)
            report["damaged"] = [f"{uri}: {reason}" for uri, reason in damage.items()]
            report["replaced"] = [f"{uri}: {change}" for uri, change in changed.items()]
            plan = self._all()
        else:
            plan = self._plan(bars)
        staged, kept = self._stage(plan)
        self._verify(staged, plan.table)
        number = self.before.generation + 1
        files = {role: upload(self.lake, [file], "bars", role, number) for role, file in staged.items()}
        versions = sql_versions("steps/consolidate", "views/read_merged", "views/read_raw") | {"rules": judged_by}
        table = plan.table.model_copy(
            update={
                "base": kept + files.get("base", ()),
                "delta": files.get("delta", ()),
                "sql": versions,
            }
        )
        report |= {
            "inputs": len(inputs),
            "rows": sum(file.rows for file in staged.values()),
            "bytes": sum(file.bytes for file in staged.values()),
            "compacted": plan.cut == BEGINNING,
            "sealed": plan.writes_base and plan.cut > BEGINNING,
            "restated": len(table.restated),
        }
        return Change(
            tables={"bars": table},
            inputs=inputs,
            consolidated=tuple(sorted({*self.before.consolidated, *inputs} & existing)),
            set_aside=tuple(sorted({*self.before.set_aside} & existing)),
        ), report

    def _plan(self, bars: Table) -> _Plan:
        """Decide what is written of the bars, and compare the files that are read whole with their manifest.

        Raises:
            LakeError: one of them is damaged.
        """
        plan = self._newest(bars)
        if plan is None:
            require_intact(self.lake, bars.files)
            return self._all()
        require_intact(self.lake, bars.delta)
        return plan

    def _newest(self, bars: Table) -> _Plan | None:
        """Return the plan that writes delta, and perhaps a tier; None if all rows must be written."""
        if bars.through is None or bars.stable_through is None:
            return None
        set_variable(self.con, "stable_through", bars.stable_through)
        changed = {symbol for (symbol,) in self.con.execute(load("steps/restated").text).fetchall()}
        restated = tuple(sorted({*bars.restated, *changed}))
        days, restated_rows = self._count(bars.through, restated)
        base_rows = sum(file.rows for file in bars.base)
        if restated_rows > LARGEST_RESTATED * base_rows:
            return None
        rows = sum(days.values()) + restated_rows
        table = bars.model_copy(update={"restated": restated, "delta": ()})
        through = _day_before(TAIL, days)
        older = sum(rows for day, rows in days.items() if through and day <= through)
        if through is None or older <= LARGEST_DELTA * base_rows:
            return _Plan(table, bars.through, rows, writes_base=False)
        if base_rows - bars.base[0].rows + older > LARGEST_TIERS * bars.base[0].rows:
            return None
        limits = {"through": through, "stable_through": _day_before(OPEN, days)}
        return _Plan(table.model_copy(update=limits), bars.through, rows, writes_base=True)

    def _all(self) -> _Plan:
        """Return the plan that writes all rows."""
        days, _ = self._count(BEGINNING, ())
        table = Table(through=_day_before(TAIL, days), stable_through=_day_before(OPEN, days))
        return _Plan(table, BEGINNING, sum(days.values()), writes_base=table.through is not None)

    def _count(self, cut: date, restated: tuple[str, ...]) -> tuple[dict[date, int], int]:
        """Return the rows to write per day, the newest first, and those of the restated symbols."""
        set_variable(self.con, "cut", cut)
        set_variable(self.con, "restated", restated)
        self.con.execute(load("steps/keys_to_write").text)
        query = "FROM keys_to_write WHERE NOT is_restated GROUP BY date ORDER BY date DESC"
        days = dict(self.con.execute(f"SELECT date, count(*) {query}").fetchall())
        ((of_restated,),) = self.con.execute("SELECT count(*) FROM keys_to_write WHERE is_restated").fetchall()
        return days, of_restated

    def _stage(self, plan: _Plan) -> tuple[dict[str, StagedFile], tuple[DataFile, ...]]:
        """Write delta and perhaps a file of base, bucket by bucket; return them, and the files of base that stay.

        A part without rows has no file.
        """
        base = Parts(self.con, self.folder / "base.parquet", lambda rows: BASE_ROW_GROUP)
        delta = Parts(self.con, self.folder / "delta.parquet", lambda rows: -(-rows // DELTA_ROW_GROUPS))
        is_old = f"date <= DATE '{plan.table.through}' AND NOT list_contains(getvariable('restated'), symbol)"
        for bucket in buckets_of(self.con, "keys_to_write", plan.rows):
            bucket.select(self.con)
            self.con.execute(load("steps/consolidate").text)
            if plan.writes_base:
                base.add(f"FROM rewritten WHERE {is_old} ORDER BY symbol, date")
            new = f"NOT ({is_old})" if plan.writes_base else "true"
            delta.add(f"FROM rewritten WHERE {new} ORDER BY symbol, date")
        kept, last = plan.table.base, base.staged()
        if last is not None:
            kept, last = add_tier(self.con, self.lake, kept, last, plan.table.restated, BASE_ROW_GROUP)
        files = {"base": last, "delta": delta.staged()}
        return {role: file for role, file in files.items() if file is not None}, kept

    def _verify(self, staged: dict[str, StagedFile], table: Table) -> None:
        """Run the blocking checks on the staged files, as readers would see them.

        Files of base that stay are not read: they were checked when they were published, and share no row with the new
        ones, which have only later days and all rows of the restated symbols.

        Raises:
            CheckFailed: a check finds bad rows.
        """
        base, delta = ([str(staged[role].path)] if role in staged else [] for role in ("base", "delta"))
        set_silver(self.con, {"bars": (base, delta, table.restated)})
        inputs = files_of(self.con, "fresh_files")
        for variable, files in {"raw_files": inputs, "fresh_files": [], "unreadable_files": []}.items():
            set_variable(self.con, variable, files)
        set_variable(self.con, "consolidated", [_name(file) for file in inputs])
        self.con.execute(load("steps/candidate").text)
        refuse(self.con)


def _day_before(newest: int, days: Iterable[date]) -> date | None:
    """Return the day before the `newest` last ones, the newest first; None: there are no more days than that."""
    return next(islice(days, newest, None), None)


def rules_version() -> str:
    """Return the sha256 of the rules that say which numbers cannot be, without their comments and line breaks.

    Bars that were consolidated under other rules are judged again.
    """
    text = " ".join(_COMMENT.sub(" ", "".join(load(name).text for name in rules())).split())
    return hashlib.sha256(text.encode()).hexdigest()


def _name(file: str) -> str:
    return file.rsplit("/", 1)[-1]
