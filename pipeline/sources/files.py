"""`files:PATH`: your own CSV or Parquet file, or a folder of such files."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import duckdb
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from stockstream.pipeline.configuration import Settings
from stockstream.pipeline.files import columns as names_of
from stockstream.pipeline.files.bars import parse_prices
from stockstream.pipeline.files.dates import checked_order
from stockstream.pipeline.files.inputs import inputs_of
from stockstream.pipeline.files.numbers import refuse_unknown_decimal
from stockstream.pipeline.listings.base import Company, ListingsSource
from stockstream.pipeline.markets import Market
from stockstream.pipeline.sources.base import Answer, Source, Window
from stockstream.sql.session import quoted as literal


class FilesSource(Source):
    """A file or folder of bars, read once into a table sorted by symbol.

    `prices` declares what the prices are: `as-traded`, `adjusted` for splits up to the newest bar in the files,
    `adjusted:YYYY-MM-DD` up to that day, or `total-return` for splits and dividends. `columns` maps our column names to
    the files' names where these are not usual; an empty name leaves a column out. Without a column of symbols, the name
    of each file is its symbol; the market's suffix is removed. `derive_actions` derives dividends (and splits, if
    prices are as traded) from the adjusted close. `date_format` and `decimal` declare the styles that the data leave
    open. `aggregate` makes daily bars of the bars of parts of a day.

    Raises:
        UsageError: the file does not exist, cannot be read, or has no column of dates or closes.
    """

    name = "files"
    basis_is_declared = True
    concurrency = os.cpu_count() or 1  # bound by the processors, not by a network

    def __init__(
        self,
        path: str,
        market: Market,
        prices: str | None = None,
        columns: Mapping[str, str] | None = None,
        derive_actions: bool = False,
        date_format: str | None = None,
        decimal: str | None = None,
        aggregate: bool = False,
    ) -> None:
        self._inputs, self._is_parquet, self._skipped = inputs_of(path)
        self._path = path
        self._prices = parse_prices(prices)
        self._columns = dict(columns or {})
        names_of.refuse_unknown(self._columns)
        checked_order(date_format)
        refuse_unknown_decimal(decimal)
        self._market = market
        self._derive_actions = derive_actions
        self._date_format = date_format
        self._decimal = decimal
        self._aggregate = aggregate
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="stockstream-files-")
        self._tables: Path | None = None
        self._bad: dict[str, str] = {}
        self._notes: list[str] = []
        self._has_answered = False

    @classmethod
    def open(cls, argument: str, market: Market, settings: Settings, **options: Any) -> Self:
        """Return the source of the files at a path; the options are the parameters of the class."""
        return cls(argument, market, **options)

    def fetch(self, con: DuckDBPyConnection, windows: Sequence[Window]) -> Iterator[Answer]:
        """Answer all windows at once with the files' rows of these symbols.

        The first answer also has the cells without a symbol.
        """
        tables = self._read()
        with self._lock:
            is_first, self._has_answered = not self._has_answered, True
        symbols = [window.symbol for window in windows]
        constants = ", ".join(map(literal, symbols))  # so that the row groups of other symbols are not read
        bars = self._placed(
            con,
            tables / "bars.parquet",
            "symbol, date, open, high, low, close, volume, adjusted_close, dividend, split_ratio, price_basis",
            f"symbol BETWEEN {literal(min(symbols))} AND {literal(max(symbols))} AND symbol IN ({constants})",
        )
        cells = self._placed(
            con,
            tables / "cells.parquet",
            "symbol, date, column_name, text, reason",
            f"symbol IN ({constants})" + (" OR symbol IS NULL" if is_first else ""),
        )
        answered = {row[0] for row in bars.project("symbol").distinct().fetchall()}
        failed = {s: self._bad.get(s, f"not in {self._path}") for s in symbols if s not in answered}
        yield Answer(tuple(answered), bars, failed, cells)

    def listings(self) -> ListingsSource:
        """Return the symbols of the files."""
        return _FilesListings(self)

    def notes(self) -> list[str]:
        """Return which files and columns are not used, and how the files were understood where that may surprise."""
        return list(self._notes)

    def symbols(self) -> list[str]:
        """Return every symbol that has bars in the files or names an unreadable file, sorted."""
        path = self._read() / "bars.parquet"
        with duckdb.connect() as con:
            rows = con.execute("SELECT DISTINCT symbol FROM read_parquet($path)", {"path": str(path)}).fetchall()
        return sorted({row[0] for row in rows} | set(self._bad))

    def _read(self) -> Path:
        """Return the folder with the bars and the unread cells of all files; write them once."""
        from stockstream.pipeline.files.reading import Reading  # imports pyarrow, which a Lambda does not have

        with self._lock:
            if self._tables is None:
                reading = Reading(
                    Path(self._folder.name),
                    self._path,
                    self._inputs,
                    self._is_parquet,
                    self._market,
                    self._market.today(datetime.now(UTC)),
                    self._columns,
                    self._date_format,
                    self._decimal,
                )
                self._bad = reading.write(self._prices, self._aggregate, self._derive_actions)
                self._notes = reading.notes(self._skipped)
                self._tables = Path(self._folder.name)
            return self._tables

    def _placed(self, con: DuckDBPyConnection, path: Path, columns: str, condition: str) -> DuckDBPyRelation:
        """Return rows of a table with the name of their file."""
        names = literal(str(path.with_name("files.parquet")))
        return con.sql(
            f"SELECT {columns}, n.name AS file, line FROM read_parquet({literal(str(path))}) AS t"
            f" LEFT JOIN read_parquet({names}) AS n USING (file) WHERE {condition}"
        )


class _FilesListings:
    name = "files"

    def __init__(self, source: FilesSource) -> None:
        self._source = source

    def companies(self) -> list[Company]:
        return [Company(symbol) for symbol in self._source.symbols()]
