"""The ledger names every change of the cash."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from stockstream.analytics.backtest import Action
from stockstream.analytics.backtest.report import write_result
from tests.analytics.backtest._bars import number, play, trade

BARS = """
    AAA 1 10 10 10 10 1000
    BBB 1 20 20 20 20 1000
    AAA 2 10 10 10 10 1000
    BBB 2 20 20 20 20 1000
    AAA 3 4 4 4 4 1000 split=2.5
    BBB 3 20 20 20 20 1000 dividend=1
    BBB 4 20 20 20 20 1000
    BBB 5 20 20 20 20 1000
"""
SCRIPT = {1: [Action.buy(3), Action.sell(10, symbol="BBB")], 4: Action.close(symbol="BBB")}


def test_each_change_of_the_cash_is_in_the_ledger(tmp_path: Path) -> None:
    """Three shares become 7.5; the half share is worth 2. AAA is delisted on day 5, after one session without a bar."""
    result = play(SCRIPT, BARS, commission="1%", borrow_rate=0.365, delist_after=1)
    lines = [(number(one.date), one.symbol, one.kind, one.quantity, one.price) for one in result.ledger]
    assert lines == [
        (1, None, "initial capital", 0, 0),
        (2, "AAA", "buy", 3, 10),
        (2, "BBB", "sell", -10, 20),
        (3, None, "borrow fee", 0, 0),
        (3, "AAA", "split", -0.5, 4),
        (3, "BBB", "dividend", -10, 1),
        (4, None, "borrow fee", 0, 0),
        (5, None, "borrow fee", 0, 0),
        (5, "AAA", "delisted", -7, 4),
        (5, "BBB", "buy", 10, 20),
    ]
    amounts = [1000, -30.3, 198, -0.2, 2, -10, -0.2, -0.2, 28, -202]
    assert [one.amount for one in result.ledger] == pytest.approx(amounts)
    assert [one.commission for one in result.ledger] == pytest.approx([0, 0.3, 2, 0, 0, 0, 0, 0, 0, 2])
    assert result.ledger[-1].cash == result.curve.cash[-1]
    assert float(result.curve.cash[-1]) == pytest.approx(sum(amounts))

    write_result(result, tmp_path)
    with (tmp_path / "ledger.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows] == [one.kind for one in result.ledger]
    assert round(sum(float(row["amount"]) for row in rows), 2) == round(float(result.curve.cash[-1]), 2)


def test_a_run_that_ends_before_its_first_session_has_an_empty_ledger() -> None:
    result = trade({1: Action.buy(float("nan"))}, BARS)
    assert result.error is not None
    assert result.ledger == []
