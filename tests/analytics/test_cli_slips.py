"""Slips that would have a plausible answer: no lake, unknown names, options twice, variables and digits, signals."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from duckdb import DuckDBPyConnection

from stockstream.analytics.cli.output import show
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import market
from stockstream.pipeline.runner import run
from stockstream.pipeline.sources.base import Answer, Source, Window
from stockstream.sql.errors import ExitCode
from stockstream.sql.session import quoted
from tests.analytics.test_cli import COMMANDS, CSV, Ran, _empty_folder, assert_one_error, bars, run_cli
from tests.s3_server import S3Server

__all__ = ["_empty_folder", "bars"]  # fixtures

ARGUMENTS: dict[str, list[str]] = {
    "query": ["FROM bars"],
    "rollback": ["1"],
    "indicators compute": ["rsi"],
    "backtest": ["--strategy", "BuyAndHold"],
    "reconcile": ["--with", "files:bars.csv"],
    "alerts test": ["move", "--at", "2026-11-17"],
    "paper start": ["mine", "--strategy", "BuyAndHold"],
    "paper stop": ["mine"],
}
"""What a command needs besides the lake."""
WITHOUT_LAKE = {
    "run",
    "backfill",
    "demo",
    "stream",
    "record",
    "indicators list",
    "indicators show",
    "indicators new",
    "alerts list",
    "doctor",
    "schedule",
    "sql",
}
"""Commands that make a lake, or need none."""
ON_A_LAKE = [command for command in COMMANDS if command not in WITHOUT_LAKE]

SYMBOLS = ("BHP", "CBA", "BCPC", "BCpC", "^AXJO", "AUDUSD=X", "BC PRA", "A,B")


class Names(Source):
    """Two bars per symbol, whatever its name."""

    name = "names"

    def fetch(self, con: DuckDBPyConnection, windows: Sequence[Window]) -> Iterator[Answer]:
        """Answer each window with the same bars."""
        for window in windows:
            rows = (
                f"({quoted(window.symbol)}, DATE '{day}', 10.0, 11.0, 9.0, {close}, {volume}, DATE '{day}')"
                for day, close, volume in (("2026-11-16", 10.0, 1000), ("2026-11-17", 10.5, 1100))
            )
            names = "symbol, date, open, high, low, close, volume, price_basis"
            yield Answer((window.symbol,), con.sql(f"SELECT * FROM (VALUES {', '.join(rows)}) AS v ({names})"))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lake with names of every kind, which is built once."""
    folder = tmp_path_factory.mktemp("mixed") / "lake"
    result = run(Lake(str(folder)), Names(), market("ASX"), SYMBOLS, date(2026, 11, 20), date(2026, 11, 16))
    assert (result["status"], result["rows"]) == ("complete", 2 * len(SYMBOLS))
    return folder


@pytest.fixture
def lake(template: Path, tmp_path: Path) -> str:
    return str(shutil.copytree(template, tmp_path / "lake"))


# --- no lake


@pytest.mark.parametrize("command", ON_A_LAKE)
def test_no_command_takes_a_lake_that_is_missing_for_an_empty_one(command: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.csv").write_text(CSV)
    for lake, words in {
        str(tmp_path / "nowhere"): "is no lake: there is no such folder",
        str(tmp_path / "empty"): "is no lake: the folder has no file of a lake",
        str(tmp_path / "file.csv"): "is a file: a lake is a folder",
        "s3:/bucket/prefix": "write s3://, two slashes",
        "": "--lake is empty",
    }.items():
        ran = run_cli(*command.split(), *ARGUMENTS.get(command, []), "--lake", lake)
        assert_one_error(ran, 2, lake, words)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cwd", "empty", "file.csv"]
    assert not list((tmp_path / "empty").iterdir())


@pytest.mark.parametrize("command", ["query", "status", "history", "check", "backtest"])
def test_an_s3_prefix_or_bucket_that_is_missing(command: str, s3: S3Server) -> None:
    bucket = s3.new_bucket()
    arguments = [*command.split(), *ARGUMENTS.get(command, [])]
    assert_one_error(run_cli(*arguments, "--lake", f"s3://{bucket}/typo"), 2, "no object of a lake has this prefix")
    assert_one_error(run_cli(*arguments, "--lake", "s3://no-such-bucket/lake"), 2, "there is no such bucket")


def test_a_run_refuses_a_file_as_its_lake(bars: str, tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    before = path.read_text()
    assert_one_error(run_cli("run", "--source", bars, "--lake", str(path)), 2, "is a file")
    assert path.read_text() == before


# --- symbols


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("bhp", ["BHP"]),
        ("Bhp, CBA,bhp", ["BHP", "CBA"]),
        ("BCpC", ["BCpC"]),
        ("BCPC", ["BCPC"]),
        ("^axjo,AUDUSD=X", ["AUDUSD=X", "^AXJO"]),
        ("BC PRA", ["BC PRA"]),
        ('"A,B",BHP', ["A,B", "BHP"]),
    ],
)
def test_what_is_stored_can_be_asked_for(text: str, symbols: list[str], lake: str) -> None:
    ran = run_cli("indicators", "compute", "sma_2", "--symbols", text, "--lake", lake, "--json")
    assert ran.code == 0, ran.err
    assert sorted({row["symbol"] for row in json.loads(ran.out)}) == symbols
    ran = run_cli("backtest", "--strategy", "BuyAndHold", "--symbols", text, "--lake", lake, "--json")
    assert ran.code == 0, ran.err
    assert sorted(json.loads(ran.out)["setup"]["symbols"]) == symbols


@pytest.mark.parametrize(
    "command", [["indicators", "compute", "rsi"], ["backtest", "--strategy", "BuyAndHold"]], ids=["compute", "backtest"]
)
def test_a_name_that_means_no_symbol_or_two(command: list[str], lake: str) -> None:
    assert_one_error(run_cli(*command, "--symbols", "BPH", "--lake", lake), 2, "no bars of BPH", "did you mean BHP?")
    assert_one_error(run_cli(*command, "--symbols", "bcpc", "--lake", lake), 2, "bcpc may be BCPC or BCpC")
    ran = run_cli("backtest", "--strategy", "BuyAndHold", "--benchmark", "xjo", "--lake", lake)
    assert_one_error(ran, 2, "no bars of the benchmark XJO", "did you mean ^AXJO?")
    ran = run_cli("backtest", "--strategy", "BuyAndHold", "--benchmark", "^axjo", "--lake", lake, "--json")
    assert ran.code == 0, ran.err


def test_a_run_stores_symbols_in_their_letter_case(bars: str, tmp_path: Path) -> None:
    lake = str(tmp_path / "new")
    assert run_cli("run", "--source", bars, "--symbols", "bhp", "--lake", lake).code == 0
    assert (
        run_cli("query", "SELECT DISTINCT symbol FROM bars", "--lake", lake, "--format", "csv").out == "symbol\nBHP\n"
    )
    result = json.loads(run_cli("run", "--source", bars, "--symbols", "BHp", "--lake", lake, "--json").out)
    assert [item["symbol"] for item in result["missing"]] == ["BHp"], "another security than BHP"


# --- slips on the command line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["query", ""], "the query is empty"),
        (["query", " \n"], "the query is empty"),
        (["query", "/* nothing */"], "comments only"),
        (["query", "FROM bars", "--as-of", "٣"], "٣ is no generation"),
        (["status", "--json", "--json"], "--json stands on the command line twice"),
        (["query", "FROM bars", "--format", "csv", "--format", "json"], "--format stands on the command line twice"),
        (["query", "FROM bars", "--json", "--format", "csv"], "contradict each other"),
        (["query", "FROM bars", "--format", "csv", "-o", "x.parquet"], "contradict each other"),
        (["query", "FROM bars", "-o", "x.parqet"], ".txt, .csv, .json, .jsonl, .parquet, .arrow"),
        (["query", "FROM bars", "-o", "x.parqet"], "did you mean .parquet?"),
        (["query", "COPY (SELECT 1) TO 'one.csv'", "-o", "x.csv"], "nothing was written to x.csv"),
        (["indicators", "compute", "rsi", "--start", "2026-11-02", "--end", "2026-11-01"], "is before --start"),
        (["indicators", "compute", "rsi", "--start", "2027-11-02"], "no bars from 2027-11-02 in bars_adjusted"),
        (
            ["indicators", "compute", "rsi", "--symbols", "BHP", "--end", "2020-01-01"],
            "no bars of BHP up to 2020-01-01",
        ),
        (["indicators", "compute", "rsi_١٤"], "is not an indicator"),
        (["indicators", "compute", "rsi", "--start", "٢٠٢٤-٠١-٠١"], "write a day as YYYY-MM-DD"),
        (["run", "--start", "2030-01-01", "--date", "2026-11-20"], "--start 2030-01-01 is after 2026-11-20"),
        (["vacuum", "--retention", "٧d"], "write days or hours"),
        (["backtest", "--strategy", "RSIMeanReversion", "--param", "n=١٤"], "write a number"),
        (["backtest", "--strategy", "BuyAndHold", "--walk-forward", "²:1"], "write the numbers of training"),
        (["resample", "--interval", "٣d"], "is no interval"),
    ],
)
def test_a_slip_is_one_line_and_exit_2(
    arguments: list[str], words: str, lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOCKSTREAM_LAKE", lake)
    assert_one_error(run_cli(*arguments), 2, words)
    assert not list(Path().glob("x.*"))


@pytest.mark.parametrize(
    "arguments", [["vacuum", "--raw-older-than", "٣٠"], ["rollback", "٣"], ["backtest", "--initial-capital", "١٠٠٠"]]
)
def test_digits_of_another_script_are_no_number(arguments: list[str], lake: str) -> None:
    ran = run_cli(*arguments, "--lake", lake)
    assert (ran.code, ran.out) == (2, "")
    assert "Invalid value" in ran.err


def test_a_strategy_whose_query_matches_no_bar(lake: str) -> None:
    Path("mine.py").write_text(
        "from stockstream.analytics.backtest import Strategy\n\n"
        "class Mine(Strategy):\n"
        "    query = \"SELECT 'bhp' AS symbol, DATE '2026-11-16' AS date, 1.0 AS score\"\n\n"
        "    def on_data(self, date, symbol, data, portfolio):\n"
        "        return None\n"
    )
    assert_one_error(run_cli("backtest", "--strategy", "mine.py", "--lake", lake), 2, "no row for any bar")


@pytest.mark.parametrize("where", ["environment", "file"])
def test_a_variable_that_is_no_setting(where: str, lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if where == "environment":
        monkeypatch.setenv("STOCKSTREAM_RESAMPEL", "[]")
    else:
        Path(".env").write_text("STOCKSTREAM_RESAMPEL=[]\n")
    for command in ("check", "query", "status", "backtest"):
        ran = run_cli(command, *ARGUMENTS.get(command, []), "--lake", lake)
        assert_one_error(ran, 2, "there is no setting STOCKSTREAM_RESAMPEL; did you mean STOCKSTREAM_RESAMPLE?")
    assert run_cli("status", "--help").code == 0


def test_the_variable_of_a_source_is_a_setting(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKSTREAM_YAHOO_PAUSE", "1")
    assert run_cli("status", "--lake", lake).err == ""


def test_the_log_level_of_another_program(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "trace")
    ran = run_cli("status", "--lake", lake)
    assert ran.code == 0
    assert ran.messages == [
        "warning: LOG_LEVEL=trace has no effect, it is none of DEBUG, INFO, WARNING, ERROR: set STOCKSTREAM_LOG_LEVEL"
    ]
    monkeypatch.setenv("LOG_LEVEL", "warn")
    assert run_cli("status", "--lake", lake).err == ""
    monkeypatch.setenv("STOCKSTREAM_LOG_LEVEL", "error")
    assert run_cli("status", "--lake", lake).err == ""


# --- files of results


@pytest.mark.parametrize("name", ["x.parquet", "x.csv", "x.json", "x.jsonl", "x.arrow", "x.PARQUET", "x.txt", "x"])
def test_the_name_of_a_file_decides_its_format(name: str, lake: str) -> None:
    sql = "SELECT symbol, volume FROM bars WHERE symbol IN ('BHP', 'CBA') ORDER BY ALL"
    assert run_cli("query", sql, "--lake", lake, "-o", name) == Ran(0, "", "")
    read: dict[str, Any] = {
        ".parquet": pl.read_parquet,
        ".csv": pl.read_csv,
        ".json": pl.read_json,
        ".jsonl": pl.read_ndjson,
        ".arrow": pl.read_ipc,
    }
    rows = [("BHP", 1000), ("BHP", 1100), ("CBA", 1000), ("CBA", 1100)]
    suffix = Path(name).suffix.lower()
    if suffix in read:
        assert read[suffix](Path(name).read_bytes()).rows() == rows
    else:
        assert "│ BHP     │   1000 │" in Path(name).read_text()
    assert [path.name for path in Path().iterdir()] == [name], "no temporary file stays"


def test_a_query_that_fails_keeps_the_file_of_the_last_one(lake: str) -> None:
    Path("real.csv").write_text("before\n")
    Path("x.csv").symlink_to("real.csv")
    sql = "SELECT CASE WHEN range < 500000 THEN range ELSE error('late') END FROM range(600000)"
    assert run_cli("query", sql, "--lake", lake, "-o", "x.csv").code == 1
    assert Path("real.csv").read_text() == "before\n"
    assert run_cli("query", "SELECT 1 AS one", "--lake", lake, "-o", "x.csv").code == 0
    assert Path("real.csv").read_text() == "one\n1\n"
    assert Path("x.csv").is_symlink()
    assert sorted(path.name for path in Path().iterdir()) == ["real.csv", "x.csv"]


# --- rollback


def test_a_rollback_that_loses_tables_needs_a_yes(lake: str) -> None:
    for gone in ("silver", "state/manifests", "state/current.json"):  # each table as a generation of its own
        path = Path(lake) / gone
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert [run_cli(*words.split(), "--lake", lake).code for words in ("consolidate", "indicators refresh")] == [0, 0]
    first = min(row["generation"] for row in json.loads(run_cli("history", "--lake", lake, "--json").out))
    ran = run_cli("rollback", str(first), "--lake", lake)
    assert_one_error(ran, 2, "lacks indicators", "add --yes")
    result = json.loads(run_cli("rollback", str(first), "--lake", lake, "--yes", "--json").out)
    assert result["restores"] == first
    assert_one_error(run_cli("rollback", "99", "--lake", lake), 2, "has no generation 99")


# --- signals

SIGNALS = {
    signal.SIGHUP: (ExitCode.HANGUP, "the terminal was closed"),
    signal.SIGINT: (ExitCode.INTERRUPTED, "interrupted"),
    signal.SIGTERM: (ExitCode.TERMINATED, "terminated"),
}


def started(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start the command as a process whose temporary files are in the folder `temp`."""
    Path("temp").mkdir(exist_ok=True)
    command = [sys.executable, "-c", "from stockstream.analytics.cli import main; main()", *arguments]
    variables = {**os.environ, "TMPDIR": str(Path("temp").absolute()), **environment}
    return subprocess.Popen(command, stdout=-1, stderr=-1, text=True, env=variables, preexec_fn=_heed_signals)


def _heed_signals() -> None:
    """Undo `nohup`, and what a shell does to a job in the background: they let a process ignore signals."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_a_query_with_one_line(number: signal.Signals, lake: str) -> None:
    sql = "SELECT a.range * b.range AS n FROM range(1000000) AS a, range(1000000) AS b"
    with started("query", sql, "--lake", lake, "-o", "x.parquet") as running:
        while not list(Path().glob(".x.parquet*")):
            assert running.poll() is None, running.communicate()
            time.sleep(0.01)
        running.send_signal(number)
        out, err = running.communicate(timeout=60)
    code, message = SIGNALS[number]
    assert (running.returncode, out, err) == (code, "", f"{message}\n")
    assert not list(Path().glob("*x.*"))
    assert not list(Path("temp").iterdir())


@pytest.mark.slow
def test_an_interrupted_query_leaves_no_file_whenever_it_is_interrupted(tmp_path: Path) -> None:
    """DuckDB's threads go on for a moment: they must not create the file after it has been deleted."""
    rounds = 60

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    def show_until(seconds: float, con: DuckDBPyConnection) -> None:
        numbers = con.sql("SELECT a.range * b.range AS n FROM range(1000000) AS a, range(1000000) AS b")
        signal.setitimer(signal.ITIMER_REAL, seconds)
        show(con, numbers, "parquet", tmp_path / "x.parquet")

    before = signal.signal(signal.SIGALRM, stop)
    try:
        for number in range(rounds):
            with duckdb.connect() as con:
                with pytest.raises((KeyboardInterrupt, RuntimeError, duckdb.Error)):
                    show_until(0.0005 + 0.004 * number / rounds, con)
                time.sleep(0.01)
                assert not list(tmp_path.glob("*x.*")), number
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.slow
def test_a_signal_ends_a_run_that_waits_for_its_source(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        arguments = ("run", "--symbols", "BHP", "--lake", str(tmp_path / "new"))
        with started(*arguments, STOCKSTREAM_YAHOO_URL=url) as running:
            server.accept()  # and never answer
            running.send_signal(signal.SIGTERM)
            out, err = running.communicate(timeout=60)
    lines = [line for line in err.splitlines() if not line.startswith("{")]
    assert (running.returncode, out) == (143, "")
    assert lines == ["terminated: the stored bars stay, and the same command continues from there"]
    assert not list(Path("temp").iterdir())


# --- the table of exit codes


def test_readme_has_the_table_of_exit_codes() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    for code in ExitCode:
        assert f"| {int(code)} | {code.meaning} |" in readme
