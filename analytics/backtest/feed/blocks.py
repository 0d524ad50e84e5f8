"""The bars of a run, streamed session by session: only one block of rows is in memory at a time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stockstream.analytics.backtest.feed.arrow import (
    concatenate,
    numbers,
    read,
    read_all,
    symbols_of,
    write,
    write_split,
)
from stockstream.analytics.backtest.feed.universe import LISTED_SYMBOLS, Universe
from stockstream.sql.errors import UsageError

if TYPE_CHECKING:
    from stockstream.analytics.backtest.feed.events import LooseAction, Rename

EPOCH = date(1970, 1, 1).toordinal()
PRICES = ("open", "high", "low", "close", "volume")
"""The columns of the bar in each row. Prices are never NULL, as an unknown price is the close; an unknown volume is."""
ACTIONS = ("dividend", "split_ratio")
"""Further columns of each row, if splits and dividends are credited to positions."""
SHARES = ("_shares", "_volume")
"""Further columns of each row, if prices are adjusted: the shares of the day that one adjusted share stands for (those
that dividends have bought included), and the volume in adjusted shares."""


class Unit(NamedTuple):
    """The exponents of a column's unit, price ** prices × volume ** volumes: (1, 0) is a price, (0, 0) a ratio."""

    prices: int
    volumes: int


class Rows(Protocol):
    """The source of the rows, which can be read again for each run."""

    def __call__(self) -> Iterable[pa.RecordBatch]:
        """Return the rows, ordered by date and symbol.

        Columns: date, symbol (perhaps a dictionary), `PRICES`, `ACTIONS` if they are credited to positions, `SHARES` if
        prices are adjusted, and the strategy's columns.
        """


@dataclass(frozen=True)
class Feed:
    """The bars of a run."""

    rows: Rows
    names: tuple[str, ...]
    """The columns that a strategy sees."""
    symbols: tuple[str, ...]
    """All symbols that have a bar in the range."""
    sessions: int
    """Number of sessions in the range."""
    silent: Mapping[str, int] = field(default_factory=dict)
    """Number of sessions after the last bar, also those in which none of `symbols` has a bar; per symbol, if any."""
    delistings: Mapping[str, Sequence[date]] = field(default_factory=dict)
    """Last days of the listings per symbol that was taken off the exchange, in order."""
    calendar: Callable[[], Sequence[date]] = tuple
    """Returns the sessions of the exchange, in order; called before the rows are read."""
    renames: Sequence[Rename] = ()
    """Changes of the codes of symbols, in order."""
    loose_actions: Sequence[LooseAction] = ()
    """Splits and dividends to credit on days without a close, in order."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Column per alternative name, such as `sma_20` for `sma(20)`."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """SQL macro (the indicator's name with its version, such as `sma_v1`) per column."""
    units: Mapping[str, Unit | None] = field(default_factory=dict)
    """Unit per column, if it was measured: see `units.units_of`."""
    universe: Universe | None = None
    """The symbols listed per day, if the strategy has a column of them."""

    def blocks(self, start: date | None = None, end: date | None = None) -> Iterator[Block]:
        """Yield the rows in blocks of whole sessions; `start` and `end` (inclusive) restrict the range.

        Raises:
            UsageError: there is more than one row per symbol and day.
        """
        pending: list[pa.RecordBatch] = []
        for batch in self.rows():
            days = numbers(batch, "date")
            if (start and days[-1] < _day(start)) or (end and days[0] > _day(end)):
                continue
            last = int(np.searchsorted(days, days[-1]))  # the last session may continue in the next batch
            if last:
                yield from self._block([*pending, batch.slice(0, last)], start, end)
                pending = []
            pending.append(batch.slice(last))
        if pending:
            yield from self._block(pending, start, end)

    def _block(self, parts: list[pa.RecordBatch], start: date | None, end: date | None) -> Iterator[Block]:
        rows = concatenate(parts)
        days = numbers(rows, "date")
        first = int(np.searchsorted(days, _day(start))) if start else 0
        last = int(np.searchsorted(days, _day(end), side="right")) if end else len(days)
        if last > first:
            yield Block(rows.slice(first, last - first), self.aliases, self.universe)

    def save(self, path: Path) -> Feed:
        """Write the rows to a file, and return a feed that reads them from it; other processes can share it."""
        write(self.rows(), path)
        return replace(self, rows=partial(read, path), calendar=partial(tuple, self.calendar()))

    def save_until(self, days: Sequence[date], folder: Path) -> list[Path]:
        """Write the rows to files: those up to each of some days, in order and after the day before, then the rest."""
        paths = [folder / f"rows-{number}.arrow" for number in range(len(days) + 1)]
        write_split(self.rows(), [_day(day) for day in days], paths)
        return paths

    def read_from(self, paths: Sequence[Path]) -> Feed:
        """Return a feed of the same columns that reads files of `save_until`."""
        return replace(self, rows=partial(read_all, paths))


class Block:
    """Rows of one or more whole sessions, ordered by date and symbol."""

    def __init__(self, rows: pa.RecordBatch, aliases: Mapping[str, str], universe: Universe | None = None) -> None:
        days = numbers(rows, "date")
        starts = np.flatnonzero(np.diff(days, prepend=days[0] - 1))
        self.dates = [date.fromordinal(EPOCH + day) for day in days[starts].tolist()]
        self.bounds: list[int] = [*starts.tolist(), len(days)]
        """The rows of the session `dates[n]` are bounds[n] to bounds[n + 1] - 1."""
        names, codes = symbols_of(rows)
        self.symbols: list[str] = np.array([sys.intern(name) for name in names], object)[codes].tolist()
        if (duplicates := np.flatnonzero((np.diff(codes) == 0) & (np.diff(days) == 0))).size:
            day = date.fromordinal(EPOCH + int(days[duplicates[0]]))
            symbol = self.symbols[duplicates[0]]
            raise UsageError(f"there is more than one row of {symbol} on {day}: the bars must have one per day")
        self.close: list[float] = numbers(rows, "close").tolist()
        self.columns = Columns(rows, aliases)
        if universe is not None:
            self.columns[LISTED_SYMBOLS] = universe.column(days)
        self.prices = {name: numbers(rows, name) for name in PRICES}
        self.shares: list[float] | None = None
        """Shares of the day per adjusted share; None if prices are those of the day."""
        volume = "volume"
        if SHARES[0] in rows.schema.names:
            self.shares, volume = numbers(rows, SHARES[0]).tolist(), SHARES[1]
        self.prices["volume"] = np.where(_is_null(rows.column(volume)), np.nan, numbers(rows, volume))
        self.actions: list[int] = []
        """Numbers of the rows that have a split or a dividend."""
        if "split_ratio" in rows.schema.names:
            self.prices |= {name: numbers(rows, name) for name in ACTIONS}
            is_action = (self.prices["dividend"] != 0) | (self.prices["split_ratio"] != 1)
            self.actions = np.flatnonzero(is_action).tolist()


class Columns(dict[str, Sequence[Any]]):
    """The columns of a block by name, as lists with None for NULL; a column is converted at its first use."""

    __slots__ = ("_aliases", "_rows")

    def __init__(self, rows: pa.RecordBatch, aliases: Mapping[str, str]) -> None:
        super().__init__()
        self._rows = rows
        self._aliases = aliases

    def __missing__(self, name: str) -> Sequence[Any]:
        column = self[name] = self._list(self._aliases.get(name, name))
        return column

    def flags(self, name: str) -> NDArray[np.int8]:
        """Return the column of a condition as an array."""
        return numbers(self._rows, name)

    def _list(self, name: str) -> Sequence[Any]:
        array = self._rows.column(name)
        if pa.types.is_list(array.type) and pa.types.is_floating(array.type.value_type):
            return Histories(array)
        if not (pa.types.is_floating(array.type) or pa.types.is_integer(array.type)):
            return array.to_pylist()  # type: ignore[no-any-return]
        values: list[Any] = numbers(self._rows, name).tolist()
        if array.null_count:
            for row in np.flatnonzero(_is_null(array)).tolist():
                values[row] = None
        return values


class Histories(Sequence[Any]):
    """The arrays of a column of lists: numpy arrays, oldest value first, with NaN for NULL, each made at its use."""

    def __init__(self, array: pa.Array) -> None:
        values = array.values
        self._values = np.frombuffer(values.buffers()[1], values.type.to_pandas_dtype(), len(values) + values.offset)
        self._values = self._values[values.offset :]
        if values.null_count:
            self._values = np.where(_is_null(values), np.nan, self._values)
        self._bounds = array.offsets.to_numpy()

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def __getitem__(self, row: Any) -> Any:
        """Return the array of a row, which cannot be changed."""
        part = self._values[self._bounds[row] : self._bounds[row + 1]]
        part.flags.writeable = False
        return part


def _is_null(array: pa.Array) -> NDArray[np.bool_]:
    """Return which values are NULL: a boolean per row."""
    if not array.null_count:
        return np.zeros(len(array), bool)
    bits = np.unpackbits(np.frombuffer(array.buffers()[0], np.uint8), bitorder="little")
    return np.equal(bits[array.offset : array.offset + len(array)], 0)


def _day(day: date) -> int:
    return day.toordinal() - EPOCH
