"""Step: the ready-made indicators, from the consolidated bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.pipeline.derived import DerivedTable, changed, refresh
from stockstream.pipeline.events import RefreshIndicatorsEvent, RefreshIndicatorsResult
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.manifest import Change, Manifest
from stockstream.pipeline.tiers import BEGINNING
from stockstream.sql.catalogue import KERNELS, install, shipped
from stockstream.sql.compiler import Request, Selection, parse, plan
from stockstream.sql.loader import HOME, load
from stockstream.sql.session import set_variable

SUMS = "steps/indicator_sums"
WITH_WHOLE = "steps/indicators_with_whole"


@dataclass(frozen=True)
class ReadyMadeIndicators(DerivedTable):
    """The indicators that are the columns of `sql/schema/indicators.sql`."""

    @property
    def sql(self) -> tuple[str, ...]:
        """The SQL files that decide the rows, the indicators' own files too."""
        indicators = {f"indicators/{r.indicator.family}/{r.indicator.macro}" for r in parse(columns(), shipped())}
        return (*super().sql, WITH_WHOLE, SUMS, "schema/indicators", *KERNELS, *sorted(indicators))

    def reads_after(self, since: date) -> date:
        """Return the day after which most symbols have as many bars up to `since` as the indicators look back."""
        if since == BEGINNING:
            return since
        return since - timedelta(days=lookback(parse(columns(), shipped())) * 365 // 240 + 10)

    def start(self, con: DuckDBPyConnection, since: date) -> None:
        """Create the macros of the indicators, for the symbols that arrays cannot compute."""
        install(con, {request.indicator.macro: request.indicator for request in parse(columns(), shipped())}.values())

    def compute(self, con: DuckDBPyConnection, since: date, restated: Sequence[str]) -> None:
        """Make the temp table `derived_rows`, from as many bars before `since` as the indicators look back."""
        requests = parse(columns(), shipped())
        set_variable(con, "cutoff", self.reads_after(since))
        set_variable(con, "lookback", 0 if since == BEGINNING else lookback(requests))
        super().compute(con, since, restated)
        if con.execute("FROM whole LIMIT 1").fetchone() is not None:
            con.execute(load(WITH_WHOLE).text)
        bucket = "symbol >= getvariable('bucket_from') AND symbol < getvariable('bucket_until')"
        names = [name for (name,) in con.execute(f"SELECT DISTINCT symbol FROM silver_bars WHERE {bucket}").fetchall()]
        # The sums since the first bar continue from the last day that is stored.
        new = Selection(None if since == BEGINNING else since + timedelta(days=1), None, True, frozenset(restated))
        computed = plan(con, requests, "indicator_bars", keep=["close"], is_unique=True, selection=new, names=names)
        computed.view(con, "computed")
        _continue_sums(con, requests)


TABLE = ReadyMadeIndicators("indicators", "steps/indicators")


def run(event: RefreshIndicatorsEvent, lake: Lake) -> RefreshIndicatorsResult:
    """Publish a generation whose indicators are computed from the newest consolidated bars.

    Only the days after base are computed, and the symbols whose past has changed; with `full` everything.

    Raises:
        LakeError: the lake cannot be read or written, or the table cannot be computed.
    """
    published = refresh(lake, TABLE.name, [TABLE], full=bool(event.get("full")))
    if published.generation is None:
        return {"generation": None}
    return {"generation": published.generation, **published.report[TABLE.name], "failed": {}}


def change(
    event: RefreshIndicatorsEvent, lake: Lake, before: Manifest
) -> tuple[Change | None, RefreshIndicatorsResult]:
    """Compute the indicators of the bars in `before`, upload them, and return the change; see `derived.changed`.

    Raises:
        LakeError: the lake cannot be listed.
    """
    change_of_tables, derived = changed(lake, before, [TABLE], full=bool(event.get("full")))
    if change_of_tables is None:
        return None, {"generation": None, "failed": derived.failed}
    return change_of_tables, {"generation": None, **derived.tables[TABLE.name], "failed": derived.failed}


@cache
def columns() -> list[str]:
    """Return the names of the ready-made columns, without symbol, date and close."""
    with duckdb.connect() as con:
        return con.sql(f"FROM '{HOME}/schema/indicators.parquet'").columns[3:]


def lookback(requests: list[Request]) -> int:
    """Return the number of bars before a day that decide the values of columns, except sums since the first bar."""
    return _lookback(tuple(requests))


@cache
def _lookback(requests: tuple[Request, ...]) -> int:
    texts = {request.call(""): (request, request.indicator.header.lookback) for request in requests}
    queries = [f"SELECT {text} FROM (SELECT {_periods(request)})" for request, text in texts.values() if text != "all"]
    with duckdb.connect() as con:
        return max(int(con.execute(query).fetchall()[0][0]) for query in queries)


def _periods(request: Request) -> str:
    numbers = [f"{text} AS {name}" for name, text in request.arguments if name in request.indicator.periods]
    return ", ".join(numbers) or "1"


def _continue_sums(con: DuckDBPyConnection, requests: list[Request]) -> None:
    """Make the temp view `derived_rows` of `computed`: sums since the first bar continue from the stored ones."""
    headers = {request.name: request.indicator.file.header for request in requests}
    sums = [r.name for r in requests if r.column in headers[r.name].get("carried", ())]
    formulas = {r.name: headers[r.name].get("derived", {}).get(r.column) for r in requests}
    for view, source in {"computed_sums": "computed", "stored_sums": "indicators"}.items():
        con.execute(
            f"CREATE OR REPLACE TEMP VIEW {view} AS SELECT symbol, date, [{', '.join(sums)}] AS sums FROM {source}"
        )
    con.execute(load(SUMS).text)
    totals = ", ".join(f"{name} + coalesce(amounts[{at}], 0) AS {name}" for at, name in enumerate(sums, start=1))
    values = ", ".join(f"{formula} AS {name}" if formula else name for name, formula in formulas.items())
    rows = f"SELECT symbol, date, close, {values} FROM (SELECT * REPLACE ({totals}) FROM continued)"
    con.execute(f"CREATE OR REPLACE TEMP VIEW derived_rows AS {rows}")
