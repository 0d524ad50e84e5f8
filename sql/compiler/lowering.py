"""Two ways to write the windows of an indicator: one for a filter on symbol, one that streams through all symbols.

`Partitioned` writes windows as the files do: DuckDB sorts once per window step, and a filter on symbol reaches the
scan. `Streaming` sorts once, by symbol and date. It writes each window as lags with `OVER ()` and constant offsets,
which DuckDB computes in one pass, and uses the bar's number to separate symbols. It computes sums, extremes and
recursions over n rows by doubling: over 2, 4, 8, … rows.
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

    def decayed(self, x: str, q: float) -> str:
        """See `graph.Lowering`."""
        return self._graph.add(f"decayed_v1({x}, {_double(q)}, {self.bar})", is_window=True)

    def window(self, function: str, x: str) -> str:
        """See `graph.Lowering`."""
        over = "(PARTITION BY symbol ORDER BY date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
        return self._graph.add(f"{NAMES.get(function, function)}({x}) OVER {over}", is_window=True)


NAMES = {"variance_pop": "var_pop"}
"""DuckDB's name of an aggregate by sqlglot's, where they differ."""


class Streaming:
    """Writes windows as lags over rows that are sorted by symbol and date, all symbols in one pass."""

    bar = "⟦0⟧"

    def __init__(self, graph: Graph, longest: int) -> None:
        """`longest`: an upper bound of the number of bars per symbol."""
        self._graph = graph
        self._longest = longest
        assert graph.add("bar") == self.bar

    def base(self, rows: str, columns: Iterable[str]) -> str:
        """See `graph.Lowering`."""
        names = ", ".join(columns)
        return (
            f"SELECT {names}, number - max(CASE WHEN previous IS DISTINCT FROM symbol THEN number END) "
            "OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS bar "
            f"FROM (SELECT {names}, row_number() OVER () AS number, lag(symbol) OVER () AS previous "
            f"FROM ({rows} ORDER BY symbol, date))"
        )

    def lag(self, x: str, offset: int, default: str) -> str:
        """See `graph.Lowering`."""
        if offset == 0:
            return x
        otherwise = f" ELSE {default}" if default else ""
        return f"CASE WHEN {self.bar} >= {offset} THEN {self._earlier(x, offset)}{otherwise} END"

    def _earlier(self, x: str, offset: int) -> str:
        """Return the value `offset` rows before, which may be another symbol's."""
        earlier, remaining = x, offset
        while FARTHEST < remaining <= 8 * FARTHEST:  # a larger one is one lag: DuckDB materialises all rows
            earlier = self._graph.add(f"lag({earlier}, {FARTHEST}) OVER ()", is_window=True)
            remaining -= FARTHEST
        return self._graph.add(f"lag({earlier}, {remaining}) OVER ()", is_window=True)

    def frame(self, function: str, x: str, rows: int) -> str:
        """See `graph.Lowering`."""
        if function in ("min", "max"):
            return self._extreme("<" if function == "min" else ">", x, rows)
        if function == "sum":
            return self._sum(x, rows)
        if function == "avg":
            return self._graph.add(f"{self._sum(x, rows)} / {_double(rows)}")
        if function == "stddev_pop":
            return self._graph.add(f"sqrt({self._squares(x, rows)} / {_double(rows)})")
        if function == "variance_pop":
            return self._graph.add(f"{self._squares(x, rows)} / {_double(rows)}")
        raise Unsupported

    def _extreme(self, operator: str, x: str, rows: int) -> str:
        """Return the minimum (operator <) or the maximum (>) of the last `rows` rows, fewer at a symbol's start."""
        length = 1
        while 2 * length <= rows:
            x = self._extreme_of_two(operator, x, length)
            length *= 2
        return x if length == rows else self._extreme_of_two(operator, x, rows - length)

    def _extreme_of_two(self, operator: str, x: str, offset: int) -> str:
        """Return the extreme of a row's value and the value `offset` rows before."""
        earlier = self._earlier(x, offset)  # greatest() would cost twice as much
        is_earlier = f"{self.bar} >= {offset} AND {earlier} {operator} {x}"
        return self._graph.add(f"CASE WHEN {is_earlier} THEN {earlier} ELSE {x} END")

    def _sum(self, x: str, rows: int) -> str:
        """Return the sum of the last `rows` rows, fewer at a symbol's start.

        It adds sums whose lengths are powers of 2: the sum of 20 rows is that of the last 16 plus that of the 4 before.
        """
        parts, before, length = [], 0, 1
        powers = {1: self._graph.add(f"coalesce({x}, 0e0)")}
        while 2 * length <= rows:
            half = powers[length]
            powers[2 * length] = self._graph.add(f"{half} + {self.lag(half, length, '0e0')}")
            length *= 2
        for length in sorted(powers, reverse=True):
            if before + length <= rows:
                parts.append(self.lag(powers[length], before, "0e0"))
                before += length
        return self._graph.add(" + ".join(parts))

    def _squares(self, x: str, rows: int) -> str:
        """Return the sum of squared deviations from the mean of the last rows; NULL for the first `rows - 1` bars.

        The formula for joining two groups of rows is that of Chan, Golub and LeVeque (1979): the sum of both groups'
        sums of squares, plus the squared difference of their means times m * n / (m + n), for m and n rows.
        """
        length, squares = 1, self._graph.add(f"0e0 * {x}")
        powers = {1: squares}

        def combine(newer: str, rows_newer: int, older: str, rows_older: int) -> str:
            total = rows_newer + rows_older
            before = self.lag(self._sum(x, rows_older), rows_newer, "")
            step = self._graph.add(
                f"{self._sum(x, rows_newer)} * {_double(rows_older / rows_newer)} - {before}"
            )  # the difference of the means, times rows_older
            weight = rows_newer / (total * rows_older)
            return self._graph.add(f"{newer} + {self.lag(older, rows_newer, '')} + {step} * {step} * {_double(weight)}")

        while 2 * length <= rows:
            powers[2 * length] = combine(powers[length], length, powers[length], length)
            length *= 2
        total, covered = powers[length], length
        for length in sorted(powers, reverse=True):
            if covered + length <= rows:
                total = combine(total, covered, powers[length], length)
                covered += length
        return total

    def decayed(self, x: str, q: float) -> str:
        """See `graph.Lowering`; with q = 1 the recursion is the sum of all bars so far."""
        offset = 1
        while offset < self._longest and (weight := q**offset) > SMALLEST:
            earlier = self.lag(x, offset, "0e0")
            x = self._graph.add(f"{x} + {earlier}" if q == 1 else f"{x} + {_double(weight)} * {earlier}")
            offset *= 2
        return x

    def window(self, function: str, x: str) -> str:
        """See `graph.Lowering`."""
        if function == "sum":
            return self.decayed(x, 1.0)
        if function in ("min", "max"):
            return self._extreme("<" if function == "min" else ">", x, self._longest)
        raise Unsupported


FARTHEST = 1024
"""The longest lag to write as one, in rows: DuckDB streams only lags that are shorter than a vector (2,048 rows)."""
SMALLEST = 1e-290
"""The smallest weight that a recursion considers, near the end of DOUBLE's range.

With a larger one, the ratio of two averages that have decayed to nearly 0 would be wrong.
"""


def _double(number: float) -> str:
    """Return the text of a number as a DOUBLE literal, not a DECIMAL."""
    return f"{number:.17e}"
