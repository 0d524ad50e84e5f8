"""Bars that somebody has already: any CSV or Parquet file, or a folder of them."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection, DuckDBPyRelation, SQLExpression

from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.listings.base import Listing, ListingsSource
from stockstream.pipeline.market import Market
from stockstream.pipeline.sources.base import Answer, Source, Window
from stockstream.sql.loader import load
from stockstream.sql.session import quoted
from stockstream.sql.session import quoted as literal

# What people call the columns, compared without case, blanks, dots, dashes and underscores.
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
_TYPES = {"symbol": "VARCHAR", "date": "DATE", "volume": "BIGINT"}
_KINDS = {".csv": "csv", ".gz": "csv", ".txt": "csv", ".tsv": "csv", ".parquet": "parquet", ".pq": "parquet"}


class FilesSource(Source):
    """A file or folder of bars, read once into a table sorted by symbol.

    `prices` says what the prices are: `as-traded`, or `adjusted` for splits up to the newest bar in the files, or
    `adjusted:YYYY-MM-DD` up to that day. `columns` maps our names to the files' where these are not understood by
    themselves. Without a column of symbols each file is one symbol, named after it; Yahoo's suffix is taken off.
    `derive_actions` tells dividends (and splits, of prices as traded) from the adjusted close.

    Raises:
        UsageError: no such file, nothing to read in it, or no column of dates or closes.
    """

    name = "files"
    basis_is_told = True
    concurrency = os.cpu_count() or 1  # there is nothing to wait for but the processors

    def __init__(
        self,
        path: str,
        market: Market,
        prices: str = "adjusted",
        columns: Mapping[str, str] | None = None,
        derive_actions: bool = False,
    ) -> None:
        self._files, self._kind = _find(path)
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

    def fetch(self, con: DuckDBPyConnection, windows: Sequence[Window]) -> Iterator[Answer]:
        """Answer all windows at once: the files' rows of these symbols."""
        symbols = [window.symbol for window in windows]
        wanted = ", ".join(map(quoted, symbols))  # constants, so that the other symbols' row groups are not read
        bars = con.sql(
            "SELECT symbol, date, open, high, low, close, volume, adjusted_close, dividend, split_ratio, price_basis"
            f" FROM read_parquet({quoted(str(self._read()))})"
            f" WHERE symbol BETWEEN {quoted(min(symbols))} AND {quoted(max(symbols))} AND symbol IN ({wanted})"
        )
        known = {row[0] for row in bars.project("symbol").distinct().fetchall()}
        failed = {s: self._bad.get(s, f"not in {self._path}") for s in symbols if s not in known}
        yield Answer(tuple(known), bars, failed)

    def listings(self) -> ListingsSource:
        """Give the symbols of the files."""
        return _FilesListings(self)

    def symbols(self) -> list[str]:
        """Give every symbol that the files have bars of or are named after, sorted."""
        with duckdb.connect() as con:
            rows = con.execute(
                "SELECT DISTINCT symbol FROM read_parquet($path)", {"path": str(self._read())}
            ).fetchall()
        return sorted({row[0] for row in rows} | set(self._bad))

    def _read(self) -> Path:
        """Bring the files, once, into one Parquet file with our columns, sorted by symbol and date."""
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
        """Open all files at once; where one cannot be read, find out which and leave it out."""
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
        """Select our columns out of theirs."""
        theirs = {_plain(column): column for column in rows.columns if column != "filename"}
        selected = []
        for ours, names in SYNONYMS.items():
            given = self._columns.get(ours)
            if given is not None and given not in rows.columns:
                raise UsageError(f"--column {ours}={given}: {self._path} has {', '.join(rows.columns[:-1])}")
            column = given or next((theirs[name] for name in names if name in theirs), None)
            if column is None and ours in ("date", "close"):
                raise UsageError(
                    f"{self._path} has no column that looks like {ours} (it has {', '.join(rows.columns[:-1])}): "
                    f"name it with --column {ours}=..."
                )
            kind = _TYPES.get(ours, "DOUBLE")
            if ours == "symbol":
                value = f"CAST({_quoted(column)} AS VARCHAR)" if column else _STEM
                suffix = self._market.yahoo_suffix.replace(".", "[.]")
                text = f"regexp_replace(upper(trim({value})), '{suffix}$', '')"
            elif column is None:
                text = f"CAST(NULL AS {kind})"
            elif ours == "date":
                text = self._date(column, rows)
            elif ours == "volume":
                text = f"TRY_CAST(TRY_CAST({_quoted(column)} AS DOUBLE) AS BIGINT)"
            else:
                text = f"TRY_CAST({_quoted(column)} AS DOUBLE)"
            if ours == "split_ratio" and column is not None:
                text = f"CASE WHEN {text} = 0 THEN 1.0 ELSE {text} END"  # Yahoo writes 0 for no split
            selected.append(SQLExpression(text).alias(ours))
        selected.append(SQLExpression(str(self._as_traded)).alias("as_traded"))
        return rows.select(*selected).filter("date IS NOT NULL AND symbol IS NOT NULL")

    def _date(self, column: str, rows: DuckDBPyRelation) -> str:
        """Give the session of a column of dates or times: the day as it is written, of a moment the exchange's."""
        value = _quoted(column)
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
    concurrency = os.cpu_count() or 1  # there is nothing to wait for but the processors

    def __init__(self, source: FilesSource) -> None:
        self._source = source

    def companies(self) -> list[Listing]:
        return [Listing(symbol) for symbol in self._source.symbols()]


_STEM = "regexp_replace(parse_filename(filename), '[.](csv|txt|tsv|parquet|pq)([.]gz)?$', '')"


def _find(path: str) -> tuple[list[str], str]:
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
    raise UsageError(f"--prices {prices}: say as-traded, adjusted or adjusted:YYYY-MM-DD")


def _plain(column: str) -> str:
    return column.lower().translate(str.maketrans("", "", " ._-"))


def _quoted(column: str | None) -> str:
    return '"' + str(column).replace('"', '""') + '"'


def _first_line(error: Exception) -> str:
    return str(error).split("\n")[0]
