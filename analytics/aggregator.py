"""Bars as polars frames: all of a lake, or those of one day, a range of days, or some symbols."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from stockstream.analytics.arguments import day_of, lake_of, range_of, symbols_of
from stockstream.analytics.cache import LocalCopies
from stockstream.analytics.session import AsOf, generation_of, known_symbols
from stockstream.pipeline.lake import Lake, no_files, since
from stockstream.sql.session import (
    FileFilter,
    LakeWarning,
    connect,
    explained,
    files_of,
    is_lake,
    no_lake,
    pick_files,
    run_date,
    set_silver,
    set_variable,
    silver_of,
)

Day = date | str


class DataAggregator:
    """Reads the bars of a lake into polars; opens only the files and rows that a call needs.

    Every `load_` method returns a DataFrame with the columns of the view `bars`, sorted by symbol and date. The `scan_`
    method of the same name returns a LazyFrame, for data that does not fit into memory. Days are dates or text of the
    form YYYY-MM-DD.

    `lake` is a folder or s3://bucket/prefix (default `STOCKSTREAM_LAKE`). `cache` is a folder that keeps copies of the
    files of an S3 lake, for development. `as_of` is a generation of `stockstream history` to read instead of the
    newest: its number, or a time in UTC for the newest one published up to then. If there is no lake, a `LakeWarning`
    says so, and the frames are empty.

    Raises:
        LakeError: the lake cannot be listed or read.
        UsageError: there is no such generation, or it was deleted; the lake has no bars of a symbol.
        ArgumentError: a day is not YYYY-MM-DD, a range ends before it starts, or an argument is of the wrong kind.
            It is a UsageError and a ValueError.
    """

    def __init__(
        self, lake: str | Path | None = None, cache: str | Path | None = None, *, as_of: AsOf | None = None
    ) -> None:
        self._lake = Lake(lake_of(lake))
        self._cache = cache
        on_s3 = self._lake.uri.startswith("s3://")
        self._copies = LocalCopies(self._lake, Path(cache).expanduser()) if cache and on_s3 else None
        self._as_of = as_of
        self._generation = generation_of(self._lake.uri, as_of)

    def load_all_data(self, bucket: str | None = None, prefix: str = "") -> pl.DataFrame:
        """Return all bars; with `bucket` those of the lake s3://bucket/prefix."""
        return self._frame(self._all(bucket, prefix))

    def scan_all_data(self, bucket: str | None = None, prefix: str = "") -> pl.LazyFrame:
        """Return all bars, lazily."""
        return self._all(bucket, prefix).pl(lazy=True)

    def load_date(self, day: Day) -> pl.DataFrame:
        """Return the bars of one session; reads only batch files that were written on that day or later."""
        session = day_of("day", day)
        return self.load_date_range(session, session)

    def load_date_range(self, start: Day, end: Day) -> pl.DataFrame:
        """Return the bars from start to end, both included; reads only batch files written since the first day."""
        return self._frame(self._range(start, end))

    def scan_date_range(self, start: Day, end: Day) -> pl.LazyFrame:
        """Return the bars from start to end, both included, lazily."""
        return self._range(start, end).pl(lazy=True)

    def load_symbols(self, symbols: Sequence[str] | str) -> pl.DataFrame:
        """Return all bars of some symbols; reads only the row groups that may contain them.

        A text is a list as after `--symbols`: `IBM` or `IBM,AAPL`. A name in another letter case means the one symbol
        that has it.
        """
        return self._frame(self._symbols(symbols))

    def scan_symbols(self, symbols: Sequence[str] | str) -> pl.LazyFrame:
        """Return all bars of some symbols, lazily."""
        return self._symbols(symbols).pl(lazy=True)

    def merge_daily_batches(self, day: Day) -> pl.DataFrame:
        """Return the merged rows of the batch files of one run, for all sessions that the run fetched.

        `day` is the day of the run.

        Batch files that `vacuum` has archived or removed are not read; the view `raw_bars` has the archived rows.
        """
        run_day = day_of("day", day)
        con = connect(self._lake.uri, file_filter=no_files, generation=self._generation)
        set_silver(con, {})
        set_variable(con, "unconsolidated_files", files_of(con, "raw_files"))
        pick_files(con, self._lake.uri, self._cached(lambda files: (f for f in files if run_date(f) == run_day)))
        return self._frame(con.table("bars").order("symbol, date"))

    def _frame(self, bars: DuckDBPyRelation) -> pl.DataFrame:
        with explained(self._lake.uri):
            return bars.pl()

    def _all(self, bucket: str | None, prefix: str) -> DuckDBPyRelation:
        if bucket is not None:
            # Before version 0.1.0 callers passed the folder of the batch files; the lake is its parent.
            lake = f"s3://{bucket}/{prefix.strip('/').removesuffix('raw-data')}"
            return DataAggregator(lake, self._cache, as_of=self._as_of)._all(None, "")
        return self._connect().table("bars").order("symbol, date")

    def _range(self, start: Day, end: Day) -> DuckDBPyRelation:
        first, last = day_of("start", start), day_of("end", end)
        range_of(first, last)
        bars = self._connect(since(first)).table("bars")
        return bars.filter(f"date BETWEEN DATE '{first}' AND DATE '{last}'").order("symbol, date")

    def _symbols(self, symbols: Sequence[str] | str) -> DuckDBPyRelation:
        names = symbols_of(symbols)
        con = self._connect()
        if is_lake(con):
            names = known_symbols(con, names)
        set_variable(con, "batch_symbols", sorted(names))
        return con.table("bars").filter(_OF_SYMBOLS).order("symbol, date")

    def _connect(self, file_filter: FileFilter = lambda files: files) -> DuckDBPyConnection:
        con = connect(
            self._lake.uri,
            file_filter=self._cached(file_filter),
            generation=self._generation,
            by_pointer=self._copies is None,  # copies have paths, which the pointer does not know
        )
        if not is_lake(con):
            warnings.warn(f"{no_lake(self._lake.uri)}; the frames are empty", LakeWarning, stacklevel=4)
        if self._copies is not None:
            base, delta, restated = silver_of(con, "bars")
            set_silver(con, {"bars": (self._copies.of(base), self._copies.of(delta), restated)})
        return con

    def _cached(self, file_filter: FileFilter) -> FileFilter:
        """Return a filter that replaces the files that `file_filter` selects with local copies, if there is a cache."""
        copies = self._copies
        return file_filter if copies is None else lambda files: copies.of(list(file_filter(files)))


# A condition on the symbols without a sub-query: DuckDB pushes constants through the view's window function into the
# scan, but not a sub-query.
_OF_SYMBOLS = """
    symbol BETWEEN list_min(getvariable('batch_symbols')) AND list_max(getvariable('batch_symbols'))
    AND list_contains(getvariable('batch_symbols'), symbol)
"""
