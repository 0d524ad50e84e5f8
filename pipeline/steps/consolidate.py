"""Step: merge the new batch files into the silver bars, so that a year of files reads like one file."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from duckdb import DuckDBPyConnection

from stockstream.pipeline.checks import refuse
from stockstream.pipeline.events import ConsolidateEvent, ConsolidateResult
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.manifest import Change, Manifest, Table
from stockstream.pipeline.publishing import publish, session_at, sql_versions
from stockstream.pipeline.staging import StagedFile, stage, staging_folder, upload
from stockstream.sql.loader import load, rules
from stockstream.sql.session import files_of, set_silver, set_variable

TAIL = 60
"""The number of newest sessions that stay in delta: late corrections then rewrite that file only."""
OPEN = 20
"""The newest of these sessions, which may still be corrected in place. The sessions before them are stable, and enough
for a bar of 34 sessions."""
LARGEST_DELTA = 1 / 20
"""When delta has more rows older than TAIL sessions than this share of base, base is written again with them."""
BASE_ROW_GROUP = 57_344
"""Rows per row group: enough for one symbol's history, and the footer of ten years is one request. See
tests/benchmarks/lake.py."""
DELTA_ROW_GROUPS = 2
"""So that the last day of all symbols is two requests."""
BEGINNING = date(1, 1, 1)
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
    with session_at(lake, before) as con, staging_folder() as folder:
        return _Consolidation(con, lake, before, folder).change(bool(event.get("full")))


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
            "generation": None, "inputs": 0, "rows": 0, "bytes": 0, "compacted": False, "restated": 0,
        }  # fmt: skip
        existing = {_name(file) for file in files_of(self.con, "listed_files")}
        inputs = tuple(sorted(_name(file) for file in files_of(self.con, "fresh_files")))
        judged_by = rules_version()
        is_judged = self.before.table("bars").sql.get("rules", judged_by if self._is_empty() else "") == judged_by
        full = full or not is_judged
        if not inputs and not full:
            return None, report
        if full:  # read batch files that are in silver already once more: merging them again must not change anything
            excluded = {*self.before.set_aside, *(_name(file) for file in files_of(self.con, "unreadable_files"))}
            files = [file for file in files_of(self.con, "listed_files") if _name(file) not in excluded]
            set_variable(self.con, "fresh_files", files if is_judged else [*files, *self._silver_as_a_batch_file()])

        table, compact = self._rewritten(full)
        staged = self._stage(table, compact)
        self._verify(staged, table)
        number = self.before.generation + 1
        files_by_role = {role: upload(self.lake, [file], "bars", role, number) for role, file in staged.items()}
        versions = sql_versions("steps/consolidate", "views/read_merged", "views/read_raw") | {"rules": judged_by}
        table = table.model_copy(update={**files_by_role, "sql": versions})
        report |= {
            "inputs": len(inputs),
            "rows": sum(file.rows for file in staged.values()),
            "bytes": sum(file.bytes for file in staged.values()),
            "compacted": compact,
            "restated": len(table.restated),
        }
        return Change(
            tables={"bars": table},
            inputs=inputs,
            consolidated=tuple(sorted({*self.before.consolidated, *inputs} & existing)),
            set_aside=tuple(sorted({*self.before.set_aside} & existing)),
        ), report

    def _is_empty(self) -> bool:
        return not self.before.table("bars").files

    def _silver_as_a_batch_file(self) -> list[str]:
        """Return files with all rows of silver and of the archive, which are then judged as rows of batch files are.

        Silver is read in their place from now on.
        """
        path = self.folder / "silver.parquet"
        stage(self.con, "FROM silver_bars ORDER BY symbol, date", path, BASE_ROW_GROUP)
        set_silver(self.con, {})
        return [str(path), *files_of(self.con, "archive_files")]

    def _rewritten(self, full: bool) -> tuple[Table, bool]:
        """Make the temp table `rewritten`; return the table bars without its new files, and whether base is new."""
        bars = self.before.table("bars")
        if not full and bars.through is not None and bars.stable_through is not None:
            set_variable(self.con, "stable_through", bars.stable_through)
            changed = {symbol for (symbol,) in self.con.execute(load("steps/restated").text).fetchall()}
            restated = tuple(sorted({*bars.restated, *changed}))
            self._rewrite(bars.through, restated)
            if not self._has_outgrown(bars):
                return bars.model_copy(update={"restated": restated, "delta": ()}), False
        self._rewrite(BEGINNING, ())
        return Table(through=self._day_before(TAIL), stable_through=self._day_before(OPEN)), True

    def _rewrite(self, cut: date, restated: tuple[str, ...]) -> None:
        """Make the temp table `rewritten`: the bars after the cut, and all bars of the restated symbols."""
        set_variable(self.con, "cut", cut)
        set_variable(self.con, "restated", restated)
        self.con.execute(load("steps/consolidate").text)

    def _day_before(self, newest: int) -> date | None:
        """Return the last day with bars before the `newest` last ones; None: there are no more days than that."""
        days = f"SELECT date FROM rewritten GROUP BY date ORDER BY date DESC LIMIT 1 OFFSET {newest}"
        row = self.con.execute(days).fetchone()
        return row[0] if row else None

    def _has_outgrown(self, bars: Table) -> bool:
        """Return whether delta has become too large."""
        cut = self._day_before(TAIL)
        if cut is None:
            return False
        older = self.con.execute(f"SELECT count(*) FROM rewritten WHERE date <= DATE '{cut}'").fetchall()[0][0]
        return bool(older > LARGEST_DELTA * sum(file.rows for file in bars.base))

    def _stage(self, table: Table, compact: bool) -> dict[str, StagedFile]:
        """Write delta and, when compacting, base; a part without rows has no file."""
        staged = {}
        after = f"date > DATE '{table.through}'" if compact and table.through else "true"
        rows = self.con.execute(f"SELECT count(*) FROM rewritten WHERE {after}").fetchall()[0][0]
        if compact and table.through:
            query = f"FROM rewritten WHERE NOT ({after}) ORDER BY symbol, date"
            staged["base"] = stage(self.con, query, self.folder / "base.parquet", BASE_ROW_GROUP)
        if rows:
            query = f"FROM rewritten WHERE {after} ORDER BY symbol, date"
            staged["delta"] = stage(self.con, query, self.folder / "delta.parquet", -(-rows // DELTA_ROW_GROUPS))
        return staged

    def _verify(self, staged: dict[str, StagedFile], table: Table) -> None:
        """Run the blocking checks on the staged files, as readers would see them.

        A base that stays is not read: it was checked when it was published, and shares no row with a new delta, which
        has only later days and all rows of the restated symbols.

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


def rules_version() -> str:
    """Return the sha256 of the rules that say which numbers cannot be, without their comments and line breaks.

    Bars that were consolidated under other rules are judged again.
    """
    text = " ".join(_COMMENT.sub(" ", "".join(load(name).text for name in rules())).split())
    return hashlib.sha256(text.encode()).hexdigest()


def _name(file: str) -> str:
    return file.rsplit("/", 1)[-1]
