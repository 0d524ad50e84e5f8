"""Read the joins of indicators that compare symbols with a benchmark, which is a symbol of the same table.

Their files have three steps that others do not have, by the alias of any name:

    SELECT date, x AS m FROM shares WHERE symbol = 'SPY'              -- the benchmark's bars
    SELECT … FROM shares AS s JOIN market AS b ON s.date = b.date     -- the bars of the days on which both have one
    SELECT … FROM shares AS s LEFT JOIN betas AS b ON s.symbol = b.symbol AND s.date = b.date WHERE has_bars_v1(…)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from sqlglot import exp

from stockstream.sql.compiler.graph import Graph, Relation, Rows, Unsupported


def read_source(
    select: exp.Select, relations: Mapping[str, Relation], graph: Graph, of_benchmark: Callable[[str, str], str]
) -> Relation:
    """Return what a SELECT over CTEs reads: one of them as it is, or the result of one of the steps above.

    `of_benchmark` is that of `graph.Lowering`.

    Raises:
        Unsupported: it reads anything else.
    """
    source, where = select.args["from_"].this, select.args.get("where")
    relation, joins = _relation(source, relations), select.args.get("joins") or []
    if not joins:
        if source.alias:
            raise Unsupported
        if where is None:
            return relation
        symbol = _symbol(where.this)
        columns = {
            name: graph.column(exp.column(of_benchmark(symbol, expression), quoted=True).sql("duckdb"))
            for name, expression in _expressions(relation, graph).items()
        }
        return Relation(columns, Rows.OF_BENCHMARK)
    (join, *others), s, b = joins, source.alias, joins[0].this.alias
    other, on = _relation(join.this, relations), join.args.get("on")
    is_left, is_checked = join.side == "LEFT", where is not None and _is_check(where.this)
    if others or relation.rows is not Rows.OF_SYMBOL or on is None or not (where is None or is_checked):
        raise Unsupported
    if not is_left and not join.side and other.rows is Rows.OF_BENCHMARK and on.sql() == f"{s}.date = {b}.date":
        # What depends on a symbol's other bars is left out: from here on, its bars are fewer.
        columns = {f"{s}.{name}": relation.columns[name] for name in _expressions(relation, graph)}
    elif is_left and other.rows is Rows.OF_BOTH and on.sql() == f"{s}.symbol = {b}.symbol AND {s}.date = {b}.date":
        columns = {f"{s}.{name}": relation.columns[name] for name in ("symbol", "date")}
    else:
        raise Unsupported("a join")
    return Relation(columns | {f"{b}.{name}": reference for name, reference in other.columns.items()}, Rows.OF_BOTH)


def _relation(source: exp.Expr, relations: Mapping[str, Relation]) -> Relation:
    if not isinstance(source, exp.Table) or source.name not in relations:
        raise Unsupported
    return relations[source.name]


def _expressions(relation: Relation, graph: Graph) -> dict[str, str]:
    """Return the SQL of those columns that depend on a bar's own row alone."""
    expressions = {}
    for name, reference in relation.columns.items():
        with suppress(Unsupported):
            expressions[name] = graph.expression(reference)
    return expressions


def _symbol(condition: exp.Expr) -> str:
    """Return the symbol of a condition such as `symbol = 'SPY'`."""
    is_equal = isinstance(condition, exp.EQ) and condition.this.sql() == "symbol"
    if not is_equal or not isinstance(condition.expression, exp.Literal) or not condition.expression.is_string:
        raise Unsupported("a condition on a CTE")
    return str(condition.expression.this)


def _is_check(condition: exp.Expr) -> bool:
    """Return whether a condition is true or an error, which the planner raises before."""
    return isinstance(condition, exp.Anonymous) and condition.name.lower() == "has_bars_v1"
