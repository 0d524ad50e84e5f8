"""Several strategies in one account: the sum of their parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stockstream.analytics.backtest import Action, blend
from stockstream.analytics.backtest.runs import Blend
from stockstream.sql.errors import UsageError
from tests.analytics.backtest._bars import FREE, SRC, Script, Scripted, connection, fills, of, play, table

BARS = "1 10 10 10 10 99 \n 2 10 10 10 10 99 \n 3 12 12 12 12 99 \n 4 11 11 11 11 99"
BOTH = BARS + "\n" + of("BBB", BARS)


def run(scripts: dict[str, tuple[Script, float]], bars: str = BOTH, **settings: Any) -> Blend:
    con = connection()
    con.register(SRC, table(bars))
    strategies = {name: (Scripted(script), weight) for name, (script, weight) in scripts.items()}
    return blend(strategies, con=con, src=SRC, **{**FREE, **settings})


def test_each_strategy_has_its_part_of_the_money() -> None:
    """600 and 300 of 1000: 60 shares of AAA at 10 and 30 of BBB; one of each more is refused. 100 stay cash."""
    result = run(
        {
            "a": ({1: [Action.buy(60), Action.buy(1)]}, 60),
            "b": ({1: Action.buy(30, symbol="BBB"), 3: Action.close(symbol="BBB")}, 30),
        }
    )
    whole = result.result
    assert [(one.symbol, one.quantity, one.order) for one in whole.transactions] == [
        ("AAA", 60, 1), ("BBB", 30, 3), ("BBB", -30, 4),
    ]  # fmt: skip
    assert whole.curve.equity.tolist() == [1000, 1000, 1000 + 90 * 2, 1000 + 60 * 1 + 30 * 1]
    assert whole.curve.cash.tolist() == [1000, 100, 100, 100 + 330]
    assert [order.id for order in whole.orders] == [1, 2, 3, 4]
    assert [(entry.amount, entry.cash) for entry in whole.ledger] == [
        (100, 100), (600, 700), (300, 1000), (-600, 400), (-300, 100), (330, 430),
    ]  # fmt: skip
    assert [(note.symbol, "rejected" in note.text) for note in whole.notes] == [("AAA", True)]
    assert result.parts["b"].curve.equity.tolist() == [300, 300, 360, 330]
    assert whole.setup["params"]["b"]["weight"] == 30


def test_a_strategy_alone_with_all_the_money_is_a_plain_backtest() -> None:
    script: Script = {1: Action.buy(10, stop_loss=9, take_profit=11.5), 3: Action.buy(5)}
    alone, both = play(script, BOTH, commission="1%"), run({"one": (script, 100)}, commission="1%").result
    assert both.transactions == alone.transactions
    assert np.array_equal(both.curve.equity, alone.curve.equity)
    assert both.metrics == alone.metrics
    assert [order.oco for order in both.orders] == [order.oco for order in alone.orders]


def test_the_exits_of_the_second_strategy_keep_their_entry() -> None:
    script: Script = {1: Action.buy(1, stop_loss=9)}
    orders = run({"a": ({1: Action.buy(1)}, 50), "b": (script, 50)}).result.orders
    assert [(order.id, order.parent, order.oco) for order in orders] == [
        (1, None, None),
        (2, None, None),
        (3, 2, "exits of 2"),
    ]


def test_a_strategy_that_fails_ends_the_account() -> None:
    result = run(
        {"a": ({1: Action.buy(1), 3: Action.buy(float("nan"))}, 50), "b": ({1: Action.buy(1), 3: Action.close()}, 50)}
    )
    assert (
        result.result.error == "a: Scripted on 2024-01-03: an order for nan shares of AAA: it must be a finite number"
    )
    assert len(result.result.curve.dates) == len(result.parts["a"].curve.dates) == 2
    assert fills(result.result) == [(2, 1, 10), (2, 1, 10)]


@pytest.mark.parametrize("weights", [(60, 50), (0, 50), (-10, 50)])
def test_weights_that_are_none_are_an_error(weights: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="each must be above 0, and all together at most 100 per cent"):
        run({"a": ({}, weights[0]), "b": ({}, weights[1])})
