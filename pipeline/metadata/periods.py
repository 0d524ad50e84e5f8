"""Merge lists of companies into periods: who was listed from when to when.

New lists are merged into the existing table. When an earlier list has changed, all lists are merged from the beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import date

from duckdb import DuckDBPyConnection

from stockstream.pipeline.lake import Lake, no_files
from stockstream.pipeline.manifest import Table
from stockstream.pipeline.metadata.inputs import Inputs
from stockstream.pipeline.publishing import sql_versions
from stockstream.sql.loader import load
from stockstream.sql.session import explained, quoted, set_variable

PERIODS = ("steps/metadata_lists", "steps/metadata_periods")
LINKS = ("steps/metadata_facts", "steps/metadata_dated", "steps/metadata_turns", "steps/metadata_links")
SQL = (*PERIODS, *LINKS, "views/read_symbols")
"""The SQL files that decide the rows: when one of them changes, everything is merged again."""
AT_ONCE = 100
"""Number of lists merged at a time: 100 lists of 10,000 tickers need 600 MB. The result does not depend on it."""
BEGINNING = date(1, 1, 1)
"""A day before all lists."""


def is_up_to_date(table: Table, inputs: Inputs) -> bool:
    """Return whether a table includes all lists and facts of the lake."""
    days = inputs.days
    return not days or (
        table.through == days[-1] and table.made_from == inputs.checkpoint(days[-1]) and table.sql == sql_versions(*SQL)
    )


def merge(lake: Lake, table: Table, inputs: Inputs, whole: bool = False) -> tuple[DuckDBPyConnection, int]:
    """Return a session with the new table as temp table `metadata`, and the number of days whose lists were merged.

    The new lists are merged into the rows of `table`. All lists are merged from the beginning if `whole` is true, if
    the lists up to the last day of `table` are not those from which it was made, or if an SQL file has changed.

    Raises:
        LakeError: a file cannot be read.
    """
    is_same = inputs.checkpoint(table.through or BEGINNING)["lists"] == table.made_from.get("lists")
    if whole or not is_same or table.sql != sql_versions(*SQL):
        table = Table()
    days = [day for day in inputs.days if table.through is None or day > table.through]
    with ExitStack() as stack, explained(lake.uri):
        con = stack.enter_context(lake.session(no_files, *PERIODS, *LINKS))
        _start(con, lake, table, inputs)
        through = table.through or BEGINNING
        for last in sorted({*days[AT_ONCE - 1 :: AT_ONCE], *days[-1:]}) or [through]:
            _add(con, lake, inputs.between(through, last), through)
            through = last
        for step in LINKS:
            con.execute(load(step).text)
        stack.pop_all()
    return con, len(days)


def _start(con: DuckDBPyConnection, lake: Lake, table: Table, inputs: Inputs) -> None:
    """Create the temp tables `periods` (the existing rows) and `answers` (facts about single companies)."""
    con.execute(load("schema/metadata").text)
    con.execute("CREATE TEMP TABLE periods AS FROM metadata")
    _insert(con, lake, "periods", [file.key for file in table.base])
    con.execute(load("steps/metadata_answers").text)
    _insert(con, lake, "answers", inputs.keys("polygon-delisted", "polygon-events"))


def _add(con: DuckDBPyConnection, lake: Lake, new: Inputs, through: date) -> None:
    """Merge newer lists into the temp table `periods`, which includes the lists up to the day `through`."""
    con.execute("CREATE OR REPLACE TEMP TABLE before AS FROM periods")
    _insert(con, lake, "answers", new.keys("polygon-tickers"))
    set_variable(con, "list_files", [lake.store.uri(key) for key in new.keys("symbols")])
    set_variable(con, "date_files", [lake.store.uri(key) for key in new.keys("listing-dates")])
    set_variable(con, "through", through)
    for step in PERIODS:
        con.execute(load(step).text)
    con.execute("DELETE FROM answers WHERE kind = 'tickers'")


def _insert(con: DuckDBPyConnection, lake: Lake, table: str, keys: Sequence[str]) -> None:
    if keys:
        files = ", ".join(quoted(lake.store.uri(key)) for key in keys)
        con.execute(f"INSERT INTO {table} BY NAME FROM read_parquet([{files}], union_by_name = true)")
