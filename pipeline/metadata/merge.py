"""Merging lists of companies into periods: the new lists into what is known, or all of them from the beginning."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.pipeline.lake import Lake, no_files
from stockstream.pipeline.manifest import Table
from stockstream.pipeline.metadata.inputs import Inputs
from stockstream.pipeline.publish import sql_versions
from stockstream.sql.loader import load
from stockstream.sql.session import explain, quoted, set_variable

PERIODS = ("steps/metadata_lists", "steps/metadata_periods")
LINKS = ("steps/metadata_facts", "steps/metadata_dated", "steps/metadata_turns", "steps/metadata_links")
SQL = (*PERIODS, *LINKS, "views/read_symbols")
"""What decides the rows: when one of these changes, everything is made anew."""
AT_ONCE = 100
"""Lists: so many of 10,000 tickers take 600 MB. Adding them part by part ends the same."""
BEGINNING = date(1, 1, 1)


def is_up_to_date(held: Table, inputs: Inputs) -> bool:
    """Say whether a table holds all that the lake has been told."""
    days = inputs.days
    return not days or (
        held.through == days[-1] and held.made_from == inputs.checkpoint(days[-1]) and held.sql == sql_versions(*SQL)
    )


def merge(lake: Lake, held: Table, inputs: Inputs, whole: bool = False) -> tuple[DuckDBPyConnection, int]:
    """Open a session with the temp table `metadata`, and say how many lists were merged into what `held` has.

    All of them are merged from the beginning if that is asked for (`whole`), if one that `held` was made of has changed
    or gone or a day before its last was added, or if the SQL is another.

    Raises:
        LakeError: a file cannot be read.
    """
    known = inputs.checkpoint(held.through or BEGINNING)["lists"] == held.made_from.get("lists")
    if whole or not known or held.sql != sql_versions(*SQL):
        held = Table()
    days = [day for day in inputs.days if held.through is None or day > held.through]
    con = lake.session(no_files, *PERIODS, *LINKS)
    try:
        _start(con, lake, held, inputs)
        through = held.through or BEGINNING
        for last in sorted({*days[AT_ONCE - 1 :: AT_ONCE], *days[-1:]}) or [through]:
            _add(con, lake, inputs.between(through, last), through)
            through = last
        for step in LINKS:
            con.execute(load(step).text)
    except duckdb.Error as error:
        con.close()
        raise explain(error, lake.uri) from None
    return con, len(days)


def _start(con: DuckDBPyConnection, lake: Lake, held: Table, inputs: Inputs) -> None:
    """Make the tables `periods`, as they are known, and `answers`, with what is said of single companies."""
    con.execute(load("schema/metadata").text)
    con.execute("CREATE TEMP TABLE periods AS FROM metadata")
    _insert(con, lake, "periods", [file.key for file in held.base])
    con.execute(load("steps/metadata_answers").text)
    _insert(con, lake, "answers", inputs.keys("polygon-delisted", "polygon-events"))


def _add(con: DuckDBPyConnection, lake: Lake, new: Inputs, through: date) -> None:
    """Bring `periods`, which know the lists up to a day, up to some lists that are newer."""
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
