"""No shipped strategy looks ahead, and a strategy that does is detected."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from stockstream.analytics.backtest.runs import CUTS, find_strategy, make_strategy, verify
from stockstream.analytics.backtest.strategies import SHIPPED
from tests.analytics.backtest._command import run_cli

PEEKING = {
    "lead() in its query": '''
        query = "SELECT symbol, date, lead(close) OVER (PARTITION BY symbol ORDER BY date) AS later FROM bars"

        def on_data(self, date, symbol, data, portfolio):
            return Action.buy(1) if data.later is not None and data.later > 1.02 * data.close else None
    ''',
    "prices adjusted back from the last day": '''
        query = "SELECT symbol, date, close AS today FROM bars_adjusted"

        def on_data(self, date, symbol, data, portfolio):
            return Action.buy(1) if symbol == "IBM" and data.today < 75 else None
    ''',
    "the week's close before it is over": '''
        query = """
            SELECT b.symbol, b.date, w.close AS weekly FROM bars AS b
            JOIN bars_weekly AS w ON w.symbol = b.symbol AND b.date BETWEEN w.first_date AND w.ends_on
        """

        def on_data(self, date, symbol, data, portfolio):
            return Action.buy(1) if data.weekly is not None and data.weekly > 1.01 * data.close else None
    ''',
    "chance": '''
        def on_data(self, date, symbol, data, portfolio):
            import random
            return Action.buy(1) if random.random() < 0.1 else None
    ''',
}  # fmt: skip
HONEST = """
        query = "SELECT symbol, date, lag(close) OVER (PARTITION BY symbol ORDER BY date) AS before FROM bars"
        columns = ["adjusted_close", "psar", "ema(12, volume)"]

        def on_data(self, date, symbol, data, portfolio):
            if data.before is not None and data.close > 1.02 * data.before and data.close > data.psar:
                return Action.buy(1 + int(data.adjusted_close))
"""


def strategy_file(folder: Path, body: str) -> str:
    path = folder / "mine.py"
    head = "from stockstream.analytics.backtest import Action, Strategy\n\n\nclass Mine(Strategy):\n"
    path.write_text(head + textwrap.indent(textwrap.dedent(body), "    "))
    return f"{path}:Mine"


@pytest.mark.parametrize(
    ("name", "prices"), [*((name, "as_traded") for name in SHIPPED), ("MovingAverageCrossover", "adjusted")]
)
def test_no_shipped_strategy_looks_ahead(name: str, prices: str, demo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of the four changes of later bars suffice here; the strategies below, which look ahead, are run with all."""
    monkeypatch.setattr("stockstream.analytics.backtest.runs.lookahead.CUTS", 2)
    verdict = verify(SHIPPED[name], demo, symbols=["AAPL", "MSFT"], prices=prices, start="2004-01-01")
    assert verdict.difference is None
    assert verdict.decisions >= 2
    assert len(verdict.days) == 2


@pytest.mark.parametrize("how", PEEKING)
def test_a_strategy_that_looks_ahead_is_detected(how: str, demo: str, tmp_path: Path) -> None:
    name = strategy_file(tmp_path, PEEKING[how])
    ran = run_cli("backtest", "--strategy", name, "--lake", demo, "--verify-no-lookahead")
    assert ran.code == 1
    assert ran.err.startswith("error: Mine looks ahead: ")
    assert "Traceback" not in ran.err


def test_a_strategy_that_does_not_look_ahead_passes(demo: str, tmp_path: Path) -> None:
    name = strategy_file(tmp_path, HONEST)
    ran = run_cli("backtest", "--strategy", name, "--lake", demo, "--verify-no-lookahead", "--json")
    assert ran.code == 0
    document = json.loads(ran.out)
    assert document["difference"] is None
    assert document["decisions"] > 100
    assert len(document["changed_after"]) == CUTS


def test_the_day_of_the_first_difference_is_named(demo: str, tmp_path: Path) -> None:
    name = strategy_file(tmp_path, PEEKING["lead() in its query"])
    verdict = verify(lambda: make_strategy(find_strategy(name), {}), demo, symbols=["IBM"])
    assert verdict.difference is not None
    assert str(verdict.days[0]) in verdict.difference
