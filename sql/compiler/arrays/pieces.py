"""Pieces of a table: rows of whole runs of symbols, copied from the chunks of a query's result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from duckdb import DuckDBPyConnection
from numpy.typing import NDArray

from stockstream.sql.compiler.arrays.stream import Column, chunks

LARGEST = 1e100
"""The largest magnitude of a value that arrays compute: sums and squares of larger ones could be infinite."""
ROWS = 500_000
"""Number of rows per piece: an array of 4 MiB or more would be made of huge pages, which cost more, not less, where a
virtual machine gets its memory from the host only when it is used."""
INPUT = "in "
"""What the names of columns to compute from begin with."""
COMPUTED = "= "
"""What the name of an input begins with that is an expression in SQL, not a column of the table."""
BENCHMARK = "benchmark "
"""What the name of an input begins with that is one of the benchmark's bar of the same day."""


@dataclass(frozen=True)
class Piece:
    """Consecutive rows of a table. A run, which consists of all consecutive rows of a symbol, is in one piece."""

    hashes: NDArray[np.uint64]
    """The hash of each run's symbol."""
    starts: NDArray[np.int64]
    """The first row of each run."""
    rows: Mapping[str, Any]
    """Values by column: numbers are NaN where they are NULL, other columns are masked. `is_large` is one of them, the
    mask of the rows that have an input that is not below LARGEST."""

    @property
    def length(self) -> int:
        """The number of rows."""
        return len(self.rows["date"])

    @property
    def ends(self) -> NDArray[np.int64]:
        """The row after the last one of each run."""
        return np.append(self.starts[1:], self.length)

    def cut(self, run: int) -> tuple[Piece, Piece]:
        """Return the runs before number `run`, and the others."""
        row = int(self.ends[run - 1]) if run else 0
        return (
            Piece(self.hashes[:run], self.starts[:run], {name: values[:row] for name, values in self.rows.items()}),
            Piece(
                self.hashes[run:], self.starts[run:] - row, {name: values[row:] for name, values in self.rows.items()}
            ),
        )


def read_pieces(con: DuckDBPyConnection, columns: Mapping[str, str], source: str) -> list[Piece]:
    """Return the rows of a table.

    Args:
        con: the connection of the table.
        columns: expressions by name; `symbol` is the hash of the symbol.
        source: what follows FROM.
    """
    selected = ", ".join(f"{expression} AS {_quoted(name)}" for name, expression in columns.items())
    result: list[Piece] = []
    carried: list[Piece] = []
    for chunk in chunks(con, f"SELECT {selected} FROM {source}"):
        if not len(chunk["symbol"].values):
            continue
        rows = _piece(chunk)
        over, last = rows.cut(len(rows.hashes) - 1)  # the last run may continue in the next chunk
        while over.length:
            piece, over = over.cut(max(1, int(np.searchsorted(over.ends, ROWS, side="right"))))
            result.append(joined([*carried, piece]))
            carried = []
        carried.append(joined([last]))
    return [*result[:-1], joined([*result[-1:], *carried])] if carried else result


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def joined(pieces: Sequence[Piece]) -> Piece:
    """Return a copy of the rows of pieces that follow each other; runs of one symbol that meet become one."""
    offsets = np.cumsum([0, *(piece.length for piece in pieces)])
    hashes = np.concatenate([piece.hashes for piece in pieces])
    starts = np.concatenate([piece.starts + offset for piece, offset in zip(pieces, offsets, strict=False)])
    is_other = np.append(True, hashes[1:] != hashes[:-1])
    rows = {name: concatenated([piece.rows[name] for piece in pieces]) for name in pieces[0].rows}
    return Piece(hashes[is_other], starts[is_other], rows)


def concatenated(parts: Sequence[Any]) -> Any:
    """Return a copy of arrays, one after the other; it is masked if one of them is."""
    return (np.ma if any(isinstance(part, np.ma.MaskedArray) for part in parts) else np).concatenate(parts)


def _piece(chunk: Mapping[str, Column]) -> Piece:
    """Return the rows of a chunk, whose memory is used."""
    hashes = chunk["symbol"].values
    starts = np.append(0, np.flatnonzero(hashes[1:] != hashes[:-1]) + 1)
    is_large = np.zeros(len(hashes), np.bool_)
    for name, column in chunk.items():
        if name.startswith(INPUT):
            _add_large(column, is_large)
    rows = {name: _values(column) for name, column in chunk.items() if name != "symbol"}
    return Piece(hashes[starts], starts, rows | {"is_large": is_large})


def _add_large(column: Column, is_large: NDArray[np.bool_]) -> None:
    """Set a mask where a value is not below LARGEST, such as infinity."""
    x = column.values
    if x.max() < LARGEST and x.min() > -LARGEST:  # neither is true if there is a NaN
        return
    is_one = ~(np.abs(x) < LARGEST)
    is_large |= is_one if column.is_valid is None else is_one & column.is_valid


def _values(column: Column) -> Any:
    """Return the values of a column: numbers are NaN where they are NULL, others are masked."""
    if column.is_valid is None:
        return column.values
    if column.values.dtype == np.float64:
        return np.where(column.is_valid, column.values, np.nan)
    return np.ma.array(column.values, mask=~column.is_valid)
