"""The bars of a backtest, streamed session by session: a block of rows is in memory at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from stockstream.analytics.backtest.feed.arrow import joined, numbers, read, write
from stockstream.sql.errors import UsageError

EPOCH = date(1970, 1, 1).toordinal()
PRICES = ("open", "high", "low", "close", "volume")
"""What each row has of its bar. None is ever NULL: a price that is not known is the close, a volume 0."""
ACTIONS = ("dividend", "split_ratio")
"""What each row has where splits and dividends are credited."""


class Rows(Protocol):
    """Where rows come from: anew for each run."""

    def __call__(self) -> Iterable[pa.RecordBatch]:
        """Give rows by date and symbol: date, symbol, `PRICES`, maybe `ACTIONS`, and what a strategy looks at."""


@dataclass(frozen=True)
class Feed:
    """The bars of a run."""

    rows: Rows
    names: tuple[str, ...]
    """The columns that a strategy sees."""
    symbols: tuple[str, ...]
    """All that have a bar."""
    sessions: int
    delisted: Mapping[str, date] = field(default_factory=dict)
    """Of the symbols that are gone for good, the last bar's day."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """What else a column is called, such as `sma(20)` for `sma_20`."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Which indicators' SQL made the columns."""

    def blocks(self, start: date | None = None, end: date | None = None) -> Iterator[Block]:
        """Give the rows in blocks of whole sessions, of a range of days if one is asked for."""
        rest: list[pa.RecordBatch] = []
        for batch in self.rows():
            days = numbers(batch, "date")
            if (start and days[-1] < _day(start)) or (end and days[0] > _day(end)):
                continue
            last = int(np.searchsorted(days, days[-1]))  # the last session may go on in the next batch
            if last:
                yield from self._block([*rest, batch.slice(0, last)], start, end)
                rest = []
            rest.append(batch.slice(last))
        if rest:
            yield from self._block(rest, start, end)

    def _block(self, parts: list[pa.RecordBatch], start: date | None, end: date | None) -> Iterator[Block]:
        rows = joined(parts)
        days = numbers(rows, "date")
        first = int(np.searchsorted(days, _day(start))) if start else 0
        last = int(np.searchsorted(days, _day(end), side="right")) if end else len(days)
        if last > first:
            yield Block(rows.slice(first, last - first), self.aliases)

    def stored(self, path: Path) -> Feed:
        """Give the same feed from a file that many runs and processes can read; writes it."""
        write(self.rows(), path)
        return replace(self, rows=partial(read, path))


class Block:
    """Rows of whole sessions, by date and symbol."""

    def __init__(self, rows: pa.RecordBatch, aliases: Mapping[str, str]) -> None:
        days = numbers(rows, "date")
        starts = np.flatnonzero(np.diff(days, prepend=days[0] - 1))
        self.dates = [date.fromordinal(EPOCH + day) for day in days[starts].tolist()]
        self.bounds: list[int] = [*starts.tolist(), len(days)]
        """The session dates[n] has the rows from bounds[n] up to bounds[n + 1]."""
        names = rows.column("symbol").dictionary_encode()
        known = [sys.intern(name) for name in names.dictionary.to_pylist()]
        codes = np.frombuffer(names.indices.buffers()[1], np.int32, len(names))
        self.symbols = [known[code] for code in codes.tolist()]
        if (twice := np.flatnonzero((np.diff(codes) == 0) & (np.diff(days) == 0))).size:
            day = date.fromordinal(EPOCH + int(days[twice[0]]))
            raise UsageError(f"there is more than one row of {self.symbols[twice[0]]} on {day}: one is needed")
        self.close: list[float] = numbers(rows, "close").tolist()
        self.columns = Columns(rows, aliases)
        self.prices = {name: numbers(rows, name) for name in PRICES}
        self.actions: list[int] = []
        """The rows of ex-dates."""
        if "split_ratio" in rows.schema.names:
            self.prices |= {name: numbers(rows, name) for name in ACTIONS}
            is_action = (self.prices["dividend"] != 0) | (self.prices["split_ratio"] != 1)
            self.actions = np.flatnonzero(is_action).tolist()


class Columns(dict[str, list[Any]]):
    """The columns of rows as lists, None where SQL has NULL, each made when it is asked for first."""

    __slots__ = ("_aliases", "_rows")

    def __init__(self, rows: pa.RecordBatch, aliases: Mapping[str, str]) -> None:
        super().__init__()
        self._rows = rows
        self._aliases = aliases

    def __missing__(self, name: str) -> list[Any]:
        column = self[name] = self._list(self._aliases.get(name, name))
        return column

    def _list(self, name: str) -> list[Any]:
        array = self._rows.column(name)
        if not (pa.types.is_floating(array.type) or pa.types.is_integer(array.type)):
            return array.to_pylist()  # type: ignore[no-any-return]
        values: list[Any] = numbers(self._rows, name).tolist()
        if array.null_count:
            bits = np.unpackbits(np.frombuffer(array.buffers()[0], np.uint8), bitorder="little")
            for row in np.flatnonzero(bits[array.offset : array.offset + len(array)] == 0).tolist():
                values[row] = None
        return values


def _day(day: date) -> int:
    return day.toordinal() - EPOCH
