"""Two ways to write the windows of an indicator: one for a filter on symbol, one that streams through all symbols.

`Partitioned` writes them as in the files: one sort per window step, and a filter on symbol reaches the scan.
`Streaming` needs rows sorted by symbol and date. It writes each window with `OVER ()` and constant offsets, which
DuckDB computes while the rows pass, and separates symbols by the bar's number. Sums, extremes and recursions over n
rows are computed by doubling: of 2, 4, 8, … rows.
"""

from __future__ import annotations

from collections.abc import Iterable

from stockstream.sql.compiler.graph import Graph, Unsupported

SORTED = "(PARTITION BY symbol ORDER BY date)"


class Partitioned:
    """Windows as in the files."""

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


class Streaming:
    """Windows over rows that are sorted by symbol and date."""

    bar = "⟦0⟧"

    def __init__(self, graph: Graph, longest: int) -> None:
        """`longest`: at least the number of bars of each symbol."""
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
        earlier, left = x, offset
        while FARTHEST < left <= 8 * FARTHEST:  # for larger offsets DuckDB materialises all rows
            earlier, left = self._graph.add(f"lag({earlier}, {FARTHEST}) OVER ()", is_window=True), left - FARTHEST
        return self._graph.add(f"lag({earlier}, {left}) OVER ()", is_window=True)

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

    def _extreme(self, sign: str, x: str, rows: int) -> str:
        length = 1
        while 2 * length <= rows:
            x = self._farther(sign, x, length)
            length *= 2
        return x if length == rows else self._farther(sign, x, rows - length)

    def _farther(self, sign: str, x: str, offset: int) -> str:
        earlier = self._earlier(x, offset)  # greatest() would cost twice as much
        return self._graph.add(f"CASE WHEN {self.bar} >= {offset} AND {earlier} {sign} {x} THEN {earlier} ELSE {x} END")

    def _sum(self, x: str, rows: int) -> str:
        """Return the sum of up to `rows` rows: of 20 as the last 16 and the 4 before these."""
        parts, before, length = [], 0, 1
        powers = {1: self._graph.add(f"coalesce({x}, 0e0)")}
        while 2 * length <= rows:
            one = powers[length]
            powers[2 * length] = self._graph.add(f"{one} + {self.lag(one, length, '0e0')}")
            length *= 2
        for length in sorted(powers, reverse=True):
            if before + length <= rows:
                parts.append(self.lag(powers[length], before, "0e0"))
                before += length
        return self._graph.add(" + ".join(parts))

    def _squares(self, x: str, rows: int) -> str:
        """Return the sum of squared deviations from the mean of the last rows; NULL for the first `rows - 1` bars.

        Chan, Golub and LeVeque (1979): for two groups of rows it is the sum of both groups' squares and of a term of
        the difference of their means.
        """
        length, squares = 1, self._graph.add(f"0e0 * {x}")
        powers = {1: squares}

        def joined(newer: str, rows_newer: int, older: str, rows_older: int) -> str:
            total = rows_newer + rows_older
            before = self.lag(self._sum(x, rows_older), rows_newer, "")
            step = self._graph.add(
                f"{self._sum(x, rows_newer)} * {_double(rows_older / rows_newer)} - {before}"
            )  # the difference of the means, times rows_older
            weight = rows_newer / (total * rows_older)
            return self._graph.add(f"{newer} + {self.lag(older, rows_newer, '')} + {step} * {step} * {_double(weight)}")

        while 2 * length <= rows:
            powers[2 * length] = joined(powers[length], length, powers[length], length)
            length *= 2
        total, covered = powers[length], length
        for length in sorted(powers, reverse=True):
            if covered + length <= rows:
                total = joined(total, covered, powers[length], length)
                covered += length
        return total

    def decayed(self, x: str, q: float) -> str:
        """See `graph.Lowering`; with q = 1 it is the sum of all bars so far."""
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
"""DuckDB streams a lag of fewer rows than a vector has (2,048)."""
SMALLEST = 1e-290
"""A recursion goes back as far as DOUBLE reaches, so that the ratio of two nearly vanished averages is right."""


def _double(number: float) -> str:
    """Return the text of a number as a DOUBLE literal, not a DECIMAL."""
    return f"{number:.17e}"
