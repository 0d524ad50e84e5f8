"""The input of the programs: bars of a table as arrays, sorted by symbol and date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
from duckdb import DuckDBPyConnection
from numpy.typing import NDArray

from stockstream.sql.compiler.arrays.kernels import Array
from stockstream.sql.errors import UsageError
from stockstream.sql.session.damage import says_damage
from stockstream.sql.variables import quoted

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
    names: Sequence[str] | None = None,
) -> Bars:
    """Read the bars of a table.

    Args:
        con: the connection of the table.
        src: the table, in which `date` is a DATE.
        where: which symbols.
        filters: conditions that each row must meet; a symbol with another row is `incomplete`.
        inputs: columns to compute from.
        keep: type by name of the columns to pass on.
        names: the symbols of the table, if they are known.

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
        rows: dict[str, Any] = dict(con.execute(f"SELECT {', '.join(selected)} FROM {src} WHERE {where}").fetchnumpy())
    except duckdb.InvalidInputException as error:  # at_least_v1 raises it
        if says_damage(error):
            raise
        raise UsageError(str(error).removeprefix("Invalid Input Error: ")) from None
    hashes = rows.pop("symbol")
    starts = (
        np.concatenate([[0], np.flatnonzero(hashes[1:] != hashes[:-1]) + 1]) if len(hashes) else np.zeros(0, np.int64)
    )
    by_hash = _symbols(con, src, where, {*hashes[starts].tolist()}, names)
    symbols, order, starts = _order(src, by_hash, hashes, starts, rows["day"])
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


def _symbols(
    con: DuckDBPyConnection, src: str, where: str, hashes: Set[int], names: Sequence[str] | None
) -> dict[int, str]:
    """Return the symbols of a table by hash, in order."""
    if names is not None:
        listed = f"SELECT unnest([{', '.join(map(quoted, names))}]::VARCHAR[]) AS symbol"
        by_hash = dict(con.execute(f"SELECT hash(symbol), symbol FROM ({listed}) ORDER BY symbol").fetchall())
        if hashes <= by_hash.keys():
            return {hashed: symbol for hashed, symbol in by_hash.items() if hashed in hashes}
    query = f"SELECT DISTINCT hash(symbol), symbol FROM {src} WHERE {where} ORDER BY symbol"
    pairs = con.execute(query).fetchall()
    if len({hashed for hashed, _ in pairs}) != len(pairs):
        raise ValueError(f"two symbols of {src} have the same hash")
    return dict(pairs)


def _order(
    src: str, by_hash: Mapping[int, str], hashes: Any, starts: NDArray[np.int64], days: Any
) -> tuple[list[str], NDArray[np.int64] | None, NDArray[np.int64]]:
    """Return the symbols, the order that sorts the rows by symbol and day (None: they are sorted), and the starts.

    `starts` are the first rows of the runs of rows with the same hash; `by_hash` are the symbols, in order.

    Raises:
        UsageError: a symbol has two rows for a day.
    """
    symbols = list(by_hash.values())
    if not symbols:
        return symbols, None, starts
    codes = {hashed: code for code, hashed in enumerate(by_hash)}
    runs = np.array([codes[hashed] for hashed in hashes[starts].tolist()])
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
