"""The input of the programs: bars of a table as arrays, sorted by symbol and date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
from duckdb import DuckDBPyConnection
from numpy.typing import NDArray

from stockstream.sql.compiler.arrays.kernels import Array
from stockstream.sql.errors import UsageError
from stockstream.sql.session.damage import says_damage

LARGEST = 1e100
"""The largest magnitude of a value that arrays compute: sums and squares of larger ones could be infinite."""


@dataclass(frozen=True)
class Bars:
    """Bars of symbols, oldest first, one symbol after the other."""

    symbols: Sequence[str]
    starts: NDArray[np.int64]
    """The first row of each symbol."""
    ends: NDArray[np.int64]
    """The row after its last one."""
    days: NDArray[np.int32]
    """The date of each row, in days since 1970."""
    columns: Mapping[str, Array]
    """The columns that the indicators read."""
    kept: Mapping[str, Any]
    """The columns to pass on, perhaps masked where they are NULL."""
    incomplete: Sequence[str]
    """The symbols of the table that are not here, because they have rows that an indicator leaves out."""
    too_large: Sequence[str]
    """The symbols that are not here, because they have values that are not below LARGEST."""

    def __len__(self) -> int:
        return len(self.days)


def read_bars(
    con: DuckDBPyConnection,
    src: str,
    *,
    where: str,
    filters: Sequence[str],
    inputs: Sequence[str],
    keep: Mapping[str, str],
) -> Bars:
    """Read the bars of a table.

    Args:
        con: the connection of the table.
        src: the table, in which `date` is a DATE.
        where: which symbols.
        filters: conditions that each row must meet; a symbol with another row is `incomplete`.
        inputs: columns to compute from.
        keep: type by name of the columns to pass on.

    Raises:
        UsageError: a symbol has two rows for a day, or a parameter of an indicator is invalid.
    """
    is_bar = " AND ".join(f"({condition})" for condition in filters) or "true"
    is_small = " AND ".join(f'abs(CAST("{name}" AS DOUBLE)) < {LARGEST}' for name in inputs) or "true"
    selected = [
        "hash(symbol) AS symbol", f"{_days('date')} AS day", f"coalesce({is_bar}, false) AS is_bar",
        f"coalesce({is_small}, true) AS is_small",
        *(f'CAST("{name}" AS DOUBLE) AS "in {name}"' for name in inputs if keep.get(name) != "DOUBLE"),
        *(f'{_days(name) if kind == "DATE" else name} AS "{name}"' for name, kind in keep.items()),
    ]  # fmt: skip
    try:
        names = con.execute(f"SELECT DISTINCT symbol, hash(symbol) FROM {src} WHERE {where}").fetchall()
        rows: dict[str, Any] = dict(con.execute(f"SELECT {', '.join(selected)} FROM {src} WHERE {where}").fetchnumpy())
    except duckdb.InvalidInputException as error:  # at_least_v1 raises it
        if says_damage(error):
            raise
        raise UsageError(str(error).removeprefix("Invalid Input Error: ")) from None
    symbols, order, starts = _order(src, sorted(names), rows.pop("symbol"), rows["day"])
    if order is not None:
        rows = {name: values[order] for name, values in rows.items()}
    is_bar, is_small = rows.pop("is_bar"), rows.pop("is_small")
    excluded: list[list[str]] = [[], []]
    if not (is_bar.all() and is_small.all()):
        is_complete = np.logical_and.reduceat(is_bar, starts)
        is_large = np.logical_or.reduceat(is_bar & ~is_small, starts)
        excluded = [list(np.array(symbols)[~is_complete & ~is_large]), list(np.array(symbols)[is_large])]
        stays = is_complete & ~is_large
        lengths = np.diff(np.append(starts, len(is_bar)))
        rows = {name: values[np.repeat(stays, lengths)] for name, values in rows.items()}
        symbols = list(np.array(symbols)[stays])
        starts = np.concatenate([[0], np.cumsum(lengths[stays])])[:-1]
    return Bars(
        symbols=symbols,
        starts=starts,
        ends=np.append(starts[1:], len(rows["day"]))[: len(starts)],
        days=np.ma.getdata(rows["day"]),
        columns={name: np.ma.filled(rows[f"in {name}" if f"in {name}" in rows else name], np.nan) for name in inputs},
        kept={name: rows[name] for name in keep},
        incomplete=excluded[0],
        too_large=excluded[1],
    )


def _days(name: str) -> str:
    """Return the SQL of a date in days since 1970."""
    return f"CAST({name} - DATE '1970-01-01' AS INTEGER)"


def _order(
    src: str, names: Sequence[tuple[str, int]], hashes: Any, days: Any
) -> tuple[list[str], NDArray[np.int64] | None, NDArray[np.int64]]:
    """Return the symbols, the order that sorts the rows by symbol and day (None: they are sorted), and the starts.

    `names` are the symbols, sorted, with their hashes.

    Raises:
        UsageError: a symbol has two rows for a day.
    """
    symbols = [symbol for symbol, _ in names]
    codes = {hashed: code for code, (_, hashed) in enumerate(names)}
    if len(codes) != len(names):
        raise ValueError(f"two symbols of {src} have the same hash")
    if not symbols:
        return symbols, None, np.zeros(0, np.int64)
    starts = np.concatenate([[0], np.flatnonzero(hashes[1:] != hashes[:-1]) + 1])
    runs = np.array([codes[int(hashed)] for hashed in hashes[starts]])
    is_later = np.diff(days) > 0
    is_later[starts[1:] - 1] = True
    if len(runs) == len(symbols) and (np.diff(runs) > 0).all() and is_later.all():
        return symbols, None, starts
    keys = np.repeat(runs, np.diff(np.append(starts, len(hashes)))) << 32
    keys += days.astype(np.int64) + (1 << 31)
    order = np.argsort(keys, kind="stable")  # merges parts that are sorted, such as those of two files
    keys = keys[order]
    if (same := np.flatnonzero(keys[1:] == keys[:-1])).size:
        duplicate = symbols[int(keys[same[0]] >> 32)]
        problem = f"{src} has a day of {duplicate} more than once"
        raise UsageError(f"{problem}: an indicator needs one row per symbol and day")
    return symbols, order, np.searchsorted(keys, np.arange(len(symbols), dtype=np.int64) << 32)
