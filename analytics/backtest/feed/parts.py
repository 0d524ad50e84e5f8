"""Parts of a run's query: groups of symbols that are read one after the other, so that their rows fit into memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection
from numpy.typing import NDArray

from stockstream.analytics.backtest.feed.arrow import (
    bool_array,
    concatenate,
    float_array,
    int_array,
    numbers,
    symbols_of,
    text_array,
)

if TYPE_CHECKING:
    from stockstream.sql.compiler.arrays.rows import Rows

BATCH = 50_000
"""Rows per batch that DuckDB returns."""
EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Part:
    """The query of a group of symbols."""

    text: str
    """The query of the rows."""
    start: date | None
    end: date | None
    """The range of days to return, inclusive."""
    rows: Rows | None = None
    """What arrays compute; the query reads it. It is computed just before."""
    outputs: Sequence[str] = ()
    """The columns of the query, if it can have the numbers of symbols in `rows` instead of their names."""
    copies: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Columns of the query that are columns of `rows`: per name, that column and the one that it has where it is NULL.
    They are not read through DuckDB."""

    def read(self, con: DuckDBPyConnection, codes: Mapping[str, int]) -> pa.RecordBatch | None:
        """Return the rows of the query, None if there are none; the rows of arrays are freed.

        `codes` is the position of each symbol in the dictionary that the column `symbol` gets.
        """
        rows = None
        try:
            if self.rows is not None:
                self.rows.read()
                if self.outputs:
                    rows = self._copied(con, codes)
            if rows is None:
                rows = _executed(con, f"FROM ({self.text}) WHERE {self._in_range}")
                if rows is not None:
                    column = _with_dictionary(*symbols_of(rows), codes)
                    rows = rows.set_column(rows.schema.get_field_index("symbol"), "symbol", column)
        finally:
            if self.rows is not None:
                self.rows.forget()
        return rows

    @property
    def _in_range(self) -> str:
        days = ((">=", self.start), ("<=", self.end))
        return " AND ".join(f"date {sign} DATE '{day}'" for sign, day in days if day is not None) or "true"

    def _copied(self, con: DuckDBPyConnection, codes: Mapping[str, int]) -> pa.RecordBatch | None:
        """Return the rows, of which DuckDB computes the columns that are no copies; None if it changes their order."""
        assert self.rows is not None
        columns, names = self.rows.register_numbers()
        days = columns["date"].astype("datetime64[D]").astype(np.int32)
        others = [name for name in self.outputs if name not in self.copies]
        selected = ", ".join('"' + name.replace('"', '""') + '"' for name in others)
        answer = _executed(con, f"SELECT {selected} FROM ({self.text})")
        if answer is None or not (
            np.array_equal(numbers(answer, "symbol"), columns["symbol"])
            and np.array_equal(numbers(answer, "date"), days)
        ):
            return None
        arrays = {name: answer.column(name) for name in others}
        arrays |= {name: float_array(_first(*map(columns.get, of))) for name, of in self.copies.items()}
        arrays["symbol"] = _with_dictionary(names, columns["symbol"], codes)
        rows = pa.record_batch(arrays)
        return rows if self.start is self.end is None else rows.filter(self._is_in_range(days))

    def _is_in_range(self, days: NDArray[np.int32]) -> pa.Array:
        first = -np.inf if self.start is None else (self.start - EPOCH).days
        last = np.inf if self.end is None else (self.end - EPOCH).days
        return bool_array((days >= first) & (days <= last))


def _executed(con: DuckDBPyConnection, query: str) -> pa.RecordBatch | None:
    batches = [batch for batch in con.execute(query).to_arrow_reader(BATCH) if len(batch)]
    return concatenate(batches) if batches else None


def _first(values: Any, *others: Any) -> NDArray[np.float64]:
    """Return values as floats; where they are NaN, the others."""
    first: NDArray[np.float64] = np.asarray(values, np.float64)
    for other in others:
        if other is not values and (is_null := np.isnan(first)).any():
            first = np.where(is_null, other, first)
    return first


def _with_dictionary(names: Sequence[str], local: NDArray[np.int32], codes: Mapping[str, int]) -> pa.Array:
    """Return the column of symbols with a dictionary of all; `local` is the position in `names` per row."""
    # A symbol of `names` may have no row.
    values = np.array([codes.get(name, -1) for name in names], np.int32)[local]
    return pa.DictionaryArray.from_arrays(int_array(values), text_array(codes))
