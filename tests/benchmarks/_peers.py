"""The same work done by other table formats on Parquet: DuckLake, and Delta Lake through delta-rs."""

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
"""Run SQL on a table `bars` and return the rows."""
SUMS = "SELECT count(*), sum(volume), min(date), max(date), max(fetch_timestamp) FROM bars"
"""Exact in any row order, so that all peers must return the same."""


class Keeper(Protocol):
    """A table of bars in a folder, which is empty at first."""

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
    """This project: the views merge a batch file until it is consolidated."""

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
    """The DuckDB extension, its catalogue in a DuckDB file."""

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
                MERGE INTO bars USING ({_rows(files)}) AS news ON news.symbol = bars.symbol AND news.date = bars.date
                WHEN MATCHED AND news.fetch_timestamp >= bars.fetch_timestamp THEN UPDATE WHEN NOT MATCHED THEN INSERT
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
    """delta-rs, which reads with DataFusion; DuckDB only passes it the rows of the batch files."""

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
                "news.symbol = bars.symbol AND news.date = bars.date",
                source_alias="news",
                target_alias="bars",
                writer_properties=self._properties,
            )
        merge = merge.when_matched_update_all("news.fetch_timestamp >= bars.fetch_timestamp")
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


PEERS: tuple[type[Keeper], ...] = (DuckLake, DeltaLake)


def side_by_side(
    root: Path, history: Sequence[Path], day: Sequence[Path], corrected: Sequence[Path], last: date, runs: int
) -> Iterator[Figure]:
    """Run the same work on each: load a history, append a day's batch files, compact, read, and merge a corrected day.

    `last` is the day of `day`; `corrected` is the day after it, and what it corrects.
    """
    kinds: list[type[Keeper]] = [StockStream]
    for peer in PEERS:
        if importlib.util.find_spec(peer.package) is None:
            print(f"{peer.name} is not installed, and left out: the extra `bench` has it", file=sys.stderr)
        else:
            kinds.append(peer)
    keepers = [kind(root / kind.name.replace(" ", "-")) for kind in kinds]
    works: dict[str, Callable[[Keeper], None]] = {
        "load": lambda keeper: keeper.load(history),
        "append": lambda keeper: keeper.append(day),
        "compact": lambda keeper: keeper.compact(),
    }
    together = [Spent(0, 0) for _ in keepers]
    for name, work in works.items():
        taken = [spent(partial(work, keeper)) for keeper in keepers]
        yield from _ratios(name, keepers, taken)
        if name != "load":
            together = [Spent(a.cpu + b.cpu, a.wall + b.wall) for a, b in zip(together, taken, strict=True)]
    yield from _ratios("append and compact", keepers, together)
    yield from _sizes("a day later", keepers)

    yield from _ratios("open", keepers, beside([_opening(keeper) for keeper in keepers], runs))
    for name, end in reads(last).items():
        query = f"SELECT {BARS_COLUMNS} FROM bars {end}"
        yield from _ratios(name, keepers, beside([_reading(keeper, query) for keeper in keepers], runs))
    yield from _ratios("merge", keepers, [spent(partial(keeper.upsert, corrected)) for keeper in keepers])
    yield from _sizes("two days later", keepers)
    sums = {keeper.name: keeper.open()(SUMS) for keeper in keepers}
    if len({str(rows) for rows in sums.values()}) != 1:
        raise RuntimeError(f"what they hold is not the same: {sums}")


def _opening(keeper: Keeper) -> Work:
    return (lambda: keeper), (lambda keeper: keeper.open())


def _reading(keeper: Keeper, query: str) -> Work:
    return keeper.open, (lambda run: run(query))


def _ratios(work: str, keepers: Sequence[Keeper], taken: Sequence[Spent]) -> Iterator[Figure]:
    ours = taken[0]
    yield Figure(f"{work}: ours", ours.cpu, "CPU s")
    for keeper, theirs in list(zip(keepers, taken, strict=True))[1:]:
        yield Figure(f"{work}: ours / {keeper.name}", ours.cpu / theirs.cpu, "x CPU")
        yield Figure(f"{work}: ours / {keeper.name}", ours.wall / theirs.wall, "x wall")


def _sizes(when: str, keepers: Sequence[Keeper]) -> Iterator[Figure]:
    for keeper in keepers:
        files = keeper.files()
        yield Figure(f"{when}: {keeper.name}", len(files), "files")
        yield Figure(f"{when}: {keeper.name}", sum(file.stat().st_size for file in files), "bytes")


def _rows(files: Sequence[Path]) -> str:
    return f"FROM read_parquet([{', '.join(f'{str(file)!r}' for file in files)}])"
