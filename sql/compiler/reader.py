"""Read indicators' files into a graph.

An indicator's file is a chain of CTEs without groups: each of its columns is an expression over the input's columns
and over windows of rows. The graph resolves the chain, so that a column depends on exactly what it needs. The only
joins are those with a benchmark, which `benchmarks.py` reads.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlglot
from sqlglot import exp

from stockstream.sql.catalogue.kernels import expand_kernels
from stockstream.sql.compiler.benchmarks import read_source
from stockstream.sql.compiler.graph import Columns, Graph, Lowering, Relation, Rows, Unsupported, constant


class Reader:
    """Reads indicators into a graph; `filters` collects the conditions in their WHERE clauses, in order."""

    def __init__(self, graph: Graph, lowering: Lowering) -> None:
        self._graph = graph
        self._lowering = lowering
        self.filters: dict[str, None] = {}

    def columns(self, body: exp.Query, arguments: Mapping[str, str]) -> Columns:
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
        result = self._select(body, relations)
        has_benchmark = any(relation.rows is Rows.OF_BENCHMARK for relation in relations.values())
        if result.rows is not (Rows.OF_BOTH if has_benchmark else Rows.OF_SYMBOL):
            raise Unsupported("rows of a benchmark that are not joined")
        return result.columns

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
        unsupported = ("group", "having", "qualify", "distinct", "order", "limit", "laterals")
        if not isinstance(select, exp.Select) or any(select.args.get(part) for part in unsupported):
            raise Unsupported
        relation = self._source(select, relations)
        windows = {window.name: window for window in select.args.get("windows") or ()}
        columns = {}
        for projection in select.expressions:
            if isinstance(projection, exp.Star):
                raise Unsupported
            try:
                columns[projection.alias_or_name] = self._graph.add(self._text(projection.unalias(), relation, windows))
            except Unsupported:
                if not is_cte:
                    raise
        return Relation(columns, Rows.OF_SYMBOL if relation is None else relation.rows)

    def _source(self, select: exp.Select, relations: Mapping[str, Relation]) -> Relation | None:
        """Return what a SELECT reads; None: the input, whose conditions are filters."""
        source, where = select.args["from_"].this, select.args.get("where")
        if not isinstance(source, exp.Table) or source.args.get("joins"):
            raise Unsupported
        if not isinstance(source.this, exp.Anonymous):
            return read_source(select, relations, self._graph, self._lowering.of_benchmark)
        if source.this.name.lower() != "query_table" or source.alias or select.args.get("joins"):
            raise Unsupported
        if where is not None:
            for condition in where.this.flatten() if isinstance(where.this, exp.And) else [where.this]:
                self.filters[condition.sql("duckdb", comments=False)] = None
        return None

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
        if relation is None:
            if column.table:
                raise Unsupported
            return self._graph.column(column.sql("duckdb"))
        name = f"{column.table}.{column.name}" if column.table else column.name
        if name not in relation.columns:
            raise Unsupported
        return relation.columns[name]

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
        parts = list(function.iter_expressions())
        if not isinstance(function, exp.AggFunc) or not 1 <= len(parts) <= 2:
            raise Unsupported
        x, *others = (self._node(part, relation, windows) for part in parts)
        name = function.sql_name().lower()
        if spec is None or spec.args.get("kind") != "ROWS" or spec.args.get("end") != "CURRENT ROW":
            raise Unsupported
        is_unbounded = spec.args.get("start") == "UNBOUNDED"
        if others:
            if run is not None or is_unbounded:
                raise Unsupported
            return self._lowering.pair_frame(name, x, others[0], int(constant(spec.args["start"])) + 1)
        if run is not None:
            if not is_unbounded:
                raise Unsupported("a frame of a run")
            return self._lowering.run(name, x, self._node(run, relation, windows))
        if is_unbounded:
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
    order_keys = [term.this.name or term.this.sql() for term in order.expressions] if order else []
    if partition_keys[:1] != ["symbol"] or len(partition_keys) > 2 or order_keys != ["date"]:
        raise Unsupported
    return spec, partition[1] if partition and len(partition) == 2 else None


def _is_row_number(expression: exp.Expr) -> bool:
    return isinstance(expression, exp.Window) and isinstance(expression.this, exp.RowNumber)


def _operand(text: str) -> exp.Expr:
    """Return an expression, parsed, in parentheses unless it is a column or a literal."""
    parsed = sqlglot.parse_one(text, dialect="duckdb")
    return parsed if isinstance(parsed, exp.Literal | exp.Column) else exp.paren(parsed, copy=False)
