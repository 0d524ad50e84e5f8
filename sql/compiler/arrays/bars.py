"""The input of the programs: bars of a table as arrays, sorted by symbol and date."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
from duckdb import DuckDBPyConnection
from numpy.typing import NDArray

from stockstream.sql.compiler.arrays.kernels import Array
from stockstream.sql.compiler.arrays.pieces import COMPUTED, INPUT, Piece, concatenated, joined, read_pieces
from stockstream.sql.errors import UsageError
from stockstream.sql.session.damage import says_damage
from stockstream.sql.variables import quoted


@dataclass(frozen=True)
class Bars:
    """All bars of some symbols, oldest first, one symbol after the other."""

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
    """The columns to pass on: numbers are NaN where they are NULL, other columns are masked."""

    def __len__(self) -> int:
        return len(self.days)


@dataclass(frozen=True)
class Market:
    """The bars of a table."""

    parts: Sequence[Bars]
    """The bars of symbols that are complete, in the order of symbols; at least one part, which may be empty."""
    incomplete: Sequence[str]
    """The symbols that are not there, because they have rows that an indicator leaves out."""
    too_large: Sequence[str]
    """The symbols that are not there, because they have values that are not below LARGEST."""

    def all_too_large(self) -> Market:
        """Return the market without bars: what all symbols are compared with is too large."""
        first = self.parts[0]
        columns, kept = ({name: of[:0] for name, of in named.items()} for named in (first.columns, first.kept))
        nothing = Bars([], first.starts[:0], first.ends[:0], first.days[:0], columns, kept)
        names = {symbol for part in self.parts for symbol in part.symbols}
        return Market([nothing], [], sorted({*names, *self.incomplete, *self.too_large}))

    def whole(self) -> Bars:
        """Return all parts as one."""
        first, *others = self.parts
        if not others:
            return first
        offsets = np.cumsum([0, *map(len, self.parts)])
        return Bars(
            symbols=[symbol for part in self.parts for symbol in part.symbols],
            starts=np.concatenate([part.starts + offset for part, offset in zip(self.parts, offsets, strict=False)]),
            ends=np.concatenate([part.ends + offset for part, offset in zip(self.parts, offsets, strict=False)]),
            days=np.concatenate([part.days for part in self.parts]),
            columns={name: concatenated([part.columns[name] for part in self.parts]) for name in first.columns},
            kept={name: concatenated([part.kept[name] for part in self.parts]) for name in first.kept},
        )


def read_bars(
    con: DuckDBPyConnection,
    src: str,
    *,
    where: str,
    filters: Sequence[str],
    inputs: Sequence[str],
    keep: Mapping[str, str],
    names: Sequence[str] | None = None,
) -> Market:
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
    selected = {"symbol": "hash(symbol)", "date": "date", "is_bar": f"coalesce({is_bar}, false)"}
    selected |= {f"{INPUT}{name}": _number(name) for name in inputs}
    selected |= {f"kept {name}": f'"{name}"' for name in keep if name not in inputs or keep[name] != "DOUBLE"}
    try:
        pieces = read_pieces(con, selected, f"{src} WHERE {where}")
    except duckdb.InvalidInputException as error:  # at_least_v1 raises it
        if says_damage(error):
            raise
        raise UsageError(str(error).removeprefix("Invalid Input Error: ")) from None
    by_hash = _symbols(con, src, where, {hashed for piece in pieces for hashed in piece.hashes.tolist()}, names)
    parts: list[Bars] = []
    excluded: tuple[list[str], list[str]] = ([], [])
    for symbols, piece in _sorted(src, by_hash, pieces):
        stays = _complete(symbols, piece, *excluded)
        parts.append(_bars(symbols, piece, stays, inputs, keep))
    nothing = Piece(np.empty(0, np.uint64), np.empty(0, np.int64), dict.fromkeys(selected, np.empty(0)))
    return Market(parts or [_bars([], nothing, np.empty(0, np.bool_), inputs, keep)], *excluded)


def _number(name: str) -> str:
    """Return the SQL of an input."""
    return name.removeprefix(COMPUTED) if name.startswith(COMPUTED) else f'CAST("{name}" AS DOUBLE)'


def _bars(
    symbols: Sequence[str], piece: Piece, stays: NDArray[np.bool_], inputs: Sequence[str], keep: Iterable[str]
) -> Bars:
    """Return the rows of those symbols that stay."""
    rows, lengths = piece.rows, np.diff(np.append(piece.starts, piece.length))
    if not stays.all():
        rows = {name: values[np.repeat(stays, lengths)] for name, values in rows.items()}
    ends = np.cumsum(lengths[stays])
    return Bars(
        symbols=[symbol for symbol, one_stays in zip(symbols, stays.tolist(), strict=True) if one_stays],
        starts=ends - lengths[stays],
        ends=ends,
        days=rows["date"],
        columns={name: rows[f"{INPUT}{name}"] for name in inputs},
        kept={name: rows[f"kept {name}" if f"kept {name}" in rows else f"{INPUT}{name}"] for name in keep},
    )


def _symbols(
    con: DuckDBPyConnection, src: str, where: str, hashes: Set[int], names: Sequence[str] | None
) -> dict[int, str]:
    """Return the symbols of a table by hash, in order."""
    if names is not None:
        listed = f"SELECT unnest([{', '.join(map(quoted, names))}]::VARCHAR[]) AS symbol"
        by_hash = dict(con.execute(f"SELECT hash(symbol), symbol FROM ({listed}) ORDER BY symbol").fetchall())
        if hashes <= by_hash.keys():
            return {hashed: symbol for hashed, symbol in by_hash.items() if hashed in hashes}
    query = f"SELECT hash(symbol), symbol FROM (SELECT DISTINCT symbol FROM {src} WHERE {where}) ORDER BY symbol"
    pairs = con.execute(query).fetchall()
    if len({hashed for hashed, _ in pairs}) != len(pairs):
        raise ValueError(f"two symbols of {src} have the same hash")
    return dict(pairs)


def _sorted(src: str, by_hash: Mapping[int, str], pieces: Sequence[Piece]) -> Iterator[tuple[list[str], Piece]]:
    """Yield pieces with the names of their symbols, one run per symbol, sorted by symbol and day.

    `by_hash` are the symbols, in order.

    Raises:
        UsageError: a symbol has two rows for a day.
    """
    symbols = list(by_hash.values())
    codes = {hashed: code for code, hashed in enumerate(by_hash)}
    numbers = [np.array([codes[hashed] for hashed in piece.hashes.tolist()], np.int64) for piece in pieces]
    if (np.diff(np.concatenate([*numbers, [len(symbols)]])) > 0).all() and all(map(_is_oldest_first, pieces)):
        for part, piece in zip(numbers, pieces, strict=True):
            yield [symbols[number] for number in part.tolist()], piece
        return
    whole = joined(pieces)
    keys = np.repeat(np.concatenate(numbers), np.diff(np.append(whole.starts, whole.length))) << 32
    keys += whole.rows["date"].astype(np.int64) + (1 << 31)
    order = np.argsort(keys, kind="stable")  # merges parts that are sorted, such as those of two files
    keys = keys[order]
    if (same := np.flatnonzero(keys[1:] == keys[:-1])).size:
        duplicate = symbols[int(keys[same[0]] >> 32)]
        problem = f"{src} has a day of {duplicate} more than once"
        raise UsageError(f"{problem}: an indicator needs one row per symbol and day")
    starts = np.searchsorted(keys, np.arange(len(symbols), dtype=np.int64) << 32)
    yield symbols, Piece(whole.hashes, starts, {name: values[order] for name, values in whole.rows.items()})


def _is_oldest_first(piece: Piece) -> bool:
    """Return whether the rows of each run are in the order of days, with one row per day."""
    days = piece.rows["date"]
    is_later = days[1:] > days[:-1]
    is_later[piece.starts[1:] - 1] = True
    return bool(is_later.all())


def _complete(symbols: Sequence[str], piece: Piece, incomplete: list[str], too_large: list[str]) -> NDArray[np.bool_]:
    """Return which symbols arrays compute, and add the others to one of the lists; see `Market`."""
    is_bar, is_large = piece.rows["is_bar"], piece.rows["is_large"]
    if is_bar.all() and not is_large.any():
        return np.ones(len(symbols), np.bool_)
    is_complete = np.logical_and.reduceat(is_bar, piece.starts)
    has_large = np.logical_or.reduceat(is_bar & is_large, piece.starts)
    incomplete.extend(np.array(symbols)[~is_complete & ~has_large].tolist())
    too_large.extend(np.array(symbols)[has_large].tolist())
    return is_complete & ~has_large
