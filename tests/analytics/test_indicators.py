"""Indicators on the command line, in Python and in the shell: the same numbers from the same files."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from stockstream import analytics
from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.lake import Lake
from stockstream.sql.loader import HOME
from tests.analytics.test_cli import run_cli
from tests.pipeline.test_consolidate import fetch
from tests.pipeline.test_refresh_indicators import DAYS, bars

REQUESTS = ("rsi_14", "macd", "sma(20, volume)", "ema(9, high) AS fast")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    lake = Lake(str(tmp_path_factory.mktemp("lake")))
    fetch(lake, 0, [*bars("AAA", 0, 300), *bars("BBB", 0, 300)], through=DAYS[299])
    return lake.uri


def test_the_shell_python_and_the_command_line_agree(lake: str) -> None:
    frame = analytics.indicators(REQUESTS, lake, symbols=["AAA"], start=str(DAYS[280]))
    assert frame.columns == ["symbol", "date", "close", "rsi_14", "macd", "sma_20_volume", "fast"]
    assert frame["date"].to_list() == DAYS[280:300]

    arguments = [*REQUESTS, "--symbols", "AAA", "--start", str(DAYS[280]), "--format", "csv"]
    ran = run_cli("indicators", "compute", *arguments, "--lake", lake)
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert [float(row["rsi_14"]) for row in rows] == pytest.approx(frame["rsi_14"].to_list(), rel=1e-12)

    query = f"SELECT rsi FROM rsi('bars_adjusted', 14) WHERE symbol = 'AAA' AND date >= '{DAYS[280]}' ORDER BY date"
    shell = [sys.executable, "-c", "from stockstream.analytics.cli import main; main()", "shell", "--lake", lake]
    result = subprocess.run([*shell, "--", "-csv", "-c", query], capture_output=True, text=True, check=True)
    values = [float(line) for line in result.stdout.splitlines() if line.replace(".", "", 1).isdigit()]
    assert values == pytest.approx(frame["rsi_14"].to_list(), rel=1e-12)


def test_few_symbols_and_all_give_the_same(lake: str) -> None:
    """A few symbols are read one by one; for all symbols, the query streams through the whole table."""
    one, all_ = analytics.indicators(REQUESTS, lake, symbols=["BBB"]), analytics.indicators(REQUESTS, lake)
    assert all_["symbol"].unique().sort().to_list() == ["AAA", "BBB"]
    for name in one.columns[3:]:
        streamed = all_.filter(pl.col("symbol") == "BBB")[name]
        assert (one[name].is_null() == streamed.is_null()).all()
        assert ((one[name] - streamed).abs() <= 1e-9 * (one[name].abs() + 100)).all()


def test_days_are_picked_after_they_are_computed(lake: str) -> None:
    whole = analytics.indicators(["sma_50"], lake, symbols=["AAA"])
    part = analytics.indicators(["sma_50"], lake, symbols=["AAA"], start=str(DAYS[60]), end=str(DAYS[61]))
    assert part["sma_50"].to_list() == whole.filter(pl.col("date").is_in(DAYS[60:62]))["sma_50"].to_list()
    assert part["sma_50"].null_count() == 0


def test_any_view_and_a_folder_of_ones_own(lake: str, tmp_path: Path) -> None:
    text = (HOME / "indicators/trend/sma_v2.sql").read_text(encoding="utf-8")
    (tmp_path / "twice_v2.sql").write_text(text.replace("sma", "twice").replace("THEN avg(x)", "THEN 2 * avg(x)"))
    frame = analytics.indicators(["twice_5", "sma_5"], lake, src="resample('bars', 5)", sql_path=[tmp_path])
    assert frame["twice_5"].drop_nulls().to_list() == pytest.approx((2 * frame["sma_5"].drop_nulls()).to_list())
    listed = json.loads(run_cli("indicators", "list", "--sql-path", str(tmp_path), "--json").out)
    assert {"name": "twice", "version": 2} in [{key: one[key] for key in ("name", "version")} for one in listed]
    with pytest.raises(UsageError, match="no indicator twice"):
        analytics.indicators(["twice_5"], lake)


def test_the_benchmark_is_read_though_it_is_not_among_the_symbols(lake: str) -> None:
    requests = ["beta(20, 'BBB') AS beta", "relative_strength(20, 'BBB') AS strength", "sma_5"]
    whole = analytics.indicators(requests, lake)
    part = analytics.indicators(requests, lake, symbols=["AAA"])
    assert_frame_equal(part, whole.filter(pl.col("symbol") == "AAA"), rel_tol=1e-9)
    assert part["beta"].null_count() == part["strength"].null_count() == 20
    with pytest.raises(UsageError, match="the benchmark of beta_20 is SPY, which has no bars in bars_adjusted"):
        analytics.indicators(["beta_20"], lake, symbols=["AAA"])


def test_show_prints_the_file_and_its_header() -> None:
    assert run_cli("indicators", "show", "macd_signal").out == (HOME / "indicators/trend/macd_v2.sql").read_text()
    answer = json.loads(run_cli("indicators", "show", "rsi", "--json").out)
    assert answer["formula"].startswith("100 * up / (up + down)")
    assert answer["sql"].startswith("CREATE OR REPLACE MACRO rsi_v2(src, n, value)")
    assert answer["dialects"] == ["spark", "athena"]
    assert json.loads(run_cli("indicators", "show", "psar", "--json").out)["dialects"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("rsii",), "there is no indicator rsii: is rsi"),
        (("rsi14",), "there is no indicator rsi14: is rsi_14 meant?"),
        (("sma_1",), "the period n of sma is 1"),
        (("rsi", "--src", "nothing"), "there is no table nothing"),
        (("atr", "--src", "symbols"), "atr needs the columns"),
        (("rsi", "--start", "yesterday"), "--start yesterday: write a day as YYYY-MM-DD"),
        (("rsi", "--sql-path", "nowhere"), "nowhere is not a folder of indicators"),
    ],
)
def test_an_error_is_one_line_and_exit_code_2(arguments: tuple[str, ...], words: str, lake: str) -> None:
    ran = run_cli("indicators", "compute", *arguments, "--lake", lake)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert words in ran.err
    assert ran.err.count("\n") == 1


def test_explain_says_how_each_column_is_computed(lake: str, tmp_path: Path) -> None:
    every = run_cli("indicators", "compute", "rsi_14", "ema_9", "--lake", lake, "--explain")
    assert every.out == "arrays: rsi_14, ema_9\n"
    few = run_cli("indicators", "compute", "rsi_14", "--symbols", "AAA", "--lake", lake, "--explain")
    assert few.out == "SQL for all columns: there are few symbols\n"
    text = (HOME / "indicators/trend/sma_v2.sql").read_text().replace("avg(x) OVER w", "median(x) OVER w")
    text = text.replace("sma_v2", "middle_v1").replace("sma", "middle").replace("version: 2", "version: 1")
    (tmp_path / "middle_v1.sql").write_text(text)
    own = run_cli("indicators", "compute", "middle", "ema_9", "--lake", lake, "--explain", "--sql-path", str(tmp_path))
    assert own.out == "arrays: ema_9\nSQL: middle: arrays do not have median of the last 20 bars\n"
