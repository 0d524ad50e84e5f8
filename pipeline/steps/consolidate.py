"""Step 3: merge what the batches brought into the silver bars, so that a year of files reads like one."""

from __future__ import annotations

import logging
from datetime import date
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection

from stockstream.pipeline.checks import refuse
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.manifest import DataFile, Manifest, Table
from stockstream.pipeline.publish import publish, session_at, sql_versions, stage, staging, upload
from stockstream.sql.loader import load
from stockstream.sql.session import files_of, set_silver, set_variable

logger = logging.getLogger(__name__)

Event = dict[str, Any]

TAIL = 60
"""So many newest sessions stay in delta: late corrections then touch no more than that file."""
OPEN = 20
"""Of these the newest may still be corrected in place; the ones before are settled, enough for a bar of 34 sessions."""
LARGEST_DELTA = 1 / 20
"""Once delta has more rows older than that, as a share of the table, everything is written anew as base."""
BASE_ROW_GROUP = 57_344
"""Rows: one symbol's history is one row group, and ten years' footer one request. See tests/benchmarks/lake.py."""
DELTA_ROW_GROUPS = 2
"""So that all symbols' last day is two reads."""
BEGINNING = date(1, 1, 1)


def consolidate(event: Event, lake: Lake) -> dict[str, Any]:
    """Publish a generation whose bars hold every batch file that is there now.

    `event`: `full` (true: write all of silver anew, from silver and all batch files that are still there). Gives
    `{"generation" (None: there was nothing to do), "inputs" (batch files), "rows", "bytes" (of the files written),
    "compacted" (base was written anew), "restated" (symbols whose history lies in delta)}`.

    Raises:
        LakeError: the lake cannot be read or written.
        CheckFailed: what was to be published breaks a check; the old generation stays.
    """
    result: dict[str, Any] = {}

    def make(before: Manifest) -> Manifest | None:
        with session_at(lake, before) as con, staging() as folder:
            return _make(con, lake, before, folder, bool(event.get("full")), result)

    made = publish(lake, "consolidate", make)
    if made is None:
        return {"generation": None, "inputs": 0, "rows": 0, "bytes": 0, "compacted": False, "restated": 0}
    return {"generation": made.generation, **result}


def _make(
    con: DuckDBPyConnection, lake: Lake, before: Manifest, folder: Path, full: bool, result: dict[str, Any]
) -> Manifest | None:
    bars = before.table("bars")
    listed = {_name(file) for file in files_of(con, "listed_files")}
    inputs = tuple(sorted(_name(file) for file in files_of(con, "fresh_files")))
    if not inputs and not full:
        return None
    if full:  # batch files that are in silver already are read once more: what they tell must come out the same
        left_out = {*before.set_aside, *(_name(file) for file in files_of(con, "unreadable_files"))}
        set_variable(con, "fresh_files", [f for f in files_of(con, "listed_files") if _name(f) not in left_out])

    compact = full or bars.through is None or bars.stable_through is None
    if not compact:
        set_variable(con, "stable_through", bars.stable_through or BEGINNING)
        found = con.execute(load("steps/restated").text).fetchall()
        restated = tuple(sorted({*bars.restated, *(symbol for (symbol,) in found)}))
        _rewrite(con, bars.through or BEGINNING, restated)
        compact = _outgrown(con, bars)
    if compact:
        _rewrite(con, BEGINNING, ())
        table = Table(through=_day_before(con, TAIL), stable_through=_day_before(con, OPEN))
    else:
        table = bars.model_copy(update={"restated": restated, "delta": ()})

    staged = _stage(con, folder, table, compact)
    _verify(con, staged, table, compact)
    number = before.generation + 1
    files = {role: upload(lake, [file], "bars", role, number) for role, file in staged.items()}
    table = table.model_copy(
        update={**files, "sql": sql_versions("steps/consolidate", "views/read_merged", "views/read_raw")}
    )
    result |= {
        "inputs": len(inputs),
        "rows": sum(file.rows for file in staged.values()),
        "bytes": sum(file.bytes for file in staged.values()),
        "compacted": compact,
        "restated": len(table.restated),
    }
    return before.model_copy(
        update={
            "tables": {**before.tables, "bars": table},
            "inputs": inputs,
            "consolidated": tuple(sorted({*before.consolidated, *inputs} & listed)),
            "set_aside": tuple(sorted({*before.set_aside} & listed)),
            "restores": None,
        }
    )


def _rewrite(con: DuckDBPyConnection, cut: date, restated: tuple[str, ...]) -> None:
    """Make the table `rewritten`: the bars after the cut, and all of the restated symbols."""
    set_variable(con, "cut", cut)
    set_variable(con, "restated", restated)
    con.execute(load("steps/consolidate").text)


def _day_before(con: DuckDBPyConnection, newest: int) -> date | None:
    """Give the last day with bars before so many newest ones; None: there are no more days than that."""
    row = con.execute(f"SELECT date FROM rewritten GROUP BY date ORDER BY date DESC LIMIT 1 OFFSET {newest}").fetchone()
    return row[0] if row else None


def _outgrown(con: DuckDBPyConnection, bars: Table) -> bool:
    cut = _day_before(con, TAIL)
    if cut is None:
        return False
    older = con.execute(f"SELECT count(*) FROM rewritten WHERE date <= DATE '{cut}'").fetchall()[0][0]
    return bool(older > LARGEST_DELTA * sum(file.rows for file in bars.base))


def _stage(con: DuckDBPyConnection, folder: Path, table: Table, compact: bool) -> dict[str, DataFile]:
    """Write delta and, when compacting, base; a part without rows has no file."""
    staged = {}
    after = f"date > DATE '{table.through}'" if compact and table.through else "true"
    rows = con.execute(f"SELECT count(*) FROM rewritten WHERE {after}").fetchall()[0][0]
    if compact and table.through:
        query = f"FROM rewritten WHERE NOT ({after}) ORDER BY symbol, date"
        staged["base"] = stage(con, query, folder / "base.parquet", BASE_ROW_GROUP)
    if rows:
        query = f"FROM rewritten WHERE {after} ORDER BY symbol, date"
        staged["delta"] = stage(con, query, folder / "delta.parquet", -(-rows // DELTA_ROW_GROUPS))
    return staged


def _verify(con: DuckDBPyConnection, staged: dict[str, DataFile], table: Table, compact: bool) -> None:
    """Run the checks on what is about to be published, as readers would see it.

    A base that stays was checked when it was published, and shares no row with a new delta: that has later days only,
    and all rows of the restated symbols.

    Raises:
        CheckFailed: one of them finds bad rows.
    """
    base, delta = ([staged[role].key] if role in staged else [] for role in ("base", "delta"))
    set_silver(con, {"bars": (base, delta, table.restated)})
    inputs = files_of(con, "fresh_files")
    for variable, files in {"raw_files": inputs, "fresh_files": [], "unreadable_files": []}.items():
        set_variable(con, variable, files)
    set_variable(con, "consolidated", [_name(file) for file in inputs])
    con.execute(load("steps/candidate").text)
    refuse(con)


def _name(file: str) -> str:
    return file.rsplit("/", 1)[-1]
