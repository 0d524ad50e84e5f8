"""Compares the same work in other table formats on Parquet: DuckLake, and Delta Lake through delta-rs."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pyarrow as pa

from stockstream.pipeline.lake import SILVER, Lake
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.sql.session import connect, extension
from tests.benchmarks._harness import Figure, Spent, Work, beside, spent
from tests.benchmarks._reading import BARS_COLUMNS, reads

Query = Callable[[str], list[tuple[Any, ...]]]
"""Runs SQL on a table `bars`, and returns the rows."""
SUMS = "SELECT count(*), sum(volume), min(date), max(date), max(fetch_timestamp) FROM bars"
"""Exact in any order of the rows, so that all tables must return the same."""


class BarsTable(Protocol):
    """A table of bars in a folder; the table is empty at first."""

    name: str
    package: str

    def __init__(self, folder: Path) -> None: ...

    def load(self, files: Sequence[Path]) -> None:
        """Create the table from the files' rows, each once, sorted by symbol and date."""

    def append(self, files: Sequence[Path]) -> None:
        """Add the rows of each file, one after the other."""

    def compact(self) -> None:
        """Merge many files into few."""

    def upsert(self, files: Sequence[Path]) -> None:
        """Add the rows of the files; the later fetch of a symbol and date wins."""

    def open(self) -> Query:
        """Open the table for reading."""

    def files(self) -> list[Path]:
        """Return the table's data files, including those that only older versions need."""


class StockStream:
    """This project. An append is a new batch file, which the views merge until it is consolidated."""

    name, package = "Stock Stream", "pipeline"

    def __init__(self, folder: Path) -> None:
        self._lake = Lake(str(folder))
        self._silver = folder / SILVER

    def load(self, files: Sequence[Path]) -> None:
        self.upsert(files)

    def append(self, files: Sequence[Path]) -> None:
        for file in files:
            self._lake.store.put(f"raw-data/{file.name}", file.read_bytes(), replaces=None)

    def compact(self) -> None:
        consolidate({}, self._lake)

    def upsert(self, files: Sequence[Path]) -> None:
        self.append(files)
        self.compact()

    def open(self) -> Query:
        con = connect(self._lake.uri)
        return lambda sql: con.execute(sql).fetchall()

    def files(self) -> list[Path]:
        return list(self._silver.rglob("*.parquet"))


class DuckLake:
    """DuckLake, an extension of DuckDB, with its catalogue in a DuckDB file."""

    name, package = "DuckLake", "duckdb_extension_ducklake"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        with self._attached() as con:
            con.execute("CALL lake.set_option('parquet_compression', 'zstd')")

    def load(self, files: Sequence[Path]) -> None:
        with self._attached() as con:
            con.execute(f"CREATE TABLE bars AS {_rows(files)} ORDER BY symbol, date")

    def append(self, files: Sequence[Path]) -> None:
        with self._attached() as con:
            for file in files:
                con.execute(f"INSERT INTO bars {_rows([file])}")

    def compact(self) -> None:
        with self._attached() as con:
            con.execute("CALL ducklake_merge_adjacent_files('lake')")

    def upsert(self, files: Sequence[Path]) -> None:
        with self._attached() as con:
            con.execute(
                f"""
                MERGE INTO bars USING ({_rows(files)}) AS new_rows
                ON new_rows.symbol = bars.symbol AND new_rows.date = bars.date
                WHEN MATCHED AND new_rows.fetch_timestamp >= bars.fetch_timestamp THEN UPDATE
                WHEN NOT MATCHED THEN INSERT
                """
            )

    def open(self) -> Query:
        con = self._attached()
        return lambda sql: con.execute(sql).fetchall()

    def files(self) -> list[Path]:
        return list(self._folder.rglob("*.parquet"))

    def _attached(self) -> duckdb.DuckDBPyConnection:
        con = duckdb.connect(config={"autoinstall_known_extensions": False})
        con.execute(f"LOAD '{extension('ducklake')}'")
        con.execute(f"ATTACH 'ducklake:{self._folder}/catalogue.ducklake' AS lake (DATA_PATH '{self._folder}/data/')")
        con.execute("USE lake")
        return con


class DeltaLake:
    """Delta Lake through delta-rs, which reads with DataFusion; DuckDB only passes it the rows of the batch files."""

    name, package = "delta-rs", "deltalake"

    def __init__(self, folder: Path) -> None:
        from deltalake import WriterProperties

        self._folder = folder
        self._properties = WriterProperties(compression="ZSTD")

    def load(self, files: Sequence[Path]) -> None:
        self._write(f"{_rows(files)} ORDER BY symbol, date")

    def append(self, files: Sequence[Path]) -> None:
        for file in files:
            self._write(_rows([file]))

    def compact(self) -> None:
        self._table().optimize.compact(writer_properties=self._properties)

    def upsert(self, files: Sequence[Path]) -> None:
        with duckdb.connect() as con:
            merge = self._table().merge(
                con.sql(_rows(files)).to_arrow_table(),
                "new_rows.symbol = bars.symbol AND new_rows.date = bars.date",
                source_alias="new_rows",
                target_alias="bars",
                writer_properties=self._properties,
            )
        merge = merge.when_matched_update_all("new_rows.fetch_timestamp >= bars.fetch_timestamp")
        merge.when_not_matched_insert_all().execute()

    def open(self) -> Query:
        from deltalake import QueryBuilder

        tables = QueryBuilder().register("bars", self._table())
        return lambda sql: [tuple(row.values()) for row in pa.table(tables.execute(sql).read_all()).to_pylist()]

    def files(self) -> list[Path]:
        return list(self._folder.glob("*.parquet"))

    def _table(self) -> Any:
        from deltalake import DeltaTable

        return DeltaTable(self._folder)

    def _write(self, query: str) -> None:
        from deltalake import write_deltalake

        with duckdb.connect() as con:
            rows = con.sql(query).to_arrow_reader()
            write_deltalake(self._folder, rows, mode="append", writer_properties=self._properties)


PEERS: tuple[type[BarsTable], ...] = (DuckLake, DeltaLake)


def side_by_side(
    root: Path, history: Sequence[Path], day: Sequence[Path], corrected: Sequence[Path], last: date, runs: int
) -> Iterator[Figure]:
    """Run the same work on each table: load, append the batch files of a day, compact, read, and merge a corrected day.

    `history`, `day` and `corrected` are Parquet files. `last` is the date of `day`; `corrected` has the rows of the
    next session, and corrections of earlier rows.
    """
    kinds: list[type[BarsTable]] = [StockStream]
    for peer in PEERS:
        if importlib.util.find_spec(peer.package) is None:
            print(f"{peer.name} is not installed, and left out: the extra `bench` has it", file=sys.stderr)
        else:
            kinds.append(peer)
    tables = [kind(root / kind.name.replace(" ", "-")) for kind in kinds]
    works: dict[str, Callable[[BarsTable], None]] = {
        "load": lambda table: table.load(history),
        "append": lambda table: table.append(day),
        "compact": lambda table: table.compact(),
    }
    together = [Spent(0, 0) for _ in tables]
    for name, work in works.items():
        times = [spent(partial(work, table)) for table in tables]
        yield from _ratios(name, tables, times)
        if name != "load":
            together = [Spent(a.cpu + b.cpu, a.wall + b.wall) for a, b in zip(together, times, strict=True)]
    yield from _ratios("append and compact", tables, together)
    yield from _sizes("a day later", tables)

    yield from _ratios("open", tables, beside([_opening(table) for table in tables], runs))
    for name, end in reads(last).items():
        query = f"SELECT {BARS_COLUMNS} FROM bars {end}"
        yield from _ratios(name, tables, beside([_reading(table, query) for table in tables], runs))
    yield from _ratios("merge", tables, [spent(partial(table.upsert, corrected)) for table in tables])
    yield from _sizes("two days later", tables)
    sums = {table.name: table.open()(SUMS) for table in tables}
    if len({str(rows) for rows in sums.values()}) != 1:
        raise RuntimeError(f"the tables differ: {sums}")


def _opening(table: BarsTable) -> Work:
    return (lambda: table), (lambda table: table.open())


def _reading(table: BarsTable, query: str) -> Work:
    return table.open, (lambda run: run(query))


def _ratios(work: str, tables: Sequence[BarsTable], times: Sequence[Spent]) -> Iterator[Figure]:
    ours = times[0]
    yield Figure(f"{work}: ours", ours.cpu, "CPU s")
    for table, theirs in list(zip(tables, times, strict=True))[1:]:
        yield Figure(f"{work}: ours / {table.name}", ours.cpu / theirs.cpu, "x CPU")
        yield Figure(f"{work}: ours / {table.name}", ours.wall / theirs.wall, "x wall")


def _sizes(when: str, tables: Sequence[BarsTable]) -> Iterator[Figure]:
    for table in tables:
        files = table.files()
        yield Figure(f"{when}: {table.name}", len(files), "files")
        yield Figure(f"{when}: {table.name}", sum(file.stat().st_size for file in files), "bytes")


def _rows(files: Sequence[Path]) -> str:
    return f"FROM read_parquet([{', '.join(f'{str(file)!r}' for file in files)}])"
