"""The command line: help, exit codes, one line per error, output streams, settings, unusual paths."""

from __future__ import annotations

import importlib.util
import io
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import duckdb
import polars as pl
import pytest
from typer.main import get_command

from stockstream.analytics import cli
from stockstream.analytics.cli import registry, temporary
from stockstream.analytics.cli.logs import NOISY
from stockstream.pipeline.configuration import settings
from stockstream.sql.errors import ExitCode
from tests.yahoo_replay import NOT_FOUND, Reply, YahooReplay, chart

CSV = """symbol,date,open,high,low,close,volume
BHP,2026-11-16,40,42,39.5,41.5,1000
BHP,2026-11-17,41,43,40.5,42.5,1100
CBA,2026-11-16,150,152,149,151,500
CBA,2026-11-17,151,153,150,152,600
"""


def _commands() -> list[str]:
    """Return the names of all commands, and of those in groups: `indicators list`."""
    root = get_command(cli.app)
    commands = {name: root.get_command(None, name) for name in root.list_commands(None)}  # type: ignore[attr-defined]
    groups = {name: command.commands for name, command in commands.items() if hasattr(command, "commands")}
    inner = [f"{group} {name}" for group, members in groups.items() for name in members]
    return [name for name in commands if name not in groups] + inner


COMMANDS = _commands()
WITHOUT_DATA = ("shell", "indicators new", "mcp")


@dataclass(frozen=True)
class Ran:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def messages(self) -> list[str]:
        """The lines on standard error that are not log records."""
        return [line for line in self.err.splitlines() if not line.startswith("{")]


def run_cli(*arguments: str, stdin: str = "") -> Ran:
    """Run a command inside this process, with a pipe for each of its three standard streams."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    settings.cache_clear()
    with _own_logging(), warnings.catch_warnings(), redirect_stdout(out), redirect_stderr(err):
        warnings.simplefilter("always")
        for unseen in (DeprecationWarning, PendingDeprecationWarning, ResourceWarning):  # as Python itself does
            warnings.simplefilter("ignore", unseen)
        with (
            patch.object(sys, "argv", ["stockstream", *arguments]),
            patch.object(sys, "stdin", io.StringIO(stdin)),
            patch.object(boto3, "DEFAULT_SESSION", None),  # otherwise boto3 keeps the credentials of the first test
        ):
            try:
                cli.main()
                code: Any = 0
            except SystemExit as stop:
                code = stop.code or 0
    read = [stream.buffer.getvalue().decode() for stream in (out, err)]  # type: ignore[attr-defined]
    return Ran(int(code), *read)


@contextmanager
def _own_logging() -> Iterator[None]:
    """Let a command configure logging, and restore the handlers of pytest afterwards without closing them."""
    levels = [(logging.getLogger(name), logging.getLogger(name).level) for name in (None, *NOISY)]
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # the S3 server's own log, which shares the process
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []
    try:
        yield
    finally:
        root.handlers = handlers
        for logger, level in levels:
            logger.setLevel(level)


def process(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run the real command as a process of its own."""
    command = [sys.executable, "-c", "from stockstream.analytics.cli import main; main()", *arguments]
    return subprocess.run(command, text=True, timeout=60, **({"capture_output": True} | more))


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test in a folder without .env and lake, so that only the settings of the test apply."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")


@pytest.fixture
def bars(tmp_path: Path) -> str:
    (tmp_path / "bars.csv").write_text(CSV)
    return f"files:{tmp_path / 'bars.csv'}"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lake with two symbols, which is built once."""
    folder = tmp_path_factory.mktemp("template")
    (folder / "bars.csv").write_text(CSV)
    ran = run_cli("run", "--source", f"files:{folder / 'bars.csv'}", "--lake", str(folder / "lake"))
    assert ran.code == 0, ran.err
    return folder / "lake"


@pytest.fixture
def lake(template: Path, tmp_path: Path) -> str:
    return str(shutil.copytree(template, tmp_path / "lake"))


def assert_one_error(ran: Ran, code: int, *words: str) -> None:
    """Check the exit code, one line on standard error with some words, and an empty standard output."""
    assert ran.code == code, ran
    assert ran.out == ""
    assert len(ran.messages) == 1, ran.err
    assert ran.messages[0].startswith("error: ")
    for word in words:
        assert word in ran.messages[0]


# --- help, version, completion


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example_and_json(command: str) -> None:
    ran = run_cli(*command.split(), "--help")
    assert ran.code == 0
    assert f"Example: stockstream {command}" in ran.out
    assert ("--json" in ran.out) == (command not in WITHOUT_DATA)
    assert "\x1b" not in ran.out


def test_help_lists_every_command_and_the_exit_codes() -> None:
    ran = run_cli("--help")
    text = " ".join(ran.out.split())
    for code in ExitCode:
        assert f"{int(code)} {code.meaning}" in text
    assert {command.split()[0] for command in COMMANDS} <= set(ran.out.split())


def test_help_shows_the_panels_in_order() -> None:
    titles = re.findall(r"╭─ (.+?) ─+╮", run_cli("--help").out)
    assert titles == ["Options", *(panel.value for panel in registry.Panel)]


def test_two_commands_cannot_have_the_same_place() -> None:
    with pytest.raises(ValueError, match="place 10 in the panel Query"):
        registry.command("another", registry.Panel.QUERY, 10)(lambda: None)
    with pytest.raises(ValueError, match="query: another command has this name"):
        registry.command("query", registry.Panel.QUERY, 11)(lambda: None)


def test_version_is_the_package_s() -> None:
    assert run_cli("--version") == Ran(0, f"stockstream {metadata.version('stock-stream')}\n", "")


NAMED_SHELL = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
"""A switch of Typer: the options for completion take the name of the shell, and do not look at the parent process."""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_is_shown(shell: str) -> None:
    result = process("--show-completion", shell, env=os.environ | NAMED_SHELL)
    assert (result.returncode, result.stderr) == (0, "")
    assert f"_STOCKSTREAM_COMPLETE=complete_{shell}" in result.stdout


def test_completion_is_installed(tmp_path: Path) -> None:
    environment = os.environ | NAMED_SHELL | {"HOME": str(tmp_path)}
    result = process("--install-completion", "bash", env=environment)
    assert result.returncode == 0, result
    assert "_STOCKSTREAM_COMPLETE" in (tmp_path / ".bash_completions/stockstream.sh").read_text()


@pytest.mark.parametrize(
    ("words", "completions"),
    [
        ("stockstream back", {"backfill", "backtest"}),
        ("stockstream query --format ", {"table", "csv", "json", "parquet"}),
        ("stockstream indicators re", {"refresh"}),
    ],
)
def test_completion_completes_commands_and_values(words: str, completions: set[str]) -> None:
    place = str(len(words.split(" ")) - 1)
    variables = {"_STOCKSTREAM_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": place}
    assert set(process(env=os.environ | variables).stdout.split()) == completions


# --- former names, and mistyped names


def test_the_old_names_of_days_work_and_are_hidden() -> None:
    """`--start-date` is rejected for its value only, and so the option exists."""
    texts = {command: run_cli(*command.split(), "--help").out for command in COMMANDS}
    with_days = {command: text for command, text in texts.items() if "--start" in text}
    assert {"run", "backfill", "backtest"} <= with_days.keys()
    for command, help_text in with_days.items():
        assert "--end" in help_text or command in ("run", "paper start")
        assert "-date" not in help_text.replace("--date", "")
        required = {
            "indicators compute": ["rsi_14"],
            "backtest": ["--strategy", "BuyAndHold"],
            "paper start": ["one", "--strategy", "BuyAndHold"],
        }.get(command, [])
        ran = run_cli(*command.split(), *required, "--start-date", "soon")
        assert_one_error(ran, 2, "--start soon: write a day as YYYY-MM-DD")


def test_the_old_name_of_the_listings_is_the_same_source(lake: str) -> None:
    assert "generation" in run_cli("metadata", "--source", "listings", "--lake", lake).out
    ran = run_cli("metadata", "--source", "directory", "--lake", lake)
    assert (ran.code, ran.out.split(":")[0]) == (0, "metadata   up to date")


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (["stauts"], "'status'"),
        (["indicators", "comptue"], "'compute'"),
        (["query", "--formt", "csv", "FROM bars"], "--format"),
        (["query", "--format", "jsn", "FROM bars"], "Did you mean json?"),
        (["vacuum", "--raw", "archiv"], "Did you mean archive?"),
        (["run", "--market", "AXS"], "did you mean ASX?"),
        (["run", "--source", "yaho"], "did you mean yahoo?"),
        (["backtest", "--strategy", "buyandhold"], "did you mean BuyAndHold?"),
        (["backtest", "--strategy", "BuyAndHold", "--symbols", "bph"], "no bars of BPH: there is no such symbol"),
        (["backtest", "--strategy", "BuyAndHold", "--symbols", "bph"], "did you mean BHP?"),
        (["indicators", "compute", "sma_2", "--symbols", "bph"], "no bars of BPH in bars; did you mean BHP?"),
    ],
)
def test_a_mistyped_name_is_answered_with_the_near_ones(
    arguments: list[str], near: str, lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOCKSTREAM_LAKE", lake)
    ran = run_cli(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert near in " ".join(ran.err.replace("│", " ").split())


def test_symbols_are_upper_case_and_counted_once(lake: str) -> None:
    ran = run_cli(
        *("indicators", "compute", "sma_2", "--symbols", "cba, bhp,CBA", "--start", "2026-11-17", "--format", "csv"),
        *("--lake", lake),
    )
    assert (ran.code, ran.out) == (0, "symbol,date,close,sma_2\nBHP,2026-11-17,42.5,42.0\nCBA,2026-11-17,152.0,151.5\n")


# --- exit codes of run


def yahoo_bars(symbol: str) -> Any:
    return chart(symbol, [(date(2026, 11, 16), 1.0, 2.0, 0.5, 1.5, 100), (date(2026, 11, 17), 1.5, 2.5, 1.0, 2.0, 100)])


@pytest.mark.parametrize(
    ("available", "code", "status"), [(["BHP", "CBA"], 0, "complete"), (["BHP"], 3, "partial"), ([], 1, "failed")]
)
def test_run_tells_how_much_could_be_had(
    available: list[str], code: int, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with YahooReplay() as yahoo:
        for symbol in ("BHP", "CBA"):
            yahoo.script(f"{symbol}.AX", yahoo_bars(f"{symbol}.AX") if symbol in available else NOT_FOUND)
        monkeypatch.setenv("STOCKSTREAM_YAHOO_URL", yahoo.url)
        ran = run_cli(
            *("run", "--symbols", "bhp, cba", "--start", "2026-11-01", "--date", "2026-11-18", "--json"),
            *("--lake", str(tmp_path / "new")),
        )
    assert ran.code == code, ran.err
    result = json.loads(ran.out)
    assert ran.out.count("\n") == 1
    assert result["status"] == status
    assert [item["symbol"] for item in result["missing"]] == [s for s in ("BHP", "CBA") if s not in available]
    assert result["rows"] == 2 * len(available)
    records = [json.loads(line) for line in ran.err.splitlines()]  # every line is one record
    assert {"time", "level", "logger", "message", "environment"} <= set(records[0])
    assert "\x1b" not in ran.out + ran.err


def test_run_without_json_names_the_missing(tmp_path: Path, bars: str) -> None:
    ran = run_cli("run", "--source", bars, "--symbols", "BHP,NONE", "--lake", str(tmp_path / "new"))
    assert ran.code == 3
    assert "stored     2 rows in 1 files, 2026-11-16 to 2026-11-17" in ran.out
    assert "NONE: not in " in ran.out
    assert "\x1b" not in ran.out + ran.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--source", "bloomberg"], ["no source bloomberg", "alpaca, demo, eodhd, files:PATH, polygon"]),
        (["run", "--source", "files:nowhere.csv"], ["nowhere.csv", "no such file"]),
        (["run", "--source", "polygon"], ["polygon has the US market only"]),
        (["run", "--market", "LSE"], ["no market LSE", "ASX, US"]),
        (["run", "--date", "18.11.2026"], ["--date 18.11.2026", "YYYY-MM-DD"]),
        (["run", "--start", "2026-02-30"], ["--start 2026-02-30", "YYYY-MM-DD"]),
        (["run", "--start", "20260203"], ["--start 20260203", "YYYY-MM-DD"]),
        (["indicators", "compute", "rsi", "--end", "today"], ["--end today", "YYYY-MM-DD"]),
        (
            ["indicators", "compute", "rsi", "--symbols", "B HP", "--lake", "LAKE"],
            ["no bars of B HP", "did you mean BHP"],
        ),
        (["backtest", "--strategy", "BuyAndHold", "--symbols", ","], ["nothing is no symbol"]),
        (["backfill", "--start", "2026-02-02", "--end", "2026-02-01"], ["--end 2026-02-01 is before"]),
        (["run", "--symbols", f"BHP,{'B' * 33}"], ["is no symbol", "33 characters, more than 32"]),
        (["run", "--symbols", "BHP,B\tHP"], ["is no symbol", "cannot be printed"]),
        (["run", "--symbols", " , "], ["nothing is no symbol"]),
        (["run", "--source", "BARS", "--column", "close"], ["--column close", "ours=theirs"]),
        (["run", "--source", "BARS", "--column", "shut=Last"], ["--column shut="]),
        (["run", "--source", "BARS", "--column", "close=Last"], ["--column close=Last", "symbol, date, open"]),
        (["run", "--source", "BARS", "--prices", "cheap"], ["--prices cheap", "as-traded"]),
        (["run", "--source", "BARS", "--prices", "adjusted:someday"], ["--prices adjusted:someday"]),
        (["run", "--source", "BARS", "--market", "US", "--lake", "LAKE"], ["holds the ASX market"]),
        (["demo", "--lake", "LAKE"], ["holds the ASX market"]),
        (["status", "--lake", "s3://"], ["s3:// names no bucket"]),
        (["query", "--lake", "s3:///x", "FROM bars"], ["s3:///x names no bucket"]),
        (["shell", "--lake", "gs://bucket"], ["gs://bucket is no lake"]),
        (["query", "nowhere.sql", "--lake", "LAKE"], ["cannot read nowhere.sql"]),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(arguments: list[str], words: list[str], lake: str, bars: str) -> None:
    if arguments[0] == "demo" and importlib.util.find_spec("bokeh_sampledata") is None:
        pytest.skip("bokeh-sampledata is not installed: pip install '.[demo]'")
    assert_one_error(run_cli(*({"BARS": bars, "LAKE": lake}.get(a, a) for a in arguments)), 2, *words)


@pytest.mark.parametrize(
    "arguments", [["query", "FROM bars", "--format", "xml"], ["run", "--nope"], ["fetch"], ["backfill"], ["query"]]
)
def test_what_the_parser_refuses_is_exit_2(arguments: list[str]) -> None:
    ran = run_cli(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "Usage: stockstream" in ran.err
    assert "Traceback" not in ran.err


# --- query


@pytest.mark.parametrize("how", ["argument", "file", "stdin"])
def test_query_takes_sql_from_anywhere(how: str, lake: str, tmp_path: Path) -> None:
    sql = "SELECT symbol, close FROM bars WHERE date = '2026-11-17' ORDER BY ALL"
    (tmp_path / "close.sql").write_text(sql)
    text = {"argument": sql, "file": str(tmp_path / "close.sql"), "stdin": "-"}[how]
    ran = run_cli("query", text, "--lake", lake, "--format", "csv", stdin=sql)
    assert ran == Ran(0, "symbol,close\nBHP,42.5\nCBA,152.0\n", "")


@pytest.mark.parametrize("where", ["stdout", "file"])
@pytest.mark.parametrize("format", ["table", "csv", "json", "parquet"])
def test_query_writes_every_format(format: str, where: str, lake: str, tmp_path: Path) -> None:
    arguments = ["query", "SELECT symbol, volume FROM bars ORDER BY ALL", "--lake", lake, "--format", format]
    path = tmp_path / "result"
    if where == "file":
        ran = run_cli(*arguments, "-o", str(path))
        assert ran == Ran(0, "", "")
    else:
        with path.open("wb") as file:  # a file, because Parquet is binary
            result = process(*arguments, capture_output=False, stdout=file, stderr=subprocess.PIPE)
        assert (result.returncode, result.stderr) == (0, "")
    rows = [("BHP", 1000), ("BHP", 1100), ("CBA", 500), ("CBA", 600)]
    if format == "table":
        cells = [tuple(cell.strip() for cell in line.split("│")[1:-1]) for line in path.read_text().splitlines()]
        assert [row for row in cells if row and row[0] in ("BHP", "CBA")] == [(s, str(v)) for s, v in rows]
    else:
        read = {"csv": pl.read_csv, "json": pl.read_json, "parquet": pl.read_parquet}[format]
        assert read(path).rows() == rows


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELEC 1", "syntax error"),
        ("FROM nowhere", "nowhere"),
        ("SELECT clse FROM bars", "clse"),
        ("SELECT error('my own')", "my own"),
        ("SELECT CAST(symbol AS INT) FROM bars", "Could not convert string"),
        ("COPY (SELECT 1) TO 'no/such/folder.csv'", "no/such/folder.csv"),
    ],
)
@pytest.mark.parametrize("format", ["table", "csv"])
def test_wrong_sql_is_one_message(sql: str, words: str, format: str, lake: str) -> None:
    ran = run_cli("query", sql, "--lake", lake, "--format", format)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.count("error: ") == 1
    assert words in ran.err
    assert f"cannot read {lake}" not in ran.err  # the error is not reported as the lake's
    assert "Traceback" not in ran.err


def test_query_that_gives_no_rows_prints_nothing(lake: str, tmp_path: Path) -> None:
    path = tmp_path / "copy.csv"
    assert run_cli("query", f"COPY (FROM bars) TO '{path}'", "--lake", lake) == Ran(0, "", "")
    assert path.read_text().startswith("symbol,date,")


def test_query_cannot_write_its_file(lake: str) -> None:
    assert_one_error(run_cli("query", "SELECT 1", "--lake", lake, "-o", "no/such/file"), 1, "cannot write no/such/file")


def test_redirected_output_is_appended_to(lake: str, tmp_path: Path) -> None:
    """DuckDB's own /dev/stdout would truncate the file."""
    path = tmp_path / "log"
    path.write_text("before\n")
    for _ in range(2):
        with path.open("a") as file:
            result = process(
                "query", "SELECT 1 AS one", "--lake", lake, "--format", "csv", capture_output=False, stdout=file
            )
        assert result.returncode == 0
    assert path.read_text() == "before\none\n1\none\n1\n"


@pytest.mark.parametrize("rows", [1, 1_000_000])
def test_a_reader_that_goes_away_gets_no_traceback(rows: int, lake: str) -> None:
    """`stockstream query ... | head -1`, with a result that fits into the pipe's buffer, and one that does not."""
    command = [sys.executable, "-c", "from stockstream.analytics.cli import main; main()"]
    command += ["query", f"FROM range({rows})", "--lake", lake, "--format", "csv"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout
        assert running.stderr
        if rows > 1:
            assert running.stdout.readline() == "range\n"
        running.stdout.close()
        assert running.stderr.read() == ""
    assert running.returncode in (0, 1)


def test_interrupt_ends_a_command_quietly() -> None:
    os.mkfifo("waiting.sql")
    command = [sys.executable, "-c", "from stockstream.analytics.cli import main; main()", "query", "waiting.sql"]
    with (
        subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as running,
        Path("waiting.sql").open("w"),  # opened as soon as the command reads its SQL
    ):
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (130, "")
    assert "Traceback" not in err


# --- status


def test_status_tells_what_the_lake_holds(lake: str) -> None:
    ran = run_cli("status", "--lake", lake)
    assert (ran.code, ran.err) == (0, "")
    assert "bars        4 of 2 symbols, 2026-11-16 to 2026-11-17" in ran.out
    status = json.loads(run_cli("status", "--lake", lake, "--json").out)
    assert (status["bars"], status["symbols"], status["listed"], status["gaps"]) == (4, 2, 2, 0)
    assert (status["batch_files"], status["unreadable_files"], status["market"]) == (1, 0, "ASX")
    assert status["last_session"] >= "2026-11-17"


@pytest.mark.parametrize("there", [True, False])
def test_status_of_a_lake_without_bars(there: bool, tmp_path: Path) -> None:
    lake = tmp_path / "empty"
    if there:
        lake.mkdir()
    ran = run_cli("status", "--lake", str(lake))
    assert_one_error(ran, 2, str(lake), "is no lake", "the folder has no file" if there else "no such folder")
    assert lake.exists() == there  # the command does not create the folder


def test_status_of_a_lake_that_a_run_has_prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All symbols are missing, and the lake has its market and its calendar."""
    lake = tmp_path / "prepared"
    monkeypatch.setattr(temporary, "leftovers", lambda: [])  # of other tests, which kill processes
    with YahooReplay() as yahoo:
        yahoo.script("BHP.AX", NOT_FOUND)
        monkeypatch.setenv("STOCKSTREAM_YAHOO_URL", yahoo.url)
        assert run_cli("run", "--symbols", "BHP", "--lake", str(lake)).code == 1
    ran = run_cli("status", "--lake", str(lake))
    assert ran == Ran(0, f"{lake} holds no bars yet: `stockstream run` fills it\n", "")
    status = json.loads(run_cli("status", "--lake", str(lake), "--json").out)
    assert (status["bars"], status["batch_files"], status["market"], status["first_date"]) == (0, 0, "ASX", None)


@pytest.mark.parametrize("content", [b"", b"no Parquet at all", "cut"])
def test_an_unreadable_file_is_named_and_the_rest_served(content: bytes | str, lake: str) -> None:
    (good,) = Path(lake, "raw-data").iterdir()
    bad = good.with_name("2026-11-01-batch-7.parquet")
    bad.write_bytes(good.read_bytes()[:-20] if isinstance(content, str) else content)
    for command in (["status", "--json"], ["query", "SELECT count(*) AS bars FROM bars", "--format", "json"]):
        ran = run_cli(*command, "--lake", lake)
        assert ran.code == 3
        document = json.loads(ran.out)
        assert (document if isinstance(document, dict) else document[0])["bars"] == 4
        assert not isinstance(document, dict) or document["unreadable_files"] == 1
        assert len(ran.messages) == 1
        assert ran.messages[0].startswith(f"warning: {bad} is left out")


@pytest.mark.parametrize("key", ["state/sessions.parquet", "state/lake.json", "symbols/2026-11-30-symbols.csv"])
def test_status_names_another_damaged_file(key: str, lake: str) -> None:
    Path(lake, key).write_text('symbol,name,sector,market_cap\nno",\n')
    assert_one_error(run_cli("status", "--lake", lake), 1, Path(key).name)


# --- settings


@pytest.mark.parametrize("where", ["environment", "file"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STOCKSTREAM_LOG_LEVEL", "loud"),
        ("STOCKSTREAM_START", "yesterday"),
        ("STOCKSTREAM_START", "٢٠٢٤-٠١-٠١"),
        ("STOCKSTREAM_RESAMPLE", '["3d", "fortnightly"]'),
        ("STOCKSTREAM_RESAMPLE", "[]"),
        ("STOCKSTREAM_TRAILING_SESSIONS", "٣"),
        ("STOCKSTREAM_MARKET", "LSE"),
        ("STOCKSTREAM_RETRY_ATTEMPTS", "0"),
        ("STOCKSTREAM_ASX_FALLBACK_URLS", "https://not.json"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(
    name: str, value: str, where: str, lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if where == "environment":
        monkeypatch.setenv(name, value)
    else:
        monkeypatch.delenv(name, raising=False)
        Path(".env").write_text(f"{name}={value}\n")
    assert_one_error(run_cli("status", "--lake", lake), 2, name)


def test_env_file_is_honoured_and_the_environment_is_stronger(
    lake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(".env").write_text(f"STOCKSTREAM_LAKE={lake}\nLOG_LEVEL=ERROR\n")
    assert f"lake        {lake} (ASX)" in run_cli("status").out
    monkeypatch.setenv("STOCKSTREAM_LAKE", str(tmp_path / "other"))
    assert_one_error(run_cli("status"), 2, f"{tmp_path / 'other'} is no lake")
    assert f"lake        {lake} (ASX)" in run_cli("status", "--lake", lake).out
    monkeypatch.delenv("STOCKSTREAM_LAKE")
    Path(".env").unlink()
    assert_one_error(run_cli("status"), 2, "error: lake is no lake")  # ./lake


def test_bucket_of_the_env_file_is_the_lake(s3: Any, lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = s3.new_bucket()
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("STOCKSTREAM_TRUST_ENV_FILE", "1")
    Path(".env").write_text(f"S3_BUCKET_NAME={bucket}\nAWS_ENDPOINT_URL={s3.url}\n")
    assert_one_error(run_cli("status"), 2, f"s3://{bucket} is no lake")
    for path in Path(lake).rglob("*.*"):
        if path.is_file():
            s3.client().put_object(Bucket=bucket, Key=str(path.relative_to(lake)), Body=path.read_bytes())
    assert run_cli("query", "SELECT count(*) AS n FROM bars", "--format", "csv") == Ran(0, "n\n4\n", "")


@pytest.mark.parametrize("status", [401, 403, 500])
def test_the_polygon_key_is_never_printed(status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is neither in messages nor in the HTTP library's log records at the lowest level."""
    with YahooReplay() as server, patch.object(YahooReplay, "answer", lambda *_: Reply(status, b'{"error": "no"}')):
        monkeypatch.setenv("POLYGON_API_KEY", "s3cr3t-k3y")
        monkeypatch.setenv("STOCKSTREAM_POLYGON_URL", server.url)
        monkeypatch.setenv("STOCKSTREAM_POLYGON_CALLS_PER_MINUTE", "6000")
        monkeypatch.setenv("LOG_LEVEL", "DEBUG")
        ran = run_cli(
            *("run", "--source", "polygon", "--market", "US", "--symbols", "IBM", "--start", "2026-11-01"),
            *("--date", "2026-11-18", "--json", "--lake", str(tmp_path / "new")),
        )
        assert server.requests
    assert ran.code == 1, ran.err
    assert "s3cr3t" not in ran.out + ran.err


# --- unusual paths


ODD_NAMES = ("a lake", "o'lake", 'a "lake"', "läke", "a%20b", "a#b", "{a,b}", "-lake")


@pytest.mark.parametrize(
    "name",
    ['-o\'läke "a%20b" #{a,b}', *(pytest.param(name, marks=pytest.mark.large) for name in ODD_NAMES)],
)
def test_a_lake_may_have_any_name(name: str, bars: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = str(tmp_path / name)
    assert run_cli("run", "--source", bars, "--lake", lake).code == 0
    assert run_cli("query", "SELECT count(*) AS n FROM bars", "--format", "csv", "--lake", lake).out == "n\n4\n"
    assert json.loads(run_cli("status", "--lake", lake, "--json").out)["listed"] == 2
    monkeypatch.chdir(tmp_path)
    shell = process("shell", f"--lake=./{name}", "--", "-csv", "-c", "SELECT count(*) AS n FROM bars")
    assert shell.stdout.splitlines()[1:] == ["n", "4"], shell


@pytest.mark.parametrize("name", ["a[x]", "a*b", "what?"])
def test_a_pattern_is_refused_as_a_lake(name: str, bars: str, tmp_path: Path) -> None:
    """DuckDB would read the path as a pattern, which matches no file, or those of another lake."""
    lake = str(tmp_path / name)
    for command in (["run", "--source", bars], ["query", "FROM bars"], ["status"], ["shell"]):
        assert_one_error(run_cli(*command, "--lake", lake), 2, lake, "patterns")
    assert not Path(lake).exists()


def test_home_is_understood(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(Path(lake).parent))
    assert "bars        4 of 2 symbols" in run_cli("status", "--lake", "~/lake/").out
    monkeypatch.setenv("STOCKSTREAM_LAKE", "~/lake")
    assert run_cli("query", "SELECT count(*) AS n FROM bars", "--format", "csv").out == "n\n4\n"


def test_a_temporary_folder_may_have_any_name(bars: str, tmp_path: Path) -> None:
    odd = tmp_path / "o'brien's temp"
    odd.mkdir()
    environment = os.environ | {"TMPDIR": str(odd), "STOCKSTREAM_LAKE": str(tmp_path / "new")}
    assert process("run", "--source", bars, env=environment).returncode == 0
    sql = "SELECT count(*) AS n FROM bars"
    assert process("query", sql, "--format", "csv", env=environment).stdout == "n\n4\n"
    shell = process("shell", "--", "-csv", "-c", sql, env=environment)
    assert shell.stdout.splitlines()[1:] == ["n", "4"], shell
    assert not list(odd.iterdir())  # and nothing is left behind


def test_shell_passes_its_exit_code_on(lake: str) -> None:
    result = process("shell", "--lake", lake, "--", "-c", "FROM nowhere")
    assert result.returncode == 1
    assert "nowhere" in result.stderr
    assert re.search(r"1 batch files, the newest of \d{4}-\d\d-\d\d", result.stdout)
    assert "\x1b" not in result.stdout
    assert duckdb.__version__ in process("shell", "--lake", lake, "--", "-c", "SELECT version()").stdout
