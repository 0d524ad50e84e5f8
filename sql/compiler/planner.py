"""Inspect the rows of a table, and return the query that is correct and fast for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.sql.compiler.requests import Request, benchmarks_of
from stockstream.sql.compiler.writer import by_macros, columns_of, filters_of, query
from stockstream.sql.errors import UsageError
from stockstream.sql.session import quoted
from stockstream.sql.session.damage import says_damage


class Shape(NamedTuple):
    """What `plan` must know of the rows."""

    longest: int
    """An upper bound of the bars per symbol."""
    incomplete: list[str]
    """The symbols with rows that an indicator leaves out."""


def plan(
    con: DuckDBPyConnection,
    requests: Sequence[Request],
    src: str,
    *,
    symbols: Sequence[str] | None = None,
    keep: Sequence[str] = (),
    stream: bool = True,
    is_unique: bool = False,
    shape: Shape | None = None,
) -> str:
    """Return a query of symbol, date, `keep` and the requested columns, one row per row of `src`, unsorted.

    - `symbols` to compute; None: all.
    - `stream`: compute all symbols in one pass; otherwise each one separately, which is faster for a few symbols.
    - `is_unique`: `src` is known to have one row per symbol and day, so do not check it.
    - `shape`: the shape of these rows, or of more, if it is known; then they are not inspected.

    Raises:
        UsageError: there is no such table, it lacks a column, or it has two rows for a symbol and day; a parameter
            is invalid; or a benchmark has no bars.
    """
    where = "true" if symbols is None else _is_one_of(symbols)
    if shape is None:
        shape = shape_of(con, requests, src, where=where, is_unique=is_unique)
    else:
        _check_columns(con, requests, src)
    _check_benchmarks(con, requests, src)
    longest, incomplete = shape
    if symbols is not None:
        incomplete = sorted({*symbols} & {*incomplete})
    complete = f"{where} AND NOT {_is_one_of(incomplete)}" if incomplete else where
    text = query(requests, src, keep=keep, where=complete, longest=longest if stream else None)
    if incomplete:
        text = f"({text}) UNION ALL BY NAME ({by_macros(requests, src, keep=keep, where=_is_one_of(incomplete))})"
    return text


def _is_one_of(symbols: Sequence[str]) -> str:
    return f"symbol IN ({', '.join(map(quoted, symbols))})" if symbols else "false"


def _check_columns(con: DuckDBPyConnection, requests: Sequence[Request], src: str) -> None:
    try:
        columns = set(con.sql(f"FROM {src} LIMIT 0").columns)
    except duckdb.CatalogException as error:
        raise UsageError(f"there is no table {src} to compute from: {str(error).splitlines()[0]}") from None
    for request in requests:
        missing = sorted(({"symbol", "date"} | columns_of([request])) - columns)
        if missing:
            raise UsageError(f"{request.name} needs the columns {', '.join(missing)}, which {src} does not have")


def _check_benchmarks(con: DuckDBPyConnection, requests: Sequence[Request], src: str) -> None:
    for request in requests:
        for benchmark in benchmarks_of([request]):
            if not con.execute(f"SELECT 1 FROM {src} WHERE symbol = {quoted(benchmark)} LIMIT 1").fetchall():
                raise UsageError(f"the benchmark of {request.name} is {benchmark}, which has no bars in {src}")


def shape_of(
    con: DuckDBPyConnection, requests: Sequence[Request], src: str, *, where: str = "true", is_unique: bool = False
) -> Shape:
    """Return the shape of the rows of a table; the arguments are those of `plan`.

    Raises:
        UsageError: as in `plan`.
    """
    _check_columns(con, requests, src)
    is_bar = " AND ".join(f"({condition})" for condition in filters_of(requests)) or "true"
    days = "count(*)" if is_unique else "count(DISTINCT date)"
    try:
        longest, incomplete, duplicate = con.execute(
            "SELECT max(bars), list(symbol) FILTER (NOT complete), min(symbol) FILTER (bars > days) FROM ("
            f"SELECT symbol, count(*) AS bars, {days} AS days, bool_and(coalesce({is_bar}, false)) AS complete "
            f"FROM {src} WHERE {where} GROUP BY symbol)"
        ).fetchall()[0]
    except duckdb.InvalidInputException as error:  # at_least_v1 raises it
        if says_damage(error):
            raise
        raise UsageError(str(error).removeprefix("Invalid Input Error: ")) from None
    if duplicate is not None:
        problem = f"{src} has a day of {duplicate} more than once"
        raise UsageError(f"{problem}: an indicator needs one row per symbol and day")
    return Shape((longest or 0) + 1, incomplete or [])
