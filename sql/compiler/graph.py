"""Read indicators' files into one graph of expressions, in which a value that several indicators use is one node.

An indicator's file is a chain of CTEs without joins or groups: each of its columns is an expression over the input's
columns and over windows of rows. The graph resolves the chain, so that a column depends on exactly what it needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import duckdb
import sqlglot
from sqlglot import exp

from stockstream.sql.catalogue.kernels import expand_kernels

REF = re.compile(r"⟦(\d+)⟧")
"""A reference to a node in the text of another node."""

Relation = Mapping[str, str]
"""The columns of one CTE of an indicator: by column name, the reference to a node."""


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

    def decayed(self, x: str, q: float) -> str:
        """Return the recursion y[k] = x[k] + q * y[k - 1]."""

    def window(self, function: str, x: str) -> str:
        """Return an aggregate of all bars so far."""

    def run(self, function: str, x: str, run: str) -> str:
        """Return an aggregate of the bars so far with the same number `run`."""

    def key(self, expression: str) -> str:
        """Return the name of a column of the input for an expression of the day that is compared with that of another
        bar only; empty: the expression itself is used."""


class Reader:
    """Reads indicators into a graph; `filters` collects the conditions in their WHERE clauses, in order."""

    def __init__(self, graph: Graph, lowering: Lowering) -> None:
        self._graph = graph
        self._lowering = lowering
        self.filters: dict[str, None] = {}

    def columns(self, body: exp.Query, arguments: Mapping[str, str]) -> Relation:
        """Return the columns of an indicator's query after replacing its parameters by SQL texts.

        Raises:
            Unsupported: it is not a chain of projections and windows.
        """
        values = {name: _operand(text) for name, text in arguments.items()}
        body = body.copy()
        expand_kernels(body)
        for column in list(body.find_all(exp.Column)):
            if not column.table and column.name in values:
                column.replace(self._argument(values[column.name], column))
        relations: dict[str, Relation] = {}
        for cte in body.ctes:
            relations[cte.alias] = self._select(cte.this, relations, is_cte=True)
        return self._select(body, relations)

    def _argument(self, value: exp.Expr, parameter: exp.Column) -> exp.Expr:
        """Return what replaces a parameter."""
        is_compared = isinstance(parameter.parent, exp.NullSafeNEQ | exp.Lag)
        is_of_day = {column.sql() for column in value.find_all(exp.Column)} == {"date"}
        name = self._lowering.key(value.unnest().sql("duckdb")) if is_compared and is_of_day else ""
        return exp.column(name, quoted=True) if name else value.copy()

    def _select(self, select: exp.Expr, relations: Mapping[str, Relation], *, is_cte: bool = False) -> Relation:
        """Return the columns of a SELECT over the input or over one of the previous CTEs, `relations`.

        A column of a CTE that is Unsupported is left out: it may not be needed.
        """
        unsupported = ("joins", "group", "having", "qualify", "distinct", "order", "limit", "laterals")
        if not isinstance(select, exp.Select) or any(select.args.get(part) for part in unsupported):
            raise Unsupported
        source = select.args["from_"].this
        if not isinstance(source, exp.Table) or source.args.get("joins") or source.alias:
            raise Unsupported
        relation: Relation | None = None
        if not isinstance(source.this, exp.Anonymous):
            if source.name not in relations:
                raise Unsupported
            relation = relations[source.name]
        elif source.this.name.lower() != "query_table":
            raise Unsupported
        windows = {window.name: window for window in select.args.get("windows") or ()}
        if where := select.args.get("where"):
            if relation is not None:
                raise Unsupported
            for condition in where.this.flatten() if isinstance(where.this, exp.And) else [where.this]:
                self.filters[condition.sql("duckdb", comments=False)] = None
        columns = {}
        for projection in select.expressions:
            if isinstance(projection, exp.Star):
                raise Unsupported
            try:
                columns[projection.alias_or_name] = self._graph.add(self._text(projection.unalias(), relation, windows))
            except Unsupported:
                if not is_cte:
                    raise
        return columns

    def _text(self, expression: exp.Expr, relation: Relation | None, windows: Mapping[str, exp.Window]) -> str:
        """Return the SQL text of an expression over a relation (None: the input).

        References replace its columns, windows and recursions. `windows` are the named windows of the SELECT.
        """

        def replacement(part: exp.Expr) -> exp.Expr:
            if isinstance(part, exp.Subquery | exp.Select):
                raise Unsupported
            if isinstance(part, exp.Sub) and _is_row_number(part.this) and part.expression.sql() == "1":
                return exp.Var(this=self._lowering.bar)
            if isinstance(part, exp.Window):
                return exp.Var(this=self._window(part, relation, windows))
            if isinstance(part, exp.Anonymous) and part.name.lower() == "decayed_v1":
                x, q, _ = part.expressions
                return exp.Var(this=self._lowering.decayed(self._node(x, relation, windows), constant(q)))
            if isinstance(part, exp.Column):
                return exp.Var(this=self._column(part, relation))
            return part

        return expression.copy().transform(replacement, copy=False).sql("duckdb", comments=False)

    def _node(self, expression: exp.Expr, relation: Relation | None, windows: Mapping[str, exp.Window]) -> str:
        return self._graph.add(self._text(expression, relation, windows))

    def _column(self, column: exp.Column, relation: Relation | None) -> str:
        if column.table:
            raise Unsupported
        if relation is None:
            return self._graph.column(column.sql("duckdb"))
        if column.name not in relation:
            raise Unsupported
        return relation[column.name]

    def _window(self, window: exp.Window, relation: Relation | None, windows: Mapping[str, exp.Window]) -> str:
        """Return the reference to the node of a window function."""
        spec, run = _frame(window, windows)
        function = window.this
        if run is not None and not isinstance(function, exp.AggFunc):
            raise Unsupported("a window of a run that is not an aggregate")
        if _is_row_number(window):
            return f"({self._lowering.bar} + 1)"
        if isinstance(function, exp.Lag):
            offset = int(constant(function.args["offset"])) if function.args.get("offset") else 1
            default = function.args.get("default")
            return self._lowering.lag(
                self._node(function.this, relation, windows), offset, default.sql("duckdb") if default else ""
            )
        if not isinstance(function, exp.AggFunc) or len(list(function.iter_expressions())) != 1:
            raise Unsupported
        name, x = function.sql_name().lower(), self._node(function.this, relation, windows)
        if spec is None or spec.args.get("kind") != "ROWS" or spec.args.get("end") != "CURRENT ROW":
            raise Unsupported
        if run is not None:
            if spec.args.get("start") != "UNBOUNDED":
                raise Unsupported("a frame of a run")
            return self._lowering.run(name, x, self._node(run, relation, windows))
        if spec.args.get("start") == "UNBOUNDED":
            return self._lowering.window(name, x)
        return self._lowering.frame(name, x, int(constant(spec.args["start"])) + 1)


def _frame(window: exp.Window, windows: Mapping[str, exp.Window]) -> tuple[exp.WindowSpec | None, exp.Expr | None]:
    """Return the frame of a window, which may refer to a named one, or None, and the run that it is restricted to.

    Raises:
        Unsupported: the window is not over (PARTITION BY symbol ORDER BY date), or (PARTITION BY symbol, run …).
    """
    spec: exp.WindowSpec | None = window.args.get("spec")
    partition, order = window.args.get("partition_by"), window.args.get("order")
    alias = window.args.get("alias")
    while alias is not None:
        base = windows[alias.name]
        spec, partition = spec or base.args.get("spec"), partition or base.args.get("partition_by")
        order, alias = order or base.args.get("order"), base.args.get("alias")
    partition_keys = [column.sql() for column in partition or ()]
    order_keys = [term.this.sql() for term in order.expressions] if order else []
    if partition_keys[:1] != ["symbol"] or len(partition_keys) > 2 or order_keys != ["date"]:
        raise Unsupported
    return spec, partition[1] if partition and len(partition) == 2 else None


def _is_row_number(expression: exp.Expr) -> bool:
    return isinstance(expression, exp.Window) and isinstance(expression.this, exp.RowNumber)


def _operand(text: str) -> exp.Expr:
    """Return an expression, parsed, in parentheses unless it is a column or a literal."""
    parsed = sqlglot.parse_one(text, dialect="duckdb")
    return parsed if isinstance(parsed, exp.Literal | exp.Column) else exp.paren(parsed, copy=False)


@cache
def _evaluate(text: str) -> float:
    with duckdb.connect() as con:
        return float(con.execute(f"SELECT {text}").fetchall()[0][0])


def constant(expression: exp.Expr) -> float:
    """Return the value of an expression without columns.

    Raises:
        Unsupported: it has columns.
    """
    if expression.find(exp.Column) is not None:
        raise Unsupported
    return _evaluate(expression.sql("duckdb"))
