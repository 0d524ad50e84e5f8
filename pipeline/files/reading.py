"""All files of a source become two sorted Parquet files: the bars, and the cells that could not be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from duckdb import DuckDBPyConnection

from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.files import bars
from stockstream.pipeline.files.conversion import TABLES, Conversion, Rules, symbol_sql
from stockstream.pipeline.files.inputs import Input
from stockstream.pipeline.files.parquet import read_schemas
from stockstream.pipeline.files.staging import Group, Head, Staging, read_heads, unused_columns
from stockstream.pipeline.markets import Market
from stockstream.pipeline.symbols import fault
from stockstream.sql.session import quoted as literal

SAMPLE_FILES = 20
SAMPLE_LINES = 100
MAX_NAMED = 5
"""Files or columns that a note names."""


class Reading:
    """Reads files once; `write` first, then `notes`."""

    def __init__(
        self,
        folder: Path,
        path: str,
        inputs: Sequence[Input],
        is_parquet: bool,
        market: Market,
        today: date,
        columns: Mapping[str, str],
        date_format: str | None,
        decimal: str | None,
    ) -> None:
        self._folder = folder
        self._path = path
        self._inputs = inputs
        self._is_parquet = is_parquet
        self._columns = columns
        self._rules = Rules(market, today, date_format, decimal)
        self._bad: dict[int, str] = {}
        self._unused: dict[str, int] = {}
        self._notes: list[str] = []

    def write(self, prices: bars.Prices, aggregate: bool, derive_actions: bool) -> dict[str, str]:
        """Write bars.parquet, cells.parquet and files.parquet; return the reason per symbol that has no bars.

        Raises:
            UsageError: no file can be read, nothing can be read of a column, or a person must declare something.
        """
        database = self._folder / "bars.duckdb"
        with duckdb.connect(str(database)) as con:
            con.execute("SET preserve_insertion_order = false")
            con.execute(TABLES)
            conversion = Conversion(con, self._inputs, self._rules)
            for group in self._groups(con, conversion):
                conversion.convert(group)
            bars.merge_action_rows(con)
            self._set_aside_unusable(con)
            if note := bars.one_bar_per_day(con, self._inputs, aggregate):
                self._notes.append(note)
            missing = self._missing(con)
            bars.refuse_unknown_basis(con, prices, self._path)
            bars.set_price_basis(con, prices)
            if prices.total_return:
                bars.undo_dividends(con)
            if derive_actions:
                self._notes += filter(None, [bars.derive_actions(con)])
            self._copy(con)
        database.unlink()
        return missing

    def notes(self, skipped: Sequence[str]) -> list[str]:
        """Return what a person should know about the files."""
        notes = list(self._notes)
        if skipped:
            notes.append(
                f"{len(skipped):,} files are not read, as their names do not end as those of bars: {_few(skipped)}"
            )
        if self._unused:
            notes.append(
                f"columns that are not used: {_few([self._with_count(*item) for item in self._unused.items()])}"
            )
        return notes

    def _with_count(self, name: str, files: int) -> str:
        return name if files == len(self._inputs) else f"{name} (in {files:,} of {len(self._inputs):,} files)"

    def _groups(self, con: DuckDBPyConnection, conversion: Conversion) -> list[Group]:
        if self._is_parquet:
            groups, self._bad, self._unused = read_schemas(con, self._inputs, self._columns)
            self._refuse_nothing(groups)
            self._refuse_unused_mapping([name for group in groups for name in group.names.values()])
            return groups
        heads, self._bad = read_heads(self._inputs, self._columns)
        self._refuse_nothing(heads)
        if not any(head.layout.blocks for head in heads):  # in a wide table nothing has to be mapped
            self._refuse_unused_mapping([name for head in heads for name in head.layout.names])
        self._unused = unused_columns(heads)
        for group in Staging(self._folder / "sample", SAMPLE_LINES).stage(_sample(heads)):
            conversion.refuse_unreadable(group)
        staging = Staging(self._folder / "text")
        groups = staging.stage(heads)
        if staging.not_utf8:
            self._notes.append(f"not UTF-8, read as Windows-1252: {_few(staging.not_utf8)}")
        if staging.unread:
            unread = pa.table(
                {
                    "text": [row.text for row in staging.unread],
                    "reason": [row.reason for row in staging.unread],
                    "file": [row.file for row in staging.unread],
                    "line": [row.line for row in staging.unread],
                }
            )
            con.register("unread", unread).execute("INSERT INTO cells BY NAME FROM unread")
        return groups

    def _refuse_nothing(self, readable: Sequence[object]) -> None:
        if not readable:
            file, reason = next(iter(self._bad.items()))
            raise UsageError(f"{self._inputs[file].name} {reason}")

    def _refuse_unused_mapping(self, names: Sequence[str]) -> None:
        """Refuse `--column close=Last` where no file has a column Last."""
        for ours, name in self._columns.items():
            if name and name not in names:
                raise UsageError(f"--column {ours}={name}: {self._path} has {', '.join(dict.fromkeys(names))}")

    def _set_aside_unusable(self, con: DuckDBPyConnection) -> None:
        """Move the rows whose text cannot be a symbol from the bars to the cells."""
        symbols = con.execute("SELECT symbol FROM bars_of_files UNION SELECT symbol FROM cells").fetchall()
        for symbol, reason in [(symbol, fault(symbol)) for (symbol,) in symbols if symbol]:
            if reason:
                values = {"symbol": symbol, "reason": f"no symbol: {reason}"}
                con.execute(
                    "INSERT INTO cells SELECT NULL, date, 'symbol', symbol, $reason, file, line FROM bars_of_files"
                    " WHERE symbol = $symbol",
                    values,
                )
                con.execute("DELETE FROM bars_of_files WHERE symbol = $symbol", {"symbol": symbol})
                con.execute("UPDATE cells SET symbol = NULL WHERE symbol = $symbol", {"symbol": symbol})

    def _missing(self, con: DuckDBPyConnection) -> dict[str, str]:
        """Return the reason per file and symbol without a bar.

        Raises:
            UsageError: there is no bar at all.
        """
        first = "SELECT symbol, file, line, text, reason FROM cells ORDER BY file, line"
        unread = con.execute(f"SELECT * FROM ({first}) QUALIFY row_number() OVER (PARTITION BY file ORDER BY line) = 1")
        by_file = {file: f"line {line}: {text!r}: {reason}" for _, file, line, text, reason in unread.fetchall()}
        if con.execute("SELECT count(*) FROM bars_of_files").fetchall() == [(0,)]:
            reason = next(iter([*self._bad.values(), *by_file.values()]), "it has no rows")
            raise UsageError(f"{self._path} has no row with a date that can be read: {reason}")
        with_rows = {row[0] for row in con.execute("SELECT DISTINCT file FROM bars_of_files").fetchall()}
        with_bars = {row[0] for row in con.execute("SELECT DISTINCT symbol FROM bars_of_files").fetchall()}
        missing: dict[str, str] = {}
        for number, source in enumerate(self._inputs):
            if number not in with_rows:
                reason = self._bad.get(number) or f"has no row that can be read ({by_file.get(number, 'no rows')})"
                symbol = self._symbol(con, source.stem)
                if unusable := fault(symbol):
                    if number not in by_file:
                        cell = {"text": source.stem, "reason": f"{reason}; no symbol: {unusable}", "file": number}
                        con.execute(
                            "INSERT INTO cells BY NAME SELECT $text AS text, $reason AS reason, $file AS file", cell
                        )
                elif symbol not in with_bars:
                    missing[symbol] = f"{source.name} {reason}"
                else:
                    self._notes.append(f"{source.name} {reason}")
        lost = con.execute(
            "SELECT symbol, file, line, text, reason FROM cells WHERE symbol IS NOT NULL"
            " AND symbol NOT IN (SELECT symbol FROM bars_of_files)"
            " QUALIFY row_number() OVER (PARTITION BY symbol ORDER BY file, line) = 1"
        )
        for symbol, file, line, text, reason in lost.fetchall():
            missing.setdefault(symbol, f"{self._inputs[file].name}: line {line}: {text!r}: {reason}")
        return missing

    def _symbol(self, con: DuckDBPyConnection, stem: str) -> str:
        query = f"SELECT {symbol_sql('$stem', self._rules.market)}"
        return str(con.execute(query, {"stem": stem}).fetchall()[0][0])

    def _copy(self, con: DuckDBPyConnection) -> None:
        columns = "symbol, date, open, high, low, close, volume, adjusted_close, dividend, split_ratio, price_basis"
        for query, name in (
            (f"SELECT {columns}, file, line FROM bars_of_files ORDER BY symbol, date, file, line", "bars"),
            ("FROM cells ORDER BY symbol, date, file, line", "cells"),
        ):
            path = literal(str(self._folder / f"{name}.parquet"))
            con.execute(f"COPY ({query}) TO {path} (FORMAT parquet, ROW_GROUP_SIZE 20480)")
        names = [source.name for source in self._inputs]
        files = pa.table({"file": pa.array(range(len(names)), pa.int32()), "name": pa.array(names, pa.string())})
        pq.write_table(files, self._folder / "files.parquet")


def _sample(heads: Sequence[Head]) -> list[Head]:
    """Return the first files of each layout."""
    seen: Counter[object] = Counter()
    chosen = []
    for head in heads:
        seen[head.layout] += 1
        if seen[head.layout] <= SAMPLE_FILES:
            chosen.append(head)
    return chosen


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMED:,} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more
