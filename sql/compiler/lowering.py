"""Write the windows of an indicator as the files do: DuckDB sorts per window step, and a filter on symbol reaches the
scan.

Many symbols are computed in arrays instead; see `arrays/lowering.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from stockstream.sql.compiler.graph import Graph, Unsupported

SORTED = "(PARTITION BY symbol ORDER BY date)"


class Partitioned:
    """Writes windows as the files do, with PARTITION BY symbol ORDER BY date."""

    bar = "⟦0⟧"

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        assert graph.add("bar") == self.bar

    def base(self, rows: str, columns: Iterable[str]) -> str:
        """See `graph.Lowering`."""
        return f"SELECT {', '.join(columns)}, row_number() OVER {SORTED} - 1 AS bar FROM ({rows})"

    def lag(self, x: str, offset: int, default: str) -> str:
        """See `graph.Lowering`."""
        arguments = f"{x}, {offset}, {default}" if default else f"{x}, {offset}"
        return self._graph.add(f"lag({arguments}) OVER {SORTED}", is_window=True)

    def frame(self, function: str, x: str, rows: int) -> str:
        """See `graph.Lowering`."""
        over = f"(PARTITION BY symbol ORDER BY date ROWS BETWEEN {rows - 1} PRECEDING AND CURRENT ROW)"
        return self._graph.add(f"{NAMES.get(function, function)}({x}) OVER {over}", is_window=True)

    def pair_frame(self, function: str, x: str, y: str, rows: int) -> str:
        """Raise an error: only indicators that compare with a benchmark have such windows, and macros compute these."""
        raise Unsupported("windows over pairs of values")

    def of_benchmark(self, symbol: str, expression: str) -> str:
        """Raise an error: the macro computes such joins."""
        raise Unsupported("joins with a benchmark")

    def decayed(self, x: str, q: float) -> str:
        """See `graph.Lowering`."""
        return self._graph.add(f"decayed_v1({x}, {_double(q)}, {self.bar})", is_window=True)

    def window(self, function: str, x: str) -> str:
        """See `graph.Lowering`."""
        over = "(PARTITION BY symbol ORDER BY date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
        return self._graph.add(f"{NAMES.get(function, function)}({x}) OVER {over}", is_window=True)

    def run(self, function: str, x: str, run: str) -> str:
        """Raise an error: the macro computes such windows."""
        raise Unsupported("windows over runs of bars")

    def key(self, expression: str) -> str:
        """See `graph.Lowering`."""
        return ""


NAMES = {"variance_pop": "var_pop"}
"""DuckDB's name of an aggregate by sqlglot's, where they differ."""


def _double(number: float) -> str:
    """Return the text of a number as a DOUBLE literal, not a DECIMAL."""
    return f"{number:.17e}"
