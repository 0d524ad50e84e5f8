"""Inspect the rows of a table, and return the query that is correct and fast for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.sql.compiler.requests import Request, benchmarks_of
from stockstream.sql.compiler.selection import Selection
from stockstream.sql.compiler.writer import by_macros, columns_of, filters_of, joins, query
from stockstream.sql.errors import UsageError
from stockstream.sql.session import quoted
from stockstream.sql.session.damage import says_damage

if TYPE_CHECKING:
    from stockstream.sql.compiler.arrays.rows import Rows


class Shape(NamedTuple):
    """What SQL must know of the rows."""

    incomplete: list[str]
    """The symbols with rows that an indicator leaves out."""


@dataclass(frozen=True)
class Plan:
    """How columns are computed: by arrays or by SQL, and what remains for the macros."""

    explanation: tuple[str, ...]
    """One line per decision, for a person."""
    rows: Rows | None
    """What the arrays compute; None: the query computes everything."""
    is_joined: bool
    """Whether the query joins columns of macros to the rows of arrays, so that it is not sorted as they are."""
    _text: str

    def query(self, con: DuckDBPyConnection) -> str:
        """Return the query of symbol, date, `keep` and the requested columns, one row per row of the table.

        Rows of arrays become a table of the connection, whose name is in the query.

        Raises:
            UsageError: as in `plan`.
        """
        if self.rows is not None:
            self.rows.read()
        return self.unread_query(con)

    def unread_query(self, con: DuckDBPyConnection) -> str:
        """Return the same query; `rows.read` must come before its execution."""
        if self.rows is None:
            return self._text
        name = f"computed_rows_{next(_NUMBERS)}"
        self.rows.register(name)
        return self.text(name)

    def view(self, con: DuckDBPyConnection, name: str) -> None:
        """Create or replace a temporary view of the rows, which are computed now; see `query`.

        What arrays compute is in memory until the view is replaced. It needs no pyarrow, which a Lambda does not have.

        Raises:
            UsageError: as in `plan`.
        """
        if self.rows is not None:
            self.rows.read()
            con.register(f"values_of_{name}", self.rows.columns())
            self.rows.forget()
        con.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {self.text(f'values_of_{name}')}")

    def text(self, rows: str = "") -> str:
        """Return the query, in which `rows` is the name of the rows of arrays, if there are."""
        return self._text.replace(_ROWS, rows)


_ROWS = "⟦rows⟧"
_NUMBERS = count(1)


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
    selection: Selection | None = None,
    names: Sequence[str] | None = None,
) -> Plan:
    """Return how symbol, date, `keep` and the requested columns are computed, one row per row of `src`.

    - `symbols` to compute; None: all.
    - `stream`: compute all symbols in one pass, in arrays; otherwise in SQL, which is faster for a few symbols.
    - `is_unique`: `src` is known to have one row per symbol and day, so that SQL does not check it.
    - `shape`: the shape of these rows, or of more, if it is known; then SQL does not inspect them.
    - `names`: all symbols of `src`, if they are known; then arrays do not ask for them.
    - `selection`: the rows to return; None: all. The columns are computed from all of them.

    Raises:
        UsageError: there is no such table, it lacks a column, or it has two rows for a symbol and day; a parameter
            is invalid; or a benchmark has no bars.
    """
    types = _check_columns(con, requests, src)
    _check_benchmarks(con, requests, src)
    where = "true" if symbols is None else _is_one_of(symbols)
    selection = selection or Selection()
    reason = _against_arrays(types, keep, stream)
    rows, unsupported = (None, {}) if reason else _rows(con, requests, src, where, types, keep, selection, names)
    if rows is None:
        reasons = [reason] if reason else [f"arrays do not have {what}" for what in dict.fromkeys(unsupported.values())]
        text = _by_sql(con, requests, src, symbols, where, keep, shape, is_unique, selection)
        return Plan(tuple(f"SQL for all columns: {reason}" for reason in reasons), None, False, text)
    joined = [request for request in requests if request.name in unsupported]
    lines = [f"arrays: {', '.join(rows.names[len(keep) :])}"]
    lines += [f"SQL: {name}: arrays do not have {what}" for name, what in unsupported.items()]
    return Plan(
        tuple(lines), rows, bool(joined), _around(requests, {name: types[name] for name in keep}, joined, src, where)
    )


def _rows(
    con: DuckDBPyConnection,
    requests: Sequence[Request],
    src: str,
    where: str,
    types: Mapping[str, str],
    keep: Sequence[str],
    selection: Selection,
    names: Sequence[str] | None,
) -> tuple[Rows | None, Mapping[str, str]]:
    """Return the rows that arrays compute (None: no column), and why they cannot compute the other columns, by name."""
    from stockstream.sql.compiler.arrays.program import lower
    from stockstream.sql.compiler.arrays.rows import Rows

    lowered = lower(requests)
    some = [request for request in requests if request.name not in lowered.unsupported]
    kinds = {name: types[name] for name in keep}
    rows = Rows(con, some, lowered, src, where=where, keep=kinds, selection=selection, names=names) if some else None
    return rows, lowered.unsupported


KEPT_TYPES = ("DOUBLE", "BIGINT", "INTEGER", "DATE")
"""The types of columns of the table that arrays can pass on."""


def _against_arrays(types: Mapping[str, str], keep: Sequence[str], stream: bool) -> str | None:
    """Return why SQL computes all columns; None if arrays can."""
    if not stream:
        return "there are few symbols"
    if find_spec("numpy") is None:
        return "numpy is not installed"
    if types["date"] != "DATE":
        return f"date is of type {types['date']}"
    others = [f"{name} is of type {types[name]}" for name in keep if types[name] not in KEPT_TYPES]
    return others[0] if others else None


def _around(
    requests: Sequence[Request], keep: Mapping[str, str], joined: Sequence[Request], src: str, where: str
) -> str:
    """Return the query that adds the macros' columns to the rows of arrays."""
    of_arrays = [request.name for request in requests if request not in joined]
    kept = (f'CAST("{name}" AS {kind}) AS "{name}"' for name, kind in keep.items())
    names = ", ".join([*kept, *(f'"{name}"' for name in of_arrays)])
    text = f"SELECT symbol, CAST(date AS DATE) AS date, {names} FROM {_ROWS}"
    return (
        f"WITH wide AS ({text})\nSELECT {joins(requests, list(keep), joined, 'wide', src, where)}" if joined else text
    )


def _by_sql(
    con: DuckDBPyConnection,
    requests: Sequence[Request],
    src: str,
    symbols: Sequence[str] | None,
    where: str,
    keep: Sequence[str],
    shape: Shape | None,
    is_unique: bool,
    selection: Selection,
) -> str:
    if shape is None:
        shape = shape_of(con, requests, src, where=where, is_unique=is_unique)
    incomplete = shape.incomplete if symbols is None else sorted({*symbols} & {*shape.incomplete})
    complete = f"{where} AND NOT {_is_one_of(incomplete)}" if incomplete else where
    text = query(requests, src, keep=keep, where=complete)
    if incomplete:
        text = f"({text}) UNION ALL BY NAME ({by_macros(requests, src, keep=keep, where=_is_one_of(incomplete))})"
    return selection.of(text)


def _is_one_of(symbols: Sequence[str]) -> str:
    return f"symbol IN ({', '.join(map(quoted, symbols))})" if symbols else "false"


def _check_columns(con: DuckDBPyConnection, requests: Sequence[Request], src: str) -> dict[str, str]:
    """Return the types of a table's columns by name, after checking that it has those that the requests need."""
    try:
        relation = con.sql(f"FROM {src} LIMIT 0")
    except duckdb.CatalogException as error:
        raise UsageError(f"there is no table {src} to compute from: {str(error).splitlines()[0]}") from None
    types = dict(zip(relation.columns, map(str, relation.types), strict=True))
    for request in requests:
        missing = sorted(({"symbol", "date"} | columns_of([request])) - set(types))
        if missing:
            raise UsageError(f"{request.name} needs the columns {', '.join(missing)}, which {src} does not have")
    return types


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
        incomplete, duplicate = con.execute(
            "SELECT list(symbol) FILTER (NOT complete), min(symbol) FILTER (bars > days) FROM ("
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
    return Shape(incomplete or [])
