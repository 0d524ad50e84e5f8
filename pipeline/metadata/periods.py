"""Merging lists of companies into periods: the new lists into the existing table, or all of them from the beginning."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.pipeline.lake import Lake, no_files
from stockstream.pipeline.manifest import Table
from stockstream.pipeline.metadata.inputs import Inputs
from stockstream.pipeline.publishing import sql_versions
from stockstream.sql.loader import load
from stockstream.sql.session import explain, quoted, set_variable

PERIODS = ("steps/metadata_lists", "steps/metadata_periods")
LINKS = ("steps/metadata_facts", "steps/metadata_dated", "steps/metadata_turns", "steps/metadata_links")
SQL = (*PERIODS, *LINKS, "views/read_symbols")
"""The SQL files that decide the rows: when one of them changes, everything is merged again."""
AT_ONCE = 100
"""Lists that are merged together: so many lists of 10,000 tickers need 600 MB. The result does not depend on it."""
BEGINNING = date(1, 1, 1)


def is_up_to_date(table: Table, inputs: Inputs) -> bool:
    """Return whether a table includes all lists and facts of the lake."""
    days = inputs.days
    return not days or (
        table.through == days[-1] and table.made_from == inputs.checkpoint(days[-1]) and table.sql == sql_versions(*SQL)
    )


def merge(lake: Lake, table: Table, inputs: Inputs, whole: bool = False) -> tuple[DuckDBPyConnection, int]:
    """Open a session with the temp table `metadata`; return it with the number of lists that were merged.

    The new lists are merged into the rows of `table`. All lists are merged from the beginning with `whole`, if a list
    that `table` was made from has changed or is gone, if a list of a day before its last was added, or if the SQL has
    changed.

    Raises:
        LakeError: a file cannot be read.
    """
    is_same = inputs.checkpoint(table.through or BEGINNING)["lists"] == table.made_from.get("lists")
    if whole or not is_same or table.sql != sql_versions(*SQL):
        table = Table()
    days = [day for day in inputs.days if table.through is None or day > table.through]
    con = lake.session(no_files, *PERIODS, *LINKS)
    try:
        _start(con, lake, table, inputs)
        through = table.through or BEGINNING
        for last in sorted({*days[AT_ONCE - 1 :: AT_ONCE], *days[-1:]}) or [through]:
            _add(con, lake, inputs.between(through, last), through)
            through = last
        for step in LINKS:
            con.execute(load(step).text)
    except duckdb.Error as error:
        con.close()
        raise explain(error, lake.uri) from None
    return con, len(days)


def _start(con: DuckDBPyConnection, lake: Lake, table: Table, inputs: Inputs) -> None:
    """Make the temp tables `periods`, with the existing rows, and `answers`, with the facts about single companies."""
    con.execute(load("schema/metadata").text)
    con.execute("CREATE TEMP TABLE periods AS FROM metadata")
    _insert(con, lake, "periods", [file.key for file in table.base])
    con.execute(load("steps/metadata_answers").text)
    _insert(con, lake, "answers", inputs.keys("polygon-delisted", "polygon-events"))


def _add(con: DuckDBPyConnection, lake: Lake, new: Inputs, through: date) -> None:
    """Merge newer lists into `periods`, which has the lists up to a day."""
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
