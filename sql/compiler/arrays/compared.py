"""Programs that compare symbols with a benchmark: they have the bars of the days on which the benchmark has one, too,
and the benchmark's values of these days."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from duckdb import DuckDBPyConnection

from stockstream.sql.compiler.arrays.bars import Bars, read_bars
from stockstream.sql.compiler.arrays.blocks import compute
from stockstream.sql.compiler.arrays.kernels import Array
from stockstream.sql.compiler.arrays.pieces import BENCHMARK
from stockstream.sql.compiler.arrays.program import Benchmark, Program
from stockstream.sql.errors import UsageError
from stockstream.sql.variables import quoted

Benchmarks = Mapping[Benchmark, Bars]


def read_benchmarks(con: DuckDBPyConnection, src: str, programs: Iterable[Program]) -> Benchmarks | None:
    """Return the bars of the benchmarks of programs; None: one has values that are too large for arrays.

    Raises:
        UsageError: a benchmark has no bars, or two rows for a day.
    """
    inputs: dict[Benchmark, dict[str, None]] = {}
    for program in programs:
        if program.benchmark is not None:
            columns = (name.removeprefix(BENCHMARK) for name in program.inputs if name.startswith(BENCHMARK))
            inputs.setdefault(program.benchmark, {}).update(dict.fromkeys(columns))
    result: dict[Benchmark, Bars] = {}
    for one, names in inputs.items():
        where = " AND ".join(f"({condition})" for condition in (f"symbol = {quoted(one.symbol)}", *one.filters))
        market = read_bars(con, src, where=where, filters=(), inputs=list(names), keep={}, names=[one.symbol])
        if market.too_large:
            return None
        result[one] = market.whole()
        if not len(result[one]):
            raise UsageError(f"the benchmark {one.symbol} has no bars with values in {src}")
    return result


def compute_compared(
    bars: Bars, program: Program, benchmark: Bars, first: int, last: int, results: Mapping[str, Array]
) -> None:
    """Write a program's columns like `blocks.compute`; NaN on the days on which the benchmark has no bar."""
    rows = slice(int(bars.starts[first]), int(bars.ends[last - 1]))
    at = np.minimum(np.searchsorted(benchmark.days, bars.days[rows]), len(benchmark) - 1)
    is_common = benchmark.days[at] == bars.days[rows]
    lengths = np.add.reduceat(is_common, bars.starts[first:last] - rows.start, dtype=np.int64)
    lengths = lengths[lengths > 0]
    columns: dict[str, Array] = {}
    for name in program.inputs:
        if name.startswith(BENCHMARK):
            columns[name] = benchmark.columns[name.removeprefix(BENCHMARK)][at[is_common]]
        else:
            columns[name] = bars.columns[name][rows][is_common]
    ends = np.cumsum(lengths)
    common = Bars([], ends - lengths, ends, bars.days[rows][is_common], columns, {})
    values = {name: np.empty(len(common)) for name in program.outputs}
    if len(common):
        compute(common, program, 0, len(lengths), values)
    for name in program.outputs:
        results[name][~is_common] = np.nan
        results[name][is_common] = values[name]
