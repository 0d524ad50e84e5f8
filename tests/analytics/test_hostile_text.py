"""Hostile text: names with formulas, escapes and markup, several statements, a `.env` of someone else, leftovers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from stockstream.analytics.cli import temporary
from stockstream.analytics.cli.screen import Screen
from stockstream.sql.text import printable, without_formula
from tests.analytics.test_cli import _empty_folder, assert_one_error, bars, lake, run_cli, template
from tests.pages import answering

__all__ = ["_empty_folder", "bars", "lake", "template"]  # fixtures

SQL = "SELECT '=1+1' AS a, -5 AS n, 'x' || chr(27) || chr(8238) || chr(155) AS c, '@x' AS \"+d\""


def test_a_spreadsheet_takes_no_text_of_csv_for_a_formula(lake: str) -> None:
    safe = run_cli("query", SQL, "--lake", lake, "--format", "csv").out
    assert safe.splitlines()[0] == "a,n,c,'+d"
    assert safe.splitlines()[1].split(",")[:2] == ["'=1+1", "-5"]
    raw = run_cli("query", SQL, "--lake", lake, "--format", "csv", "--raw-names").out
    assert raw == "a,n,c,+d\n=1+1,-5,x\x1b\u202e\x9b,@x\n"


def test_a_table_has_no_escapes(lake: str) -> None:
    table = run_cli("query", SQL, "--lake", lake).out
    assert not {"\x1b", "\u202e", "\x9b"} & set(table)
    assert r"\u202e" in table


def test_data_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().print("[bold]A[/bold] :smile: \x1b[31m")
    assert capsys.readouterr().out == "[bold]A[/bold] :smile: \\x1b[31m\n"


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\t=", "\r=", "＝1"])
def test_formulas_are_texts(text: str) -> None:
    assert without_formula(text) == f"'{text}"
    assert without_formula(f"a{text}") == f"a{text}"
    assert printable("BHP é 日本") == "BHP é 日本"


def test_several_results_are_refused(lake: str) -> None:
    assert_one_error(run_cli("query", "SELECT 1; SELECT 2", "--lake", lake), 2, "statement 1 of 2 returns rows")
    variable = "SET VARIABLE x = 3; SELECT getvariable('x') AS x"
    assert run_cli("query", variable, "--lake", lake, "--format", "csv").out == "x\n3\n"
    checked = run_cli("check", "--sql", "SELECT 1; SELECT 2 WHERE false", "--lake", lake)
    assert (checked.code, "several SELECTs" in checked.out) == (4, True)


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "POLYGON_API_KEY", "STOCKSTREAM_POLYGON_URL"])
def test_the_env_file_sets_no_endpoints_and_keys(name: str, lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "")  # counts as not set, and keeps what a trusted .env sets out of this process
    with answering(200) as url:
        Path(".env").write_text(f"{name}={url}\n")
        assert_one_error(run_cli("status", "--lake", lake), 2, name, ".env")
        monkeypatch.setenv("STOCKSTREAM_TRUST_ENV_FILE", "1")
        assert run_cli("status", "--lake", lake).code == 0
        Path(".env").write_text(f"{name}=http://192.0.2.1/\n")
        assert_one_error(run_cli("status", "--lake", lake), 2, name, "http://")


def test_an_env_file_cannot_trust_itself(lake: str) -> None:
    Path(".env").write_text("STOCKSTREAM_TRUST_ENV_FILE=1\nAWS_ENDPOINT_URL=https://192.0.2.1\n")
    assert_one_error(run_cli("status", "--lake", lake), 2, "STOCKSTREAM_TRUST_ENV_FILE", "AWS_ENDPOINT_URL")


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Return the folder for temporary files of this process and of a killed one."""
    path = tmp_path / "temp"
    path.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    temporary.process_folder.cache_clear()
    yield path
    temporary.process_folder.cache_clear()


def test_what_a_killed_process_left_is_named_and_deleted(folder: Path, lake: str) -> None:
    code = (
        "import os, signal; from stockstream.analytics.cli.temporary import process_folder\n"
        "(process_folder() / 'copy.csv').write_text('bars'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(folder)}, check=False)
    (left,) = folder.iterdir()
    (folder / "stockstream-mine").mkdir()  # a user's lake, which has a lock that no one holds
    (folder / "stockstream-mine/.lock").touch()
    os.utime(folder / "stockstream-mine", (0, 0))
    assert str(left) in json.loads(run_cli("status", "--lake", lake, "--json").out)["leftovers"]
    assert json.loads(run_cli("vacuum", "--lake", lake, "--json").out)["temporary"]["folders"] == 1
    assert left.exists()
    assert json.loads(run_cli("vacuum", "--lake", lake, "--delete", "--json").out)["temporary"]["folders"] == 1
    assert not left.exists()
    assert (folder / "stockstream-mine").exists()
    shutil.rmtree(folder / "stockstream-mine")
