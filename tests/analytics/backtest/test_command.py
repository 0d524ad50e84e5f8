"""The command runs a strategy and writes its files; wrong usage is one line on standard error and exit code 2."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import duckdb
import pytest

from stockstream.analytics.backtest import BuyAndHold, backtest
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.steps.consolidate import run as consolidate
from tests.analytics.backtest._command import DAYS, assert_refused, fetch, rows_of, run_backtest
from tests.s3_server import S3Server

FILES = [
    "equity.csv", "equity.parquet", "ledger.csv", "ledger.parquet", "orders.csv", "orders.parquet", "report.html",
    "result.json", "trades.csv", "trades.parquet", "transactions.csv", "transactions.parquet",
]  # fmt: skip


def test_a_run_is_exit_0_and_leaves_its_files(mine: str, lake: str) -> None:
    ran = run_backtest(f"{mine}:Mine", lake, "--symbols", "aaa")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Mine(size=3, fail=False, note=) on AAA\n60 sessions, 2020-06-01 to 2020-08-24")
    assert sorted(file.name for file in Path("backtests/Mine").iterdir()) == FILES
    assert duckdb.sql("SELECT symbol, quantity FROM 'backtests/Mine/transactions.parquet'").fetchall() == [("AAA", 3)]
    assert duckdb.sql("SELECT count(*) FROM 'backtests/Mine/equity.csv'").fetchall() == [(60,)]


WITH_MODULES = (
    "import atexit, sys; from stockstream.analytics.cli import main\n"
    "atexit.register(lambda: print('modules:', *sys.modules)); main()"
)


def test_a_run_does_not_import_pandas(lake: str) -> None:
    """pyarrow's own conversions import it, which takes as long as a small run."""
    options = ["--strategy", "MovingAverageCrossover", "--param", "fast=3", "--param", "slow=8", "--lake", lake]
    ran = subprocess.run(
        [sys.executable, "-c", WITH_MODULES, "backtest", *options, "--start", "2020-06-15"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    modules = ran.stdout.rpartition("modules: ")[2].split()
    assert "pyarrow" in modules
    assert "pandas" not in modules


def test_a_strategy_that_fails_is_exit_1_and_what_was_reached_is_kept(mine: str, lake: str) -> None:
    ran = run_backtest(mine, lake, "--param", "fail=true", "--json", "-o", "here")
    assert ran.code == 1
    assert ran.err.startswith("error: Mine.on_data failed on 2020-08-03 at AAA: RuntimeError: it is August (")
    assert ran.err.endswith("; the results up to then are in here\n")
    assert ran.err.count("\n") == 1
    assert sorted(file.name for file in Path("here").iterdir()) == FILES
    assert duckdb.sql("SELECT max(date) FROM 'here/equity.parquet'").fetchall() == [(date(2020, 7, 31),)]
    assert json.loads(ran.out)["error"] == json.loads(Path("here/result.json").read_text())["error"] is not None


def test_a_strategy_that_fails_before_the_first_session_leaves_its_files_too(mine: str, lake: str) -> None:
    ran = run_backtest("PairsTrade", lake, "--symbols", "AAA", "-o", "here")
    assert ran.code == 1
    assert "PairsTrade takes two symbols, not 1" in ran.err
    assert ran.err.count("\n") == 1
    assert sorted(file.name for file in Path("here").iterdir()) == FILES
    assert duckdb.sql("FROM 'here/equity.parquet'").fetchall() == []


def test_json_is_the_result_and_nothing_else(mine: str, lake: str) -> None:
    ran = run_backtest(mine, lake, "--json", "--initial-capital", "5000")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == Path("backtests/Mine/result.json").read_text()
    document = json.loads(ran.out)
    assert document["setup"]["params"] == {"size": 3, "fail": False, "note": ""}
    assert (document["setup"]["initial_capital"], document["setup"]["symbols"]) == (5000, ["AAA", "BBB"])


def test_positions_that_are_open_at_the_end_are_printed_and_in_the_json(mine: str, lake: str) -> None:
    ran = run_backtest(mine, lake)
    closes = dict(duckdb.sql("SELECT symbol, price FROM 'backtests/Mine/transactions.parquet'").fetchall())
    document = json.loads(run_backtest(mine, lake, "--json").out)
    positions = {one["symbol"]: one for one in document["open_positions"]}
    assert {symbol: one["quantity"] for symbol, one in positions.items()} == {"AAA": 3, "BBB": 3}
    assert {symbol: one["entry_price"] for symbol, one in positions.items()} == closes
    worth = sum(one["value"] for one in positions.values())
    equity, cash = duckdb.sql("SELECT equity, cash FROM 'backtests/Mine/equity.parquet' ORDER BY date").fetchall()[-1]
    assert worth == pytest.approx(equity - cash)
    assert f"open at the end, worth {worth:,.2f}: AAA 3, BBB 3\n" in ran.out
    closed = run_backtest(mine, lake, "--at-end", "close")
    assert "open at the end" not in closed.out
    assert json.loads(Path("backtests/Mine/result.json").read_text())["open_positions"] == []


def test_a_second_run_gives_the_same_bytes_of_every_file(mine: str, lake: str) -> None:
    for folder in ("one", "two"):
        assert run_backtest("RSIMeanReversion", lake, "--benchmark", "BBB", "-o", folder).code == 0
    one, two = ({file.name: file.read_bytes() for file in Path(folder).iterdir()} for folder in ("one", "two"))
    assert sorted(one) == FILES
    assert one == two
    assert b"AAA" in one["transactions.csv"]


@pytest.mark.parametrize(
    ("strategy", "arguments", "words"),
    [
        ("MINE", ["--symbols", "AAC"], "no bars of AAC: there is no such symbol; did you mean AAA?"),
        (
            "MINE",
            ["--start", "2021-01-01", "--end", "2020-01-01"],
            "the range ends (2020-01-01) before it starts",
        ),
        ("MINE", ["--start", "soon"], "--start soon: write a day as YYYY-MM-DD"),
        ("MINE", ["--param", "speed=3"], "Mine has no parameter speed: it takes size = 3, fail = False, note = "),
        ("MINE", ["--param", "size=big"], "--param size=big: write a number"),
        ("MINE", ["--param", "fail=perhaps"], "--param fail=perhaps: write true or false"),
        ("MINE", ["--param", "size"], "--param size: write name=value"),
        ("MINE", ["--fill-at", "noon"], "fill_at: Input should be 'open', 'close' or 'vwap'"),
        ("MINE", ["--config", "no.toml"], "cannot read no.toml: No such file or directory"),
        ("MINE", ["--as-of", "99"], "99"),
        ("MINE:Yours", [], "has no strategy Yours: it has Mine"),
        ("yours.py", [], "there is no file yours.py"),
        ("Martingale", [], "no strategy Martingale: there are BollingerBreakout, BuyAndHold"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(
    strategy: str, arguments: list[str], words: str, mine: str, lake: str
) -> None:
    assert_refused(run_backtest(strategy.replace("MINE", mine), lake, *arguments), words)


# Which lake, and which generation of it


def test_as_of_reads_an_earlier_generation_of_a_lake_on_s3(s3: S3Server, mine: str) -> None:
    """Generation 1 has 20 sessions; a newer batch file has 10 more."""
    lake_uri = f"s3://{s3.new_bucket()}/lake"
    lake = Lake(lake_uri)
    for number, (first, last) in enumerate([(0, 20), (20, 30)]):
        fetch(lake, number, rows_of("AAA", first, last), through=DAYS[last - 1])
        if number == 0:
            consolidate({}, lake)
    ran = run_backtest("BuyAndHold", lake_uri, "--as-of", "1", "--json", "-o", "here")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["provenance"]["generation"] == 1
    assert duckdb.sql("SELECT count(*) FROM 'here/equity.parquet'").fetchall() == [(20,)]
    now = backtest(BuyAndHold(), lake_uri)
    assert len(now.curve.dates) == 30
    assert (now.provenance["generation"], now.provenance["batch_files_since"]) == (1, 1)


def test_a_folder_that_cannot_be_written_to_is_one_line_and_exit_1(mine: str, lake: str) -> None:
    Path("taken").write_text("a file")
    ran = run_backtest("BuyAndHold", lake, "-o", "taken")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "cannot write" in ran.err
