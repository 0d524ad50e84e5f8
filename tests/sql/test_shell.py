"""The plain duckdb shell with `init.sql`: from any folder, at any path, several at once, and without write access."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from stockstream.sql.loader import HOME, load

DUCKDB = shutil.which("duckdb", path=str(Path(sys.executable).parent))


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Return a lake with two bars, one of them pending, in one batch file."""
    (tmp_path / "lake/raw-data").mkdir(parents=True)
    with duckdb.connect() as con:
        con.execute(load("schema/raw").text)
        con.execute(
            "INSERT INTO raw (symbol, date, close, volume)"
            " VALUES ('AAA', '2026-11-19', 1.5, 9), ('AAA', '2026-11-20', NULL, 9)"
        )
        con.execute(f"COPY raw TO '{tmp_path}/lake/raw-data/2026-11-20-batch-0.parquet' (FORMAT parquet)")
    return tmp_path / "lake"


def start(script: Path, query: str, folder: Path, lake: Path) -> subprocess.Popen[str]:
    """Start the shell in a folder, which it also uses as its cache."""
    (folder / "cache").mkdir(parents=True, exist_ok=True)
    environment = {"STOCKSTREAM_LAKE": str(lake), "NO_COLOR": "1", "XDG_CACHE_HOME": str(folder / "cache")}
    return subprocess.Popen(
        [str(DUCKDB), "-init", str(script), "-csv", "-noheader", "-c", query],
        cwd=folder, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def shell(script: Path, query: str, folder: Path, lake: Path) -> list[str]:
    out, error = (running := start(script, query, folder, lake)).communicate(timeout=60)
    assert running.returncode == 0, error
    greeting, *rows = out.splitlines()
    assert greeting.startswith(f"{lake}: 1 batch files, the newest of 2026-11-20. FROM lake_help()")
    return rows


def test_from_any_folder_and_at_a_path_with_a_blank(lake: Path, tmp_path: Path) -> None:
    home = tmp_path / "my programs"
    home.mkdir()
    shutil.copy(HOME / "init.sql", home)
    home.chmod(0o555)  # no shell may write files beside the script
    rows = shell(home / "init.sql", "SELECT symbol, close FROM bars", tmp_path / "else where", lake)
    assert rows == ["AAA,1.5"]
    assert [path.name for path in home.iterdir()] == ["init.sql"]


def test_pending_is_what_unsettled_was(lake: Path, tmp_path: Path) -> None:
    for view in ("pending", "unsettled"):
        assert shell(HOME / "init.sql", f"SELECT symbol, date FROM {view}", tmp_path, lake) == ["AAA,2026-11-20"]
    assert shell(HOME / "init.sql", "SELECT unsettled FROM lake_status()", tmp_path, lake) == ["1"]


def test_the_columns_are_documented(lake: Path, tmp_path: Path) -> None:
    query = "SELECT kind, what FROM lake_help('bars_as_traded') WHERE name = 'close'"
    assert shell(HOME / "init.sql", query, tmp_path, lake) == [
        'DOUBLE,"last price, money per share as traded on its day, never NULL"'
    ]


def test_shells_that_start_at_the_same_time(lake: Path, tmp_path: Path) -> None:
    for _ in range(2):  # first without the cached files, then with them
        shells = [start(HOME / "init.sql", "SELECT count(*) FROM bars", tmp_path, lake) for _ in range(4)]
        assert [running.communicate(timeout=60)[0].splitlines()[-1] for running in shells] == ["1"] * 4
    files = list((tmp_path / "cache").rglob("*.parquet"))
    shell(HOME / "init.sql", "SELECT 1", tmp_path, lake)
    assert len(list((tmp_path / "cache").rglob("*.parquet"))) == len(files)  # the later shells write no file


def test_the_cached_files_are_those_of_the_package(lake: Path, tmp_path: Path) -> None:
    shell(HOME / "init.sql", "SELECT 1", tmp_path, lake)
    (cache,) = (tmp_path / "cache/stockstream").iterdir()
    for path in (HOME / "schema").iterdir():
        if path.suffix in (".parquet", ".json", ".csv"):
            assert (cache / "schema" / path.name).read_bytes() == path.read_bytes()


def test_a_lake_of_a_later_format_is_refused(lake: Path, tmp_path: Path) -> None:
    (lake / "state").mkdir()
    (lake / "state/current.json").write_text('{"format": 3, "generation": 7, "created_at": "", "tables": {}}')
    out, error = (running := start(HOME / "init.sql", "FROM bars", tmp_path, lake)).communicate(timeout=60)
    assert running.returncode != 0
    assert "written by a newer Stock Stream (format 3; this one reads 2): upgrade stock-stream" in error
    assert out == ""


def test_a_name_that_is_a_pattern_is_refused(tmp_path: Path) -> None:
    running = start(HOME / "init.sql", "FROM bars", tmp_path, tmp_path / "a*")
    assert "are patterns to DuckDB" in running.communicate(timeout=60)[1]
    assert running.returncode != 0
