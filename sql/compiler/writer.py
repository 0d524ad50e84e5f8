"""Write the query for a set of requests."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import sqlglot

from stockstream.sql.compiler.graph import Columns, Graph, Unsupported
from stockstream.sql.compiler.lowering import Partitioned
from stockstream.sql.compiler.reader import Reader
from stockstream.sql.compiler.requests import Request
from stockstream.sql.compiler.stages import render


def query(
    requests: Sequence[Request],
    src: str,
    *,
    keep: Sequence[str] = (),
    where: str = "true",
) -> str:
    """Return a query of symbol, date, the columns `keep` of `src` and the requested columns, unsorted.

    `src` is the name of a table, view or CTE; `where` is a condition that selects symbols; it
    reaches the scan. Rows that fail one condition of `filters_of` are left out of all columns, so for symbols with such
    rows use `by_macros`.
    """
    text = _query(tuple(requests), _SRC, tuple(keep), _WHERE)
    return text.replace(_SRC, src).replace(_WHERE, where)


_SRC, _WHERE = "⟦src⟧", "⟦where⟧"
"""Stand for the table and the condition: the same indicators of another table are not compiled again."""


@lru_cache(256)
def _query(requests: Sequence[Request], src: str, keep: Sequence[str], where: str) -> str:
    graph = Graph()
    lowering = Partitioned(graph)
    reader = Reader(graph, lowering)
    relations = _read(reader, requests)
    outputs = {name: graph.column(name) for name in keep}
    to_join = []
    for request in requests:
        if (relation := relations[request.call(src="")]) is None:
            to_join.append(request)
        else:
            outputs[request.name] = relation[request.column]
    columns = sorted({"symbol", "date"} | graph.columns)
    is_bar = " AND ".join(f"({condition})" for condition in [where, *reader.filters])
    rows = f"SELECT {', '.join(columns)} FROM {src} WHERE {is_bar}"
    text = render(graph, outputs, lowering.base(rows, columns))
    if not to_join:
        return text
    return f"WITH wide AS ({text})\nSELECT {joins(requests, keep, to_join, 'wide', src, where)}"


def by_macros(requests: Sequence[Request], src: str, *, keep: Sequence[str] = (), where: str = "true") -> str:
    """Return the query that joins the macros' results: slower than `query`, but correct for rows without a value."""
    return (
        f"WITH rows AS (SELECT {', '.join(('symbol', 'date', *keep))} FROM {src} WHERE {where})\n"
        f"SELECT {joins(requests, keep, requests, 'rows', src, where)}"
    )


def joins(
    requests: Sequence[Request], keep: Sequence[str], to_join: Sequence[Request], first: str, src: str, where: str
) -> str:
    """Return columns, FROM and joins of the query that adds to the CTE `first` the macros of the requests `to_join`."""
    calls = {call: f"j{index}" for index, call in enumerate(dict.fromkeys(request.call(src) for request in to_join))}
    names = [f'{calls[r.call(src)]}.{r.column} AS "{r.name}"' if r in to_join else f'"{r.name}"' for r in requests]
    joins = [
        f"LEFT JOIN (SELECT * FROM {call} WHERE {where}) AS {alias} USING (symbol, date)"
        for call, alias in calls.items()
    ]
    return f"{', '.join(('symbol', 'date', *keep, *names))} FROM {first}\n" + "\n".join(joins)


def filters_of(requests: Sequence[Request]) -> list[str]:
    """Return the conditions over the columns of `src` that a row must meet to count as a bar."""
    return list(_filters_of(tuple(requests)))


@lru_cache(256)
def _filters_of(requests: Sequence[Request]) -> Sequence[str]:
    graph = Graph()
    reader = Reader(graph, Partitioned(graph))
    _read(reader, requests)
    return tuple(reader.filters)


def _read(reader: Reader, requests: Sequence[Request]) -> dict[str, Columns | None]:
    """Return the columns of each requested indicator by its call; None for an indicator that is Unsupported."""
    relations: dict[str, Columns | None] = {}
    for request in requests:
        if (call := request.call(src="")) not in relations:
            try:
                relations[call] = reader.columns(request.indicator.query, dict(request.arguments))
            except Unsupported:
                relations[call] = None
    return relations


def columns_of(requests: Sequence[Request]) -> set[str]:
    """Return the columns of `src` that the requests read besides symbol and date."""
    columns: set[str] = set()
    for request in requests:
        texts = [text for name, text in request.arguments if name in request.indicator.values]
        fixed = [name for name in request.indicator.header.columns if name not in request.indicator.values]
        columns.update(*map(_columns_in, (*texts, *fixed)))
    return columns


@lru_cache(1024)
def _columns_in(text: str) -> frozenset[str]:
    """Return the columns in an SQL expression."""
    expression = sqlglot.parse_one(text, dialect="duckdb")
    return frozenset(column.name for column in expression.find_all(sqlglot.exp.Column))
