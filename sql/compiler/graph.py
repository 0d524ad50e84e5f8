"""The graph of the expressions of indicators, in which a value that several indicators use is one node."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Protocol

import duckdb
from duckdb import DuckDBPyConnection
from sqlglot import exp

REF = re.compile(r"⟦(\d+)⟧")
"""A reference to a node in the text of another node."""

Columns = Mapping[str, str]
"""The columns of an indicator: by column name, the reference to a node."""


class Rows(Enum):
    """Which rows a CTE of an indicator has."""

    OF_SYMBOL = "the symbol's bars"
    OF_BENCHMARK = "the bars of a benchmark"
    OF_BOTH = "the symbol's bars of the days on which the benchmark has one, too"


@dataclass(frozen=True)
class Relation:
    """One CTE of an indicator."""

    columns: Columns
    rows: Rows = Rows.OF_SYMBOL


class Unsupported(Exception):
    """The indicator is not a plain chain of projections and windows: it can only be computed by its macro."""


@dataclass(frozen=True)
class Node:
    """One value per row: its SQL text, with references to other nodes."""

    text: str
    is_window: bool = False
    """Whether the value reads other rows, so that the nodes that it refers to must be columns of an earlier CTE."""

    @property
    def refs(self) -> set[int]:
        """Numbers of the nodes that it refers to."""
        return {int(number) for number in REF.findall(self.text)}


class Graph:
    """The nodes of the requested indicators; equal nodes are stored once."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.columns: set[str] = set()
        """Columns of the input that are needed, as written in SQL."""
        self._numbers: dict[Node, int] = {}

    def add(self, text: str, *, is_window: bool = False) -> str:
        """Return the reference to the node with a text; add the node if it does not exist."""
        if REF.fullmatch(text):
            return text
        node = Node(text, is_window)
        if node not in self._numbers:
            self._numbers[node] = len(self.nodes)
            self.nodes.append(node)
        return f"⟦{self._numbers[node]}⟧"

    def column(self, name: str) -> str:
        """Return the reference to a column of the input."""
        self.columns.add(name)
        return self.add(name)

    def expression(self, reference: str) -> str:
        """Return the SQL of a node over columns of the input.

        Raises:
            Unsupported: it depends on other rows.
        """
        match = REF.fullmatch(reference)
        assert match is not None, reference
        node = self.nodes[int(match[1])]
        if node.is_window or node.text == "bar":
            raise Unsupported("a value that depends on other rows")
        return REF.sub(lambda match: self.expression(match[0]), node.text)


class Lowering(Protocol):
    """A way to write windows: as SQL (`lowering.py`), or for arrays. Values `x` and results are references to nodes."""

    bar: str
    """Reference to the 0-based number of a row within its symbol."""

    def base(self, rows: str, columns: Iterable[str]) -> str:
        """Return the query that adds to the input's rows the column `bar`, a row's number within its symbol."""

    def lag(self, x: str, offset: int, default: str) -> str:
        """Return the value `offset` bars before; `default`, or NULL if that is empty, where there is no such bar."""

    def frame(self, function: str, x: str, rows: int) -> str:
        """Return an aggregate of the last `rows` bars; undefined for a symbol's first `rows - 1` bars."""

    def pair_frame(self, function: str, x: str, y: str, rows: int) -> str:
        """Return an aggregate of the last `rows` pairs of values, like `frame`."""

    def of_benchmark(self, symbol: str, expression: str) -> str:
        """Return the name of a column of the input for an expression of the benchmark's bar of the same day."""

    def decayed(self, x: str, q: float) -> str:
        """Return the recursion y[k] = x[k] + q * y[k - 1]."""

    def window(self, function: str, x: str) -> str:
        """Return an aggregate of all bars so far."""

    def run(self, function: str, x: str, run: str) -> str:
        """Return an aggregate of the bars so far with the same number `run`."""

    def key(self, expression: str) -> str:
        """Return the name of a column of the input for an expression of the day that is compared with that of another
        bar only; empty: the expression itself is used."""


@cache
def constants() -> DuckDBPyConnection:
    """Return the connection of this process for expressions without columns: to open one takes longest."""
    return duckdb.connect(config={"threads": 1})


@cache
def _evaluate(text: str) -> float:
    with constants().cursor() as con:
        return float(con.execute(f"SELECT {text}").fetchall()[0][0])


def constant(expression: exp.Expr) -> float:
    """Return the value of an expression without columns.

    Raises:
        Unsupported: it has columns.
    """
    if expression.find(exp.Column) is not None:
        raise Unsupported
    return _evaluate(expression.sql("duckdb"))
