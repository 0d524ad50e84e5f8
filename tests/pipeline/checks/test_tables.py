"""Checks on files and databases without a lake; SQL of other people reads and writes nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import duckdb
import pytest
import typer
from typer.testing import CliRunner, Result

from stockstream.analytics.cli.commands.check import check_command
from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.lake import Lake
from tests.s3_server import S3Server


def cli(*arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command()(check_command)
    return CliRunner().invoke(app, list(map(str, arguments)))


def checked(*arguments: str | Path) -> tuple[int, dict[str, str]]:
    """Return the exit code, and the status of each check, or why it could not be run."""
    ran = cli(*arguments, "--json")
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    return ran.exit_code, {one["check"]: one["error"] or one["status"] for one in json.loads(ran.stdout)["checks"]}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    duckdb.sql(
        f"""
        CREATE OR REPLACE TEMP TABLE bars AS SELECT *
            FROM (VALUES ('A', DATE '2024-01-08', 1.0), ('A', '2024-01-09', -1.0)) AS v(symbol, date, close);
        COPY bars TO '{tmp_path}/bars.parquet'; COPY bars TO '{tmp_path}/one.csv'; COPY bars TO '{tmp_path}/two.csv';
        COPY bars TO '{tmp_path}/bars.json'; ATTACH '{tmp_path}/bars.duckdb' AS stored;
        CREATE TABLE stored.bars AS FROM bars; DETACH stored
        """
    )
    (tmp_path / "rules.yml").write_text(
        "tables:\n  bars:\n    key: [symbol, date]\n    rules:\n      - range: {columns: close, above: 0}\n"
    )
    return tmp_path


@pytest.mark.parametrize("pattern", ["bars.parquet", "*.csv", "bars.json", "bars.duckdb"])
def test_files_and_databases_without_a_lake(pattern: str, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files)
    source = ("--database", pattern) if pattern.endswith("duckdb") else ("--table", f"bars={pattern}")
    ran = cli("rules.yml", *source)
    number = 2 if "*" in pattern else 1
    assert ran.exit_code == 1
    assert re.search(rf"bars__range_close +fail +{number}  A 2024-01-09 close is -1.0", ran.stdout)
    assert not (files / "lake").exists()
    assert not (files / "state").exists()


def test_several_tables_and_a_database_at_once(files: Path) -> None:
    sql = "SELECT 'only here' FROM bars ANTI JOIN prices USING (date) UNION ALL FROM (SELECT 'in both' FROM prices)"
    code, found = checked("--sql", sql, "--table", f"prices={files}/one.csv", "--database", files / "bars.duckdb")
    assert (code, found) == (1, {"--sql": "fail"})


ATTACKS = [
    "FROM read_text('/etc/passwd')",
    "FROM read_csv('/etc/passwd')",
    "FROM '/etc/passwd'",
    "FROM glob('/etc/*')",
    "FROM read_text('{files}/secret.txt')",
    "FROM read_text('{files}/lake/../secret.txt')",
    "FROM sniff_csv('/etc/passwd')",
    "FROM read_blob('https://example.com/x')",
    "FROM read_parquet('s3://bucket/x.parquet')",
    "COPY (SELECT 1) TO '{files}/written.csv'; SELECT 1",
    "COPY (SELECT 1) TO '{files}/bars.parquet'; SELECT 1",
    "COPY bars FROM '/etc/passwd'; SELECT 1",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{files}/written.csv'; SELECT 1",
    "PREPARE x AS COPY (SELECT 1) TO '{files}/written.csv'; EXECUTE x; SELECT 1",
    "EXPORT DATABASE '{files}/written'; SELECT 1",
    "IMPORT DATABASE '{files}'; SELECT 1",
    "ATTACH '{files}/written.db'; SELECT 1",
    "ATTACH ':memory:' AS m; SELECT 1",
    "INSTALL spatial; SELECT 1",
    "LOAD httpfs; SELECT 1",
    "SET enable_external_access = true; SELECT 1",
    "SET lock_configuration = false; SELECT 1",
    "SET allowed_directories = ['/']; SELECT 1",
    "RESET lock_configuration; SELECT 1",
    "CREATE SECRET s (TYPE http, BEARER_TOKEN 'x'); SELECT 1",
    "CREATE /* hidden */ PERSISTENT SECRET s (TYPE http, BEARER_TOKEN 'x'); SELECT 1",
    "PRAGMA enable_profiling; SELECT 1",
    "CALL enable_logging(); SELECT 1",
    "BEGIN; SELECT 1",
    "COMMIT; SELECT 1",
    "SET VARIABLE lake = '/etc'; SELECT 1",
    "-- a comment\nSET VARIABLE \"Lake\" = '/etc'; SELECT 1",
    "SET /* hidden */ VARIABLE lake = '/etc'; SELECT 1",
    "SET schema = 'other'; SELECT 1",
    "USE memory; SELECT 1",
]


@pytest.mark.parametrize("with_lake", [False, True], ids=["tables", "lake"])
def test_sql_of_other_people_neither_reads_nor_writes_files(with_lake: bool, files: Path, small_lake: Lake) -> None:
    (files / "secret.txt").write_text("secret")
    folder = files / "attacks"
    folder.mkdir()
    for number, attack in enumerate(ATTACKS):
        text = attack.format(files=files).replace(f"{files}/lake", small_lake.uri if with_lake else f"{files}/lake")
        (folder / f"attack{number:02}.sql").write_text(text)
    before = {
        path: path.read_bytes() for root in (files, Path(small_lake.uri)) for path in root.rglob("*") if path.is_file()
    }
    source = ["--lake", small_lake.uri] if with_lake else []
    code, found = checked(folder, "--table", f"bars={files}/bars.parquet", *source)
    assert code == 4
    assert len(found) == len(ATTACKS)
    allowed = {name: reason for name, reason in found.items() if reason in ("ok", "fail", "warn")}
    assert allowed == {}
    after = {
        path: path.read_bytes() for root in (files, Path(small_lake.uri)) for path in root.rglob("*") if path.is_file()
    }
    assert {path for path in after if after[path] != before.get(path) and "state/checks" not in str(path)} == set()


@pytest.mark.parametrize("target", ["raw-data/x.parquet", "silver/x.parquet", "state/current.json"])
def test_sql_of_other_people_does_not_write_into_the_lake(target: str, small_lake: Lake) -> None:
    code, found = checked(
        "--lake", small_lake.uri, "--sql", f"COPY (SELECT 1) TO '{small_lake.uri}/{target}'; SELECT 1"
    )
    assert (code, found["--sql"]) == (4, "a check reads tables: it cannot have a statement of type COPY")


def test_a_check_leaves_nothing_to_the_next_one(files: Path) -> None:
    folder = files / "checks"
    folder.mkdir()
    (folder / "a.sql").write_text(
        "CREATE OR REPLACE TEMP VIEW bars AS SELECT 1 AS a; CREATE TABLE mine (a INT); FROM mine"
    )
    (folder / "b.sql").write_text("SELECT symbol FROM bars WHERE close < 0")
    (folder / "c.sql").write_text("FROM mine")
    (folder / "d.sql").write_text("-- a comment\nSET VARIABLE mine = 1; SELECT getvariable('mine')")
    (folder / "e.sql").write_text("SELECT getvariable('mine') AS mine WHERE mine IS NOT NULL")
    code, found = checked(folder, "--table", f"bars={files}/bars.parquet")
    assert (code, found["a"], found["b"], found["d"], found["e"]) == (4, "ok", "fail", "fail", "ok")
    assert "mine does not exist" in found["c"]


def test_large_results_are_sorted_although_the_connection_is_locked(files: Path) -> None:
    sql = "SELECT range AS n, hash(range) AS h FROM range(300000) ORDER BY h"
    assert checked("--sql", sql, "--table", f"bars={files}/bars.parquet")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--table", "bars"], "--table bars: write NAME=FILES"),
        (["--table", "bars=none/*.csv"], "--table bars=none/*.csv: there is no such file"),
        (["--table", "bars=rules.yml"], "the name of the file must end with one of .parquet"),
        (["--table", "a=one.csv", "--table", "a=two.csv"], "two tables have this name"),
        (["--table", "bad=bad.parquet"], "--table bad=bad.parquet: "),
        (["--database", "none.duckdb"], "--database none.duckdb: there is no such file"),
        (["--database", "bad.parquet"], "--database bad.parquet: "),
        (["--database", "bars.duckdb", "--lake", "x"], "--database and --lake: write one of them"),
    ],
)
def test_what_cannot_be_opened_is_wrong_usage(
    arguments: list[str], message: str, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    (files / "bad.parquet").write_text("no parquet, but some text")
    ran = cli("rules.yml", *arguments)
    assert isinstance(ran.exception, UsageError)
    assert message in str(ran.exception)
    assert "\n" not in str(ran.exception)


def test_the_shipped_checks_need_a_lake(files: Path) -> None:
    ran = cli("--table", f"bars={files}/bars.parquet")
    assert isinstance(ran.exception, UsageError)
    assert "the shipped checks are for lakes" in str(ran.exception)


@pytest.mark.parametrize("lake_uri", ["s3"], indirect=True)
def test_tables_and_lakes_on_s3(lake_uri: str, s3: S3Server, files: Path) -> None:
    bucket, _, prefix = lake_uri.removeprefix("s3://").partition("/")
    for name in ("bars.parquet", "other.parquet"):
        s3.client().put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=(files / "bars.parquet").read_bytes())
    code, found = checked(files / "rules.yml", "--table", f"bars={lake_uri}/bars.parquet")
    assert (code, found) == (1, {"bars__range_close": "fail"})
    read = f"FROM read_parquet('{lake_uri}/other.parquet')"
    code, found = checked("--sql", read, "--table", f"bars={lake_uri}/bars.parquet")
    assert code == 4
    assert "file system operations are disabled" in found["--sql"]
