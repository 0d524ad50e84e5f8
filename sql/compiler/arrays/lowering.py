"""The third lowering: windows as calls of numpy kernels, for the graph that `reader.py` reads from the SQL files.

A window becomes a node whose text is a call, such as `lag(⟦3⟧, 1, nan)`, of a function in `kernels.py`. Sums and
extremes of n bars are computed by doubling, over 2, 4, 8, … bars; nodes with the same text are one node, so that
windows of different lengths share these steps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

import duckdb
import sqlglot
from sqlglot import exp

from stockstream.sql.compiler.arrays.pieces import BENCHMARK, COMPUTED
from stockstream.sql.compiler.graph import REF, Graph, Unsupported, constant, constants


class Arrays:
    """Writes windows as calls of kernels; see `graph.Lowering`."""

    bar = "⟦0⟧"

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.benchmarks: set[str] = set()
        """The symbols whose bars are read for every symbol."""
        self.fields: dict[int, tuple[str, ...]] = {}
        """Names of the values of the nodes that have several, by number."""
        assert graph.add("bar") == self.bar

    def base(self, rows: str, columns: Iterable[str]) -> str:
        """Raise an error: this lowering writes no query."""
        raise Unsupported("arrays have no query")

    def lag(self, x: str, offset: int, default: str) -> str:
        """See `graph.Lowering`."""
        if offset < 0:
            raise Unsupported("lag with a negative offset")
        if offset == 0:
            return x
        value = repr(constant(sqlglot.parse_one(default, dialect="duckdb"))) if default else "nan"
        return self._call(f"lag({x}, {offset}, {value})")

    def frame(self, function: str, x: str, rows: int) -> str:
        """See `graph.Lowering`; the first `rows - 1` bars have the aggregate of the bars so far."""
        if function in ("min", "max"):
            return self._extreme(function, x, rows)
        if function == "sum":
            return self._call(f"repair('sum', {self._sum(x, rows)}, {rows}, {x})")
        if function == "avg":
            return self._call(f"repair('avg', {self._call(f'mean({self._sum(x, rows)}, {rows})')}, {rows}, {x})")
        if function in ("stddev_pop", "variance_pop"):
            of_squares = self._call(f"{function}({self._products(rows, x)}, {rows})")
            return self._call(f"repair('{function}', {of_squares}, {rows}, {x})")
        if function == "count":
            return self._sum(self._call(f"present({x})"), rows)
        if function == "array_agg":
            return self._call(f"each({x}, {rows})")
        raise Unsupported(f"{function} of the last {rows} bars")

    def pair_frame(self, function: str, x: str, y: str, rows: int) -> str:
        """See `graph.Lowering`; as `frame`, it is defined for a symbol's first bars."""
        if function != "covar_pop":
            raise Unsupported(f"{function} of the last {rows} bars")
        of_products = self._call(f"{function}({self._products(rows, x, y)}, {rows})")
        return self._call(f"repair('{function}', {of_products}, {rows}, {x}, {y})")

    def of_benchmark(self, symbol: str, expression: str) -> str:
        """See `graph.Lowering`."""
        self.benchmarks.add(symbol)
        return f"{BENCHMARK}{COMPUTED}{expression}"

    def decayed(self, x: str, q: float) -> str:
        """See `graph.Lowering`."""
        if not 0 < q < 1:
            raise Unsupported(f"a recursion with the factor {q}")
        return self._call(f"decayed({x}, {q!r})")

    def window(self, function: str, x: str) -> str:
        """See `graph.Lowering`."""
        if function not in ("sum", "min", "max"):
            raise Unsupported(f"{function} of all bars so far")
        return self._call(f"total_{function}({x})")

    def run(self, function: str, x: str, run: str) -> str:
        """See `graph.Lowering`; `run` is the sum of a number that is 1 where a run starts, and 0 elsewhere."""
        if function not in ("sum", "min", "max"):
            raise Unsupported(f"{function} of the bars of a run")
        total = _TOTAL.fullmatch(self._graph.nodes[_number(run)].text)
        if total is None or not self._graph.nodes[int(total[1])].text.endswith("THEN 1 ELSE 0 END"):
            raise Unsupported("a run of bars by another number than the sum of its starts")
        return self._call(f"run_{function}({x}, {run})")

    def key(self, expression: str) -> str:
        """See `graph.Lowering`."""
        kind = _type_of_day(expression)
        if kind not in KEYS:
            raise Unsupported(f"{expression}, which is of type {kind}")
        return f"{COMPUTED}{KEYS[kind].format(expression)}"

    def _call(self, text: str) -> str:
        return self._graph.add(text, is_window=True)

    def _extreme(self, function: str, x: str, rows: int) -> str:
        """Return the minimum or maximum of the last bars: of two groups of bars, which may overlap."""
        if pair := self._pair(x):
            result = self._call(f"{function}_pair({pair[2]}, {pair[3]}, {rows})")
            self.fields[_number(result)] = pair[:2]
            return result
        length = 1
        while 2 * length <= rows:
            x, length = self._call(f"join_f{function}({x}, {x}, {length})"), 2 * length
        return x if length == rows else self._call(f"join_f{function}({x}, {x}, {rows - length})")

    def _pair(self, x: str) -> tuple[str, ...]:
        """Return the names and the values of a struct, which are compared in this order; nothing if x is a number.

        Raises:
            Unsupported: the struct has another number of values, or its first can be NULL.
        """
        text = self._graph.nodes[_number(x)].text
        if not text.startswith("{"):
            return ()
        struct = sqlglot.parse_one(REF.sub(lambda match: f"c{match[1]}", text), dialect="duckdb")
        values = [field.expression for field in struct.expressions]
        if len(values) != 2 or not isinstance(values[0], exp.Column) or not self._is_input(int(values[0].name[1:])):
            raise Unsupported("an extreme of structs other than {column of the input, value}")
        parts = [_references(value.sql("duckdb")) for value in values]
        return (*(field.this.name for field in struct.expressions), *(self._graph.add(part) for part in parts))

    def _is_input(self, number: int) -> bool:
        """Return whether a node is a column of the input, of which only finite values are computed."""
        text = self._graph.nodes[number].text
        if cast := _CAST.fullmatch(text):
            text = self._graph.nodes[int(cast[1])].text
        return text in self._graph.columns

    def _powers(self, x: str, rows: int) -> dict[int, str]:
        """Return the sums of the last 1, 2, 4, … bars, by number of bars, up to `rows`."""
        powers, length = {1: x}, 1
        while 2 * length <= rows:
            powers[2 * length] = self._call(f"join_add({powers[length]}, {powers[length]}, {length})")
            length *= 2
        return powers

    def _sum(self, x: str, rows: int) -> str:
        """Return the sum of the last bars: that of 20 bars is that of the last 16 plus that of the 4 before."""
        powers = self._powers(x, rows)
        covered = max(powers)
        total = powers[covered]
        for length in sorted(powers, reverse=True):
            if covered + length <= rows:
                total = self._call(f"join_add({total}, {powers[length]}, {covered})")
                covered += length
        return total

    def _products(self, rows: int, *xs: str) -> str:
        """Return the sum of squared deviations from the mean of the last bars, or of products of two deviations.

        Two groups of m and n bars are joined as by Chan, Golub and LeVeque (1979): the sum of both sums of squares,
        plus the squared difference of the means times m * n / (m + n).
        """
        if rows == 1:
            return self._graph.add(" + ".join(f"0e0 * {x}" for x in xs))
        join = "join_squares" if len(xs) == 1 else "join_products"
        powers, products, length = [self._powers(x, rows) for x in xs], {1: "0."}, 1
        while 2 * length <= rows:
            half = ", ".join([products[length], *(sums[length] for sums in powers), str(length)])
            products[2 * length] = self._call(f"{join}({half}, {half})")
            length *= 2
        covered, totals, result = length, [sums[length] for sums in powers], products[length]
        for length in sorted(products, reverse=True):
            if covered + length <= rows:
                older = ", ".join([products[length], *(sums[length] for sums in powers), str(length)])
                result = self._call(f"{join}({', '.join([result, *totals, str(covered)])}, {older})")
                totals = [
                    self._call(f"join_add({total}, {sums[length]}, {covered})")
                    for total, sums in zip(totals, powers, strict=True)
                ]
                covered += length
        return result


KEYS = {
    "DATE": "CAST(({}) - DATE '1970-01-01' AS DOUBLE)",
    "TIMESTAMP": "CAST(epoch_us({}) AS DOUBLE)",
    **dict.fromkeys(("BOOLEAN", "INTEGER", "BIGINT", "DOUBLE"), "CAST(({}) AS DOUBLE)"),
}
"""The number in SQL for a value of the day, by its type: different values have different numbers."""


@cache
def _type_of_day(expression: str) -> str:
    """Return the type of an expression over the column `date`."""
    with constants().cursor() as con:
        try:
            query = f"SELECT typeof({expression}) FROM (SELECT DATE '2000-01-01' AS date)"
            return str(con.execute(query).fetchall()[0][0])
        except duckdb.Error:
            return "unknown"


_TOTAL = re.compile(r"total_sum\(⟦(\d+)⟧\)")
_CAST = re.compile(r"CAST\(⟦(\d+)⟧ AS DOUBLE\)")


def _number(reference: str) -> int:
    match = REF.fullmatch(reference)
    assert match is not None, reference
    return int(match[1])


def _references(text: str) -> str:
    """Return a text in which the names `c7` are references to nodes again."""
    return re.sub(r"\bc(\d+)\b", r"⟦\1⟧", text)
