"""The catalogue file: the same views and macros as without it, whatever happens to the file."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from duckdb import DuckDBPyConnection

from stockstream import analytics
from stockstream.sql.loader import HOME, load, macros, views, views_for
from stockstream.sql.session import connect
from stockstream.sql.session.catalogue_file import CacheWarning
from tests.analytics.test_cli import run_cli
from tests.unprivileged import open_folder, unprivileged

COUNT = "SELECT count(*) FROM bars_adjusted"
OPEN = f"from stockstream import analytics; print(analytics.connect('{{lake}}').sql('{COUNT}').fetchall())"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the cache folder of Stock Stream, which does not exist yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/stockstream"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a lake of 300 days of two symbols with a split, a dividend and a pending row, one day not in silver."""
    folder = tmp_path_factory.mktemp("lake")
    (folder / "raw-data").mkdir()
    with duckdb.connect() as con:
        con.execute(load("schema/raw").text)
        con.execute(
            """INSERT INTO raw BY NAME SELECT
                symbol, DATE '2025-01-01' + CAST(i AS INTEGER) AS date, 50.0 + i % 7 AS open, 60.0 + i % 11 AS high,
                40.0 + i % 5 AS low, 55.0 + i % 3 AS close, 100 + i AS volume, 'test' AS source,
                '2025-11-01T00:00:00.000000Z' AS fetch_timestamp, CASE WHEN i = 30 THEN 1 ELSE 0 END AS dividend,
                CASE WHEN i = 90 THEN 2 ELSE 1 END AS split_ratio, DATE '2025-02-01' AS price_basis
            FROM range(300) AS days (i), (VALUES ('BHP'), ('SPY')) AS names (symbol)"""
        )
        con.execute("UPDATE raw SET close = NULL WHERE symbol = 'SPY' AND date = DATE '2025-10-20'")
        con.execute(f"COPY raw TO '{folder}/raw-data/2025-11-01-batch-0.parquet' (FORMAT parquet)")
        con.execute("UPDATE raw SET date = DATE '2025-11-01'")
        con.execute(f"COPY (FROM raw LIMIT 1) TO '{folder}/raw-data/2025-11-01-batch-1.parquet' (FORMAT parquet)")
    (folder / "state").mkdir()
    (folder / "state/lake.json").write_text('{"market": "ASX", "calendar": "XASX", "timezone": "Australia/Sydney"}')
    assert run_cli("consolidate", "--lake", str(folder)).code == 0
    shutil.copy(folder / "raw-data/2025-11-01-batch-1.parquet", folder / "raw-data/2025-11-02-batch-0.parquet")
    return str(folder)


def files(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir())


def listing(con: DuckDBPyConnection) -> list[str]:
    """Return every view and macro of the catalogue as it is listed, and the columns and types of the views.

    DuckDB quotes the name of a type that it has not bound: "DATE".
    """
    return [
        re.sub(r'"([A-Z]+)"', r"\1", str(con.execute(query).fetchall()))
        for query in (
            "SELECT database_name, schema_name, view_name, temporary, comment, column_count, sql FROM duckdb_views()"
            " WHERE NOT internal ORDER BY ALL",
            "SELECT database_name, schema_name, function_name, function_type, comment, parameters, parameter_types,"
            " macro_definition FROM duckdb_functions() WHERE NOT internal ORDER BY ALL",
            "SELECT table_catalog, table_name, column_name, data_type, ordinal_position FROM information_schema.columns"
            " ORDER BY ALL",
            "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal ORDER BY ALL",
            "SHOW TABLES",
        )
    ]


def queries(every: int) -> Iterator[str]:
    """Yield a query per view and per n-th macro that returns rows."""
    for name in views():
        header = load(name).header
        yield header["example"]
        yield from (f"FROM {view}" for view in header.get("makes", ()))
    aliases = re.findall(r"^CREATE OR REPLACE MACRO (\w+)\s*\(src\b", load(macros()[-1]).text, re.MULTILINE)
    yield from (f"FROM {name}('bars') WHERE symbol = 'BHP' AND date > DATE '2025-10-20'" for name in aliases[::every])


def answers(con: DuckDBPyConnection, every: int) -> dict[str, str]:
    """Return the rows of each of the queries as text, which is equal for NaN, too."""
    return {query: str(sorted(map(str, con.execute(query).fetchall()))) for query in queries(every)}


def without_cache(lake: str, monkeypatch: pytest.MonkeyPatch) -> DuckDBPyConnection:
    with monkeypatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", "/dev/null")
        return connect(lake)


@pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.large)])
def test_views_and_macros_are_the_same_as_without_the_file(
    every: int, lake: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with without_cache(lake, monkeypatch) as created:
        assert not cache.exists()
        with connect(lake) as first, connect(lake) as later:
            assert len(files(cache)) == 1
            assert listing(later) == listing(first) == listing(created)
            assert listing(created)[0].count("CREATE VIEW") > 30
            expected = answers(created, every)
            assert len(expected) > 60 // every
            assert answers(later, every) == expected


def test_objects_of_a_user_are_in_memory_and_replace_views(lake: str, cache: Path) -> None:
    for _ in range(2):
        with connect(lake) as con:
            con.execute("CREATE TABLE bars_of_mine AS FROM bars; CREATE TEMP TABLE gaps AS SELECT 7 AS seven")
            con.execute("CREATE OR REPLACE VIEW symbols AS SELECT 5 AS five; DROP VIEW pending")
            con.execute("CREATE MACRO twice(x) AS 2 * x; SET VARIABLE mine = 3")
            rows = con.execute("SELECT twice(five) + getvariable('mine'), (SELECT seven FROM gaps) FROM symbols")
            assert rows.fetchall() == [(13, 7)]
            assert con.execute("SELECT current_database(), current_schema()").fetchall() == [("memory", "main")]
            assert con.execute("SELECT count(*) FROM duckdb_databases() WHERE NOT internal").fetchall() == [(1,)]
            with pytest.raises(duckdb.CatalogException):
                con.execute("FROM pending")


def test_processes_that_start_at_once_without_a_file(lake: str, cache: Path) -> None:
    command = [sys.executable, "-c", OPEN.format(lake=lake)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=120) for process in running] == [("[(600,)]\n", "")] * 2
    assert len(files(cache)) == 1


def test_a_damaged_file_is_made_again(lake: str, cache: Path) -> None:
    connect(lake).close()
    (path,) = cache.iterdir()
    sound = path.read_bytes()
    half = len(sound) // 2
    for damaged in (b"", sound[:half], sound[:half] + bytes([sound[half] ^ 1]) + sound[half + 1 :]):
        path.write_bytes(damaged)
        with connect(lake) as con:
            assert con.execute(COUNT).fetchall() == [(600,)]
        assert files(cache) == [path.name]
        assert path.stat().st_size == len(sound)
        inode = path.stat().st_ino
        connect(lake).close()
        assert path.stat().st_ino == inode  # the new file is used


def test_sessions_of_the_pipeline_copy_the_views_alone(lake: str, cache: Path) -> None:
    needed = views_for("views/bars_adjusted")
    connect(lake, only=needed).close()
    assert not cache.exists()  # for a single session it would not be worth while
    with connect(lake) as whole:
        expected = whole.execute("SELECT view_name, sql FROM duckdb_views() WHERE NOT internal ORDER BY 1").fetchall()
    for damage in (None, b"", b"damaged"):
        if damage is not None:
            next(cache.glob("catalogue-views-*")).write_bytes(damage)
        for _ in range(2):
            with connect(lake, only=needed) as con:
                assert con.execute(COUNT).fetchall() == [(600,)]
                found = con.execute("SELECT view_name, sql FROM duckdb_views() WHERE NOT internal ORDER BY 1")
                assert found.fetchall() == expected
                with pytest.raises(duckdb.CatalogException):
                    con.execute("FROM rsi('bars', 14)")
        assert len(files(cache)) == 2


def test_a_folder_that_cannot_be_written(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_folder() as folder:
        shutil.copytree(lake, folder / "lake")
        (folder / "lake").chmod(0o755)
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        (folder / "cache").mkdir(mode=0o555)
        with unprivileged():
            with warnings.catch_warnings(action="error"), connect(str(folder / "lake")) as con:
                assert con.execute(COUNT).fetchall() == [(600,)]
            assert not any((folder / "cache").iterdir())
        connect(lake).close()
        (folder / "cache/stockstream").chmod(0o555)
        before = {path: path.stat().st_mtime_ns for path in (folder / "cache/stockstream").iterdir()}
        assert len(before) == 1
        with unprivileged(), connect(str(folder / "lake")) as con:
            assert con.execute(COUNT).fetchall() == [(600,)]
        assert {path: path.stat().st_mtime_ns for path in (folder / "cache/stockstream").iterdir()} == before


def test_the_setting_names_the_folder(lake: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKSTREAM_CACHE", str(tmp_path / "a folder's name"))
    connect(lake).close()
    assert len(files(tmp_path / "a folder's name")) == 1
    monkeypatch.setenv("STOCKSTREAM_CACHE", "/dev/null/cache")
    with pytest.warns(CacheWarning, match="STOCKSTREAM_CACHE=/dev/null/cache cannot be used: Not a directory"):
        connect(lake).close()
    assert not cache.exists()


@pytest.mark.large
def test_a_changed_sql_file_is_another_catalogue_file(lake: str, cache: Path, tmp_path: Path) -> None:
    for folder in ("sql", "pipeline", "analytics"):
        shutil.copytree(HOME.parent / folder, tmp_path / "copy/stockstream" / folder)

    def count() -> str:
        environment = os.environ | {"PYTHONPATH": str(tmp_path / "copy")}
        command = [sys.executable, "-c", OPEN.format(lake=lake)]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    assert count() == "[(600,)]\n"
    view = tmp_path / "copy/stockstream/sql/views/bars_adjusted.sql"
    view.write_text(view.read_text().replace("WHERE close IS NOT NULL;", "WHERE close IS NOT NULL AND symbol = 'BHP';"))
    assert count() == "[(301,)]\n"
    assert len(files(cache)) == 2


@pytest.mark.large
def test_a_changed_indicator_of_a_folder_is_used_at_once(lake: str, cache: Path, tmp_path: Path) -> None:
    connect(lake).close()
    assert run_cli("indicators", "new", "my_mean", "--sql-path", str(tmp_path / "own")).code == 0
    (file,) = (tmp_path / "own").rglob("my_mean_v1.sql")
    for factor in (3, 5):
        text = re.sub(r"(AS value\b|AS my_mean\b)", rf"* {factor}.0 \1", file.read_text())
        assert text != file.read_text()
        changed = tmp_path / f"own{factor}" / file.name
        changed.parent.mkdir()
        changed.write_text(text)
        frame = analytics.indicators(["my_mean_5", "sma_5"], lake, symbols=["BHP"], sql_path=[changed.parent])
        last = frame.row(-1, named=True)
        assert last["my_mean_5"] == pytest.approx(factor * last["sma_5"], rel=1e-12)


def test_the_shell_has_the_same_views(lake: str, cache: Path, tmp_path: Path) -> None:
    queries = (
        "SELECT count(*), sum(hash(view_name, comment, column_count)) FROM duckdb_views() WHERE NOT internal",
        "SELECT count(comment), sum(hash(table_name, column_name, comment)) FROM duckdb_columns() WHERE NOT internal",
    )
    query = f"FROM ({queries[0]}), ({queries[1]})"
    with connect(lake) as con:
        expected = ",".join(map(str, con.execute(query).fetchall()[0]))

    assert shell(lake, "-c", query) == expected
    assert not list((tmp_path / "cache").rglob("*.parquet"))  # init.sql writes these


@pytest.mark.large
def test_in_a_database_of_a_user_the_shell_replaces_the_views(lake: str, cache: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert shell(lake, str(tmp_path / "own.duckdb"), "-c", COUNT) == "600"


def shell(lake: str, *arguments: str) -> str:
    command = [str(Path(sys.executable).parent / "stockstream"), "shell", "--lake", lake, "--", "-csv", "-noheader"]
    result = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()[-1]
