"""Connections to a lake, now or as of an earlier generation."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from duckdb import DuckDBPyConnection

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.generations import as_of as find_generation
from stockstream.pipeline.lake import Lake
from stockstream.sql.errors import UsageError, did_you_mean
from stockstream.sql.session import connect as open_session
from stockstream.sql.session import quoted

AsOf = int | str | date
"""A generation: its number, or a time in UTC for the newest one published up to then (for a day: up to its end)."""


def connect(lake: str | None = None, *, as_of: AsOf | None = None, verify: bool = True) -> DuckDBPyConnection:
    """Return a DuckDB connection with the views of a lake (a folder or s3://bucket/prefix; default `STOCKSTREAM_LAKE`).

    The connection reads the files that existed when it was opened. With `as_of` it reads what a generation of
    `stockstream history` published, and nothing newer. `verify` opens every batch file first, and leaves out the
    unreadable ones with a warning for each. Use one connection per thread; `con.cursor()` does not inherit the lake's
    variables.

    Raises:
        LakeError: the lake cannot be listed: missing or wrong credentials, no such bucket, no connection.
        UsageError: there is no such generation, or it was deleted.
    """
    uri = lake or settings().lake_uri
    return open_session(uri, generation=generation_of(uri, as_of), verify=verify)


def generation_of(lake: str, as_of: AsOf | None) -> int | None:
    """Return the number of a generation; None means the newest one, with the bars fetched since.

    Raises:
        UsageError: there is no such generation, or it was deleted.
    """
    return None if as_of is None else find_generation(Lake(lake), str(as_of))


def known_symbols(con: DuckDBPyConnection, symbols: Collection[str], src: str = "bars") -> None:
    """Check that a table or view has rows for each of the symbols.

    Raises:
        UsageError: it has no row for a symbol; the message suggests the most similar symbol that it has.
        duckdb.Error: there is no such table, or it has no column `symbol`.
    """
    if not symbols:
        return
    listed = ", ".join(map(quoted, symbols))  # in the text, because DuckDB imports pandas to convert a list parameter
    rows = con.execute(f"SELECT DISTINCT symbol FROM {src} WHERE symbol IN ({listed})").fetchall()
    unknown = [symbol for symbol in symbols if (symbol,) not in rows]
    if unknown:
        near = did_you_mean(unknown[0], all_symbols(con, src))
        raise UsageError(f"no bars of {', '.join(unknown)} in {src}{near}")


def all_symbols(con: DuckDBPyConnection, src: str = "bars") -> list[str]:
    """Return the symbols in a table or view, sorted."""
    return [symbol for (symbol,) in con.execute(f"SELECT DISTINCT symbol FROM {src} ORDER BY symbol").fetchall()]
