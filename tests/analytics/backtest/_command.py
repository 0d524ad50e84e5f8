"""Helpers for tests of `stockstream backtest`: a strategy file, a small lake, and a check of error messages."""

from __future__ import annotations

from pathlib import Path

from stockstream.pipeline.lake import Lake
from tests.analytics.test_cli import Ran, run_cli
from tests.pipeline.test_consolidate import fetch
from tests.pipeline.test_refresh_indicators import DAYS
from tests.pipeline.test_refresh_indicators import bars as rows_of

MINE = """
from helper_{n} import SIZE
from stockstream.analytics.backtest import Action, Strategy

class Mine(Strategy):
    def __init__(self, size: int = SIZE, fail: bool = False, note: str = ""):
        self.size, self.fail = size, fail

    def on_data(self, date, symbol, data, portfolio):
        if self.fail and date.month == 8:
            raise RuntimeError("it is August")
        if symbol not in portfolio.positions:
            return Action.buy(self.size)
"""


def run_backtest(strategy: str, lake: str, *arguments: str) -> Ran:
    return run_cli("backtest", "--strategy", strategy, "--lake", lake, *arguments)


def assert_refused(ran: Ran, words: str) -> None:
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert words in ran.err
    assert ran.err.count("\n") == 1
    assert not list(Path().iterdir()), "nothing is written"


def write_small_lake(uri: str) -> str:
    """Write a lake of 60 sessions of AAA and BBB, 2020-06-01 to 2020-08-24; return its URI."""
    lake = Lake(uri)
    fetch(lake, 0, [*rows_of("AAA", 0, 60), *rows_of("BBB", 0, 60)], through=DAYS[59])
    return lake.uri
