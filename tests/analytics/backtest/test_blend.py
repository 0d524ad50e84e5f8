"""Several strategies in one account: the sum of their parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stockstream.analytics.backtest import Action, blend
from stockstream.analytics.backtest.runs import Blend
from stockstream.analytics.backtest.stats import round_trips
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


def test_a_split_changes_the_shares_of_all_parts_once() -> None:
    """5 and 3 shares become 10 and 6: one round trip of each lot, at half of the entry's price."""
    bars = "1 10 10 10 10 99 \n 2 10 10 10 10 99 \n 3 6 6 6 6 99 split=2 \n 4 6 6 6 6 99 \n 5 6 6 6 6 99"
    result = run(
        {"a": ({1: Action.buy(5), 4: Action.close()}, 50), "b": ({1: Action.buy(3), 4: Action.close()}, 50)},
        bars,
        with_history=True,
    ).result
    trips = [(trip.quantity, trip.entry_price, trip.pnl) for trip in round_trips(result.movements)]
    assert trips == [(10, 5, 10), (6, 5, 6)]
    assert result.history is not None
    assert result.history.holdings["AAA"].tolist() == result.curve.long.tolist() == [0, 80, 96, 96, 0]
    assert [excursion.favourable for excursion in result.history.excursions if excursion] == pytest.approx([0.2, 0.2])


def test_what_a_part_did_after_the_failure_of_another_one_does_not_count() -> None:
    """b pays 1 % of 10 on day 2; what it orders on day 3 fills after the end of a, and is still open then."""
    scripts: dict[str, tuple[Script, float]] = {
        "a": ({3: Action.buy(float("nan"))}, 50),
        "b": ({1: Action.buy(1), 2: Action.buy(1, limit=11)}, 50),
    }
    both = run(scripts, commission="1%")
    assert both.parts["b"].costs.commission == pytest.approx(0.1 + 0.11)
    whole = both.result
    assert len(whole.curve.dates) == 2
    assert whole.costs.commission == whole.metrics["commission"] == pytest.approx(0.1)
    assert [(order.status, order.filled) for order in whole.orders] == [("filled", 1), ("open", 0)]
    assert sum(entry.amount for entry in whole.ledger) == pytest.approx(whole.curve.cash[-1])
    assert "positions that are open are not listed" in whole.notes[-1].text


@pytest.mark.parametrize("weights", [(60, 50), (0, 50), (-10, 50), (float("nan"), 50)])
def test_weights_that_are_none_are_an_error(weights: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="each must be above 0, and all together at most 100 per cent"):
        run({"a": ({}, weights[0]), "b": ({}, weights[1])})
