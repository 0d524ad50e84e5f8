"""The two sides of a reconciliation: a lake, or a source of bars. Each writes its rows of a batch to a local file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.pipeline.errors import SourceError
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.sources.base import Answer, Source, Window
from stockstream.sql.loader import load
from stockstream.sql.session import explained, quoted, set_variable

ROWS = "steps/reconcile_rows"
FIRST_DAY, LAST_DAY = date(1, 1, 1), date(9999, 12, 31)
"""A range that contains all bars."""


@dataclass(frozen=True)
class Days:
    """The days that are compared, both included."""

    first: date = FIRST_DAY
    last: date = LAST_DAY


@dataclass
class Losses:
    """What a side could not deliver, for the report."""

    failed: dict[str, str] = field(default_factory=dict)
    """Reason per symbol."""
    cells: list[str] = field(default_factory=list)
    """Values that could not be read, in words: the first ones."""
    number_of_cells: int = 0


class Side(ABC):
    """One side of a reconciliation; use it with `with`."""

    name: str
    """The name under which the result is stored."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

    @abstractmethod
    def symbols(self) -> list[str]:
        """Return all symbols that the side lists; empty if it is only asked about the symbols of the other side."""

    @abstractmethod
    def write(self, symbols: Sequence[str], starts: Mapping[str, date], days: Days, path: Path) -> Losses:
        """Write the rows of a sorted batch of symbols to a Parquet file, with the columns of `reconcile_rows`.

        `starts` has the first bar of the other side per symbol that has one.

        Raises:
            LakeError: the lake cannot be read.
        """


class LakeSide(Side):
    """The bars of a lake, through a session of its own.

    Raises:
        LakeError: the lake cannot be listed.
    """

    def __init__(self, lake: Lake) -> None:
        self.name = lake.uri
        self._con = lake.session(None, ROWS)

    def close(self) -> None:
        """Close the session."""
        self._con.close()

    def symbols(self) -> list[str]:
        """Return the symbols that have bars, sorted."""
        with explained(self.name):
            rows = self._con.execute("SELECT DISTINCT symbol FROM latest_bars WHERE close IS NOT NULL ORDER BY symbol")
            return [symbol for (symbol,) in rows.fetchall()]

    def write(self, symbols: Sequence[str], starts: Mapping[str, date], days: Days, path: Path) -> Losses:
        """Write the lake's rows of the symbols."""
        set_variable(self._con, "batch_symbols", symbols)
        set_variable(self._con, "first_day", days.first)
        set_variable(self._con, "last_day", days.last)
        with explained(self.name):
            self._con.execute(f"COPY ({load(ROWS).text}) TO {quoted(str(path))} (FORMAT parquet)")
        return Losses()


class SourceSide(Side):
    """The bars of a source, which are fetched and not stored in the lake."""

    def __init__(self, source: Source, name: str) -> None:
        self.name = name
        self._source = source
        self._listed = set(self.symbols())

    def close(self) -> None:
        """Do nothing: each batch has a connection of its own."""

    def symbols(self) -> list[str]:
        """Return the symbols of files of a person; a vendor lists a whole market, of which the lake may hold a part."""
        listings = self._source.listings() if self._source.basis_is_declared else None
        return sorted({company.symbol for company in listings.companies()}) if listings else []

    def notes(self) -> list[str]:
        """Return the notes of the source about its answers so far."""
        return self._source.notes()

    def write(self, symbols: Sequence[str], starts: Mapping[str, date], days: Days, path: Path) -> Losses:
        """Fetch the symbols and write their rows; a vendor is asked from the lake's first bar of each symbol on."""
        earliest = min(starts.values(), default=days.first)
        first_days = {symbol: max(days.first, starts.get(symbol, earliest)) for symbol in symbols}
        is_whole = self._source.basis_is_declared
        windows = [Window(one, days.first if is_whole else start, days.last) for one, start in first_days.items()]
        with duckdb.connect() as con:
            con.execute(load("schema/raw").text)
            con.execute("CREATE TEMP TABLE windows (symbol VARCHAR, start_date DATE, end_date DATE)")
            values = ", ".join(f"({quoted(w.symbol)}, DATE '{w.start}', DATE '{w.end}')" for w in windows)
            con.execute(f"INSERT INTO windows VALUES {values}")
            losses = self._fetch(con, windows)
            con.execute(
                "COPY (SELECT r.symbol, date, open, high, low, close, volume, dividend, split_ratio, price_basis"
                " FROM raw AS r JOIN windows AS w ON w.symbol = r.symbol AND ("
                "r.date BETWEEN w.start_date AND w.end_date OR coalesce(r.split_ratio, 1.0) <> 1.0))"
                f" TO {quoted(str(path))} (FORMAT parquet)"
            )
        return losses

    def _fetch(self, con: DuckDBPyConnection, windows: Sequence[Window]) -> Losses:
        """Insert the answers into the table `raw`."""
        unanswered = {window.symbol for window in windows}
        losses = Losses()
        reason = f"{self._source.name} did not answer"
        try:
            for answer in self._source.fetch(con, windows):
                _insert(answer, con)
                _add_cells(losses, answer)
                losses.failed |= answer.failed
                unanswered -= {*answer.symbols, *answer.failed}
        except SourceError as error:  # rate limited, the key is refused: what was answered is compared
            reason = str(error)
        losses.failed |= dict.fromkeys(unanswered, reason)
        if self._source.basis_is_declared:  # a symbol that the files do not list is missing there, which is a finding
            losses.failed = {symbol: why for symbol, why in losses.failed.items() if symbol in self._listed}
        return losses


def _insert(answer: Answer, con: DuckDBPyConnection) -> None:
    if answer.bars is not None:
        stored = {name for name, *_ in con.execute("DESCRIBE raw").fetchall()}
        names = ", ".join(name for name in answer.bars.columns if name in stored)
        answer.bars.query("answer", f"INSERT INTO raw BY NAME SELECT {names} FROM answer")


def _add_cells(losses: Losses, answer: Answer) -> None:
    if answer.cells is not None:
        rows = answer.cells.fetchall()
        losses.number_of_cells += len(rows)
        described = (" ".join(str(value) for value in row if value is not None) for row in rows[:3])
        losses.cells = [*losses.cells, *described][:3]
