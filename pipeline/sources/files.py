"""`files:PATH`: your own CSV or Parquet file, or a folder of such files."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Self

import duckdb
from duckdb import DuckDBPyConnection, DuckDBPyRelation, SQLExpression

from stockstream.pipeline.configuration import Settings
from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.listings.base import Company, ListingsSource
from stockstream.pipeline.markets import Market
from stockstream.pipeline.sources.base import Answer, Source, Window
from stockstream.sql.loader import load
from stockstream.sql.session import quoted as literal

SYNONYMS: dict[str, tuple[str, ...]] = {
    "symbol": ("symbol", "ticker", "code", "asxcode", "name"),
    "date": ("date", "datetime", "timestamp", "time", "day", "session", "column0", ""),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c", "last"),
    "volume": ("volume", "vol", "v"),
    "adjusted_close": ("adjustedclose", "adjclose", "closeadj"),
    "dividend": ("dividend", "dividends", "exdividend", "divcash"),
    "split_ratio": ("splitratio", "stocksplits", "split", "splits", "splitfactor"),
}
"""Usual names per column, in lower case without blanks, dots, hyphens and underscores."""
_TYPES = {"symbol": "VARCHAR", "date": "DATE", "volume": "BIGINT"}
_KINDS = {".csv": "csv", ".gz": "csv", ".txt": "csv", ".tsv": "csv", ".parquet": "parquet", ".pq": "parquet"}


class FilesSource(Source):
    """A file or folder of bars, read once into a table sorted by symbol.

    `prices` declares what the prices are: `as-traded`, or `adjusted` for splits up to the newest bar in the files, or
    `adjusted:YYYY-MM-DD` up to that day. `columns` maps our column names to the files' names where `SYNONYMS` lacks
    these. Without a column of symbols, the name of each file is its symbol; Yahoo's suffix is removed.
    `derive_actions` derives dividends (and splits, if prices are as traded) from the adjusted close.

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
        prices: str = "adjusted",
        columns: Mapping[str, str] | None = None,
        derive_actions: bool = False,
    ) -> None:
        self._files, self._kind = _files(path)
        self._path = path
        self._as_traded, self._basis = _basis(prices)
        self._columns = dict(columns or {})
        if unknown := set(self._columns) - set(SYNONYMS):
            raise UsageError(f"--column {unknown.pop()}=...: there are {', '.join(SYNONYMS)}")
        self._market = market
        self._derive_actions = derive_actions
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="stockstream-files-")
        self._table: Path | None = None
        self._bad: dict[str, str] = {}

    @classmethod
    def open(cls, argument: str, market: Market, settings: Settings, **options: Any) -> Self:
        """Return the source of the files at a path; options: prices, columns, derive_actions."""
        return cls(argument, market, **options)

    def fetch(self, con: DuckDBPyConnection, windows: Sequence[Window]) -> Iterator[Answer]:
        """Answer all windows at once with the files' rows of these symbols."""
        symbols = [window.symbol for window in windows]
        constants = ", ".join(map(literal, symbols))  # so that the row groups of other symbols are not read
        bars = con.sql(
            "SELECT symbol, date, open, high, low, close, volume, adjusted_close, dividend, split_ratio, price_basis"
            f" FROM read_parquet({literal(str(self._read()))})"
            f" WHERE symbol BETWEEN {literal(min(symbols))} AND {literal(max(symbols))} AND symbol IN ({constants})"
        )
        answered = {row[0] for row in bars.project("symbol").distinct().fetchall()}
        failed = {s: self._bad.get(s, f"not in {self._path}") for s in symbols if s not in answered}
        yield Answer(tuple(answered), bars, failed)

    def listings(self) -> ListingsSource:
        """Return the symbols of the files."""
        return _FilesListings(self)

    def symbols(self) -> list[str]:
        """Return every symbol that has bars in the files or names an unreadable file, sorted."""
        with duckdb.connect() as con:
            rows = con.execute(
                "SELECT DISTINCT symbol FROM read_parquet($path)", {"path": str(self._read())}
            ).fetchall()
        return sorted({row[0] for row in rows} | set(self._bad))

    def _read(self) -> Path:
        """Return the path of a Parquet file of all rows in our columns, sorted by symbol and date; write it once."""
        with self._lock:
            if self._table is None:
                path = Path(self._folder.name) / "bars.parquet"
                with duckdb.connect() as con:
                    con.execute("SET preserve_insertion_order = false")
                    self._mapped(con, self._open(con)).create("bars_of_files")
                    self._add_actions(con)
                    if con.execute("SELECT count(*) FROM bars_of_files").fetchall() == [(0,)]:
                        raise UsageError(f"{self._path} has no row with a date that can be read (write YYYY-MM-DD)")
                    con.execute(
                        f"COPY (FROM with_actions ORDER BY symbol, date) TO {literal(str(path))} (ROW_GROUP_SIZE 20480)"
                    )
                self._table = path
            return self._table

    def _open(self, con: DuckDBPyConnection) -> DuckDBPyRelation:
        """Return the rows of all files; if one cannot be read, record it as bad and leave it out."""
        try:
            return _relation(con, self._files, self._kind)
        except duckdb.Error as error:
            good = []
            for file in self._files:
                try:
                    _relation(con, [file], self._kind)
                    good.append(file)
                except duckdb.Error as reason:
                    self._bad[self._symbol_of(file)] = f"{file} cannot be read: {_first_line(reason)}"
            if not good:
                raise UsageError(f"{self._path} cannot be read: {_first_line(error)}") from None
            return _relation(con, good, self._kind)

    def _mapped(self, con: DuckDBPyConnection, rows: DuckDBPyRelation) -> DuckDBPyRelation:
        """Return the rows with our columns, converted to our types."""
        theirs = {_plain(column): column for column in rows.columns if column != "filename"}
        selected = []
        for ours, synonyms in SYNONYMS.items():
            name = self._columns.get(ours)
            if name is not None and name not in rows.columns:
                raise UsageError(f"--column {ours}={name}: {self._path} has {', '.join(rows.columns[:-1])}")
            column = name or next((theirs[synonym] for synonym in synonyms if synonym in theirs), None)
            if column is None and ours in ("date", "close"):
                raise UsageError(
                    f"{self._path} has no column that looks like {ours} (it has {', '.join(rows.columns[:-1])}): "
                    f"name it with --column {ours}=..."
                )
            kind = _TYPES.get(ours, "DOUBLE")
            if ours == "symbol":
                value = f"CAST({_identifier(column)} AS VARCHAR)" if column else _STEM
                suffix = self._market.yahoo_suffix.replace(".", "[.]")
                text = f"regexp_replace(upper(trim({value})), '{suffix}$', '')"
            elif column is None:
                text = f"CAST(NULL AS {kind})"
            elif ours == "date":
                text = self._date(column, rows)
            elif ours == "volume":
                text = f"TRY_CAST(TRY_CAST({_identifier(column)} AS DOUBLE) AS BIGINT)"
            else:
                text = f"TRY_CAST({_identifier(column)} AS DOUBLE)"
            if ours == "split_ratio" and column is not None:
                text = f"CASE WHEN {text} = 0 THEN 1.0 ELSE {text} END"  # Yahoo writes 0 for no split
            selected.append(SQLExpression(text).alias(ours))
        selected.append(SQLExpression(str(self._as_traded)).alias("as_traded"))
        return rows.select(*selected).filter("date IS NOT NULL AND symbol IS NOT NULL")

    def _date(self, column: str, rows: DuckDBPyRelation) -> str:
        """Return SQL for the session in a column: the date as written, or the exchange's date of a point in time."""
        value = _identifier(column)
        if rows.types[rows.columns.index(column)] == "TIMESTAMP WITH TIME ZONE":
            return f"CAST({value} AT TIME ZONE '{self._market.timezone}' AS DATE)"
        written = f"CAST({value} AS VARCHAR)"
        other = f"CAST(try_strptime({written}, ['%Y%m%d', '%d-%b-%Y', '%d %b %Y']) AS DATE)"
        return f"coalesce(TRY_CAST(left({written}, 10) AS DATE), {other})"

    def _add_actions(self, con: DuckDBPyConnection) -> None:
        con.execute(
            "ALTER TABLE bars_of_files ADD COLUMN price_basis DATE;"
            "UPDATE bars_of_files SET price_basis = CASE WHEN as_traded THEN date"
            " ELSE coalesce($basis, (SELECT max(date) FROM bars_of_files)) END",
            {"basis": self._basis},
        )
        if not self._derive_actions:
            con.execute("CREATE TEMP VIEW with_actions AS FROM bars_of_files")
            return
        con.execute(f"CREATE TEMP TABLE derived AS {load('steps/derive_actions').text}")
        con.execute(
            "CREATE TEMP VIEW with_actions AS SELECT b.* REPLACE (coalesce(b.dividend, d.dividend) AS dividend,"
            " coalesce(b.split_ratio, d.split_ratio) AS split_ratio)"
            " FROM bars_of_files b LEFT JOIN derived d USING (symbol, date)"
        )

    def _symbol_of(self, file: str) -> str:
        return Path(file).name.split(".")[0].upper()


class _FilesListings:
    name = "files"

    def __init__(self, source: FilesSource) -> None:
        self._source = source

    def companies(self) -> list[Company]:
        return [Company(symbol) for symbol in self._source.symbols()]


_STEM = "regexp_replace(parse_filename(filename), '[.](csv|txt|tsv|parquet|pq)([.]gz)?$', '')"


def _files(path: str) -> tuple[list[str], str]:
    root = Path(path).expanduser()
    if root.is_dir():
        files = sorted(str(file) for file in root.rglob("*") if file.suffix.lower() in _KINDS and file.is_file())
    elif root.exists():
        files = [str(root)]
    else:
        raise UsageError(f"files:{path}: there is no such file or folder")
    kinds = {_KINDS.get(Path(file).suffix.lower(), "csv") for file in files}
    if len(kinds) != 1:
        what = "no CSV or Parquet files" if not kinds else "both CSV and Parquet files: name one kind's folder"
        raise UsageError(f"files:{path}: there are {what}")
    return files, kinds.pop()


def _relation(con: DuckDBPyConnection, files: list[str], kind: str) -> DuckDBPyRelation:
    read = {
        "csv": "read_csv($files, union_by_name = true, filename = true, all_varchar = true)",
        "parquet": "read_parquet($files, union_by_name = true, filename = true)",
    }
    return con.sql(f"FROM {read[kind]}", params={"files": files})


def _basis(prices: str) -> tuple[bool, date | None]:
    if prices == "as-traded":
        return True, None
    kind, _, day = prices.partition(":")
    try:
        if kind == "adjusted":
            return False, date.fromisoformat(day) if day else None
    except ValueError:
        pass
    raise UsageError(f"--prices {prices}: write as-traded, adjusted or adjusted:YYYY-MM-DD")


def _plain(column: str) -> str:
    return column.lower().translate(str.maketrans("", "", " ._-"))


def _identifier(column: str | None) -> str:
    return '"' + str(column).replace('"', '""') + '"'


def _first_line(error: Exception) -> str:
    return str(error).split("\n")[0]
