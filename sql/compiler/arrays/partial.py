"""Symbols with rows that some indicators leave out: each group of indicators is computed from the rows that it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from duckdb import DuckDBPyConnection

from stockstream.sql.compiler.arrays.bars import Bars, read_bars
from stockstream.sql.compiler.arrays.compared import Benchmarks
from stockstream.sql.compiler.arrays.program import Lowered
from stockstream.sql.compiler.arrays.run import batches
from stockstream.sql.variables import quoted


def read_partial(
    con: DuckDBPyConnection,
    src: str,
    symbols: Sequence[str],
    groups: Sequence[Lowered],
    benchmarks: Benchmarks,
    keep: Mapping[str, str],
) -> tuple[Bars, dict[str, Any], list[str]]:
    """Compute the columns of symbols.

    Args:
        con: the connection of the table.
        src: the table.
        symbols: the symbols.
        groups: the programs, those together that leave out the same rows.
        benchmarks: the bars of the benchmarks of the programs.
        keep: type by name of the columns of the table to pass on.

    Returns:
        All rows of the symbols, with the columns `keep`; the values by column, NaN for rows without; and the symbols
        that arrays cannot compute, whose values are invalid.
    """
    where = f"symbol IN ({', '.join(map(quoted, symbols))})"
    rows = read_bars(con, src, where=where, filters=(), inputs=(), keep=keep).whole()
    keys = _keys(rows, rows.symbols)
    values: dict[str, Any] = {}
    failed: set[str] = set()
    for group in groups:
        condition = " AND ".join([where, *(f"({condition})" for condition in group.filters)])
        market = read_bars(con, src, where=condition, filters=(), inputs=group.inputs, keep={})
        failed |= {*market.too_large}
        bars = market.whole()
        at = np.searchsorted(keys, _keys(bars, rows.symbols))
        for program in group.programs:
            values |= {name: np.full(len(rows), np.nan) for name in program.outputs}
        for batch in batches([bars], group.programs, benchmarks):
            part = at[bars.starts[batch.first] : bars.ends[batch.last - 1]]
            for name, column in batch.values.items():
                values[name][part] = column
    return rows, values, sorted(failed)


def _keys(bars: Bars, symbols: Sequence[str]) -> Any:
    """Return a number per row that sorts as symbol and day do; `symbols` are sorted."""
    numbers = np.searchsorted(np.array(symbols), np.array(bars.symbols)) if symbols else np.zeros(0, np.int64)
    return (np.repeat(numbers.astype(np.int64), bars.ends - bars.starts) << 32) + bars.days + (1 << 31)
