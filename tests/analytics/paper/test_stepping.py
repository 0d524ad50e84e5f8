"""An account that is stepped per generation, each time from its state, is the backtest of its days to the last bit."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from stockstream.analytics.backtest.runs import read_run
from stockstream.analytics.backtest.strategies import SHIPPED
from stockstream.analytics.paper.ledger import Ledger
from stockstream.analytics.paper.overview import detail
from stockstream.analytics.paper.states import WHOLE_EVERY
from stockstream.analytics.paper.step_accounts import run
from stockstream.analytics.paper.stepping import start, step
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.sql.errors import UsageError
from tests.analytics.paper.published import (
    DAYS,
    SPLIT,
    SYMBOLS,
    assert_is_backtest,
    fetch,
    publish,
    rows,
    strategy_file,
)

QUICK = {
    "MovingAverageCrossover": ["fast=2", "slow=4"], "RSIMeanReversion": ["n=3"], "Momentum": ["n=5"],
    "PairsTrade": ["n=5", "entry=1"], "BollingerBreakout": ["n=5", "width=1.0"],
}  # fmt: skip
COSTLY = {"slippage": "5bps", "leverage": 2.0, "volume_limit": 0.1, "fill_at": "close", "benchmark": "AAA"}


def started(
    lake: Lake, name: str, strategy: str, first: date, params: list[str] | None = None, **settings: Any
) -> Ledger:
    return start(lake, name, read_run(None, strategy, params or [], {"start": first, **settings}), [])


@pytest.mark.parametrize("shipped", [("BuyAndHold",), pytest.param((*SHIPPED,), marks=pytest.mark.large)], ids=len)
def test_every_shipped_strategy_and_every_kind_of_order(shipped: tuple[str, ...], lake: Lake, tmp_path: Path) -> None:
    """Also over a split, a dividend and a symbol without bars, and from a start in the past."""
    everything = f"{strategy_file(tmp_path)}:Everything"
    ledgers = {
        name: started(
            lake, name, name, DAYS[20], QUICK.get(name), symbols=SYMBOLS[:2] if name == "PairsTrade" else None
        )
        for name in shipped
    }
    ledgers["orders"] = started(lake, "orders", everything, DAYS[10])
    ledgers["adjusted"] = started(lake, "adjusted", everything, DAYS[29], prices="adjusted", **COSTLY)
    for day in (None, *DAYS[30:34], DAYS[36]):  # a generation with two sessions is one, too
        if day:
            publish(lake, tmp_path, rows(day), day)
        for ledger in ledgers.values():
            assert step(lake, ledger).error is None
    for name, ledger in ledgers.items():
        whole = assert_is_backtest(ledger, lake)
        assert ledger.read().sessions == whole.curve.dates
        shown = detail(lake, ledger)
        assert shown.comparison is not None
        assert shown.comparison.is_equal, (name, shown.comparison)
        assert shown.summary.equity == whole.curve.equity[-1]
        assert len(shown.all_fills) == len(whole.transactions)
    for name in {"orders", "adjusted", "BuyAndHold", "MovingAverageCrossover"} & ledgers.keys():
        assert detail(lake, ledgers[name]).all_fills, name
    states = list(ledgers["orders"].states(ledgers["orders"].sessions()))
    assert [state.number for state in states] == list(range(1, 28))
    assert [state.session for state in states if state.engine is not None] == [DAYS[10]]
    assert {state.generation for state in states} == {1, 2, 3, 4, 5, 6}
    assert any(state.session == SPLIT for state in states)


def test_the_state_of_the_engine_is_whole_now_and_then(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stockstream.analytics.paper.states.WHOLE_EVERY", 4)
    assert WHOLE_EVERY == 64
    ledger = started(lake, "a", "BuyAndHold", DAYS[20])
    assert len(step(lake, ledger).stepped) == 10
    whole = [state.number for state in ledger.states(ledger.sessions()) if state.engine is not None]
    assert whole == [1, 5, 9]
    assert_is_backtest(ledger, lake)


def test_without_a_start_the_first_session_is_the_newest_one(lake: Lake) -> None:
    ledger = start(lake, "a", read_run(None, "BuyAndHold", [], {"symbols": ("BBB",)}), [])
    assert step(lake, ledger).stepped == (DAYS[29],)
    assert step(lake, ledger).stepped == ()
    [order] = detail(lake, ledger).orders
    assert order.text.startswith("buy ")
    assert order.text.endswith(" BBB at the market")


def test_of_two_at_once_each_session_is_stored_once_and_both_end_well(lake: Lake) -> None:
    """The second one takes all steps while the first one is between two."""
    first, second = started(lake, "a", "BuyAndHold", DAYS[20]), Ledger(lake, "a")
    others: list[Any] = []

    def between(name: str, session: date) -> None:
        if session == DAYS[22]:
            others.append(step(lake, second))

    outcome = step(lake, first, between)
    assert (outcome.error, others[0].error) == (None, None)
    assert (outcome.stepped, others[0].stepped) == (tuple(DAYS[20:23]), tuple(DAYS[23:30]))
    assert outcome.state == others[0].state
    assert_is_backtest(first, lake)


def test_bars_that_are_not_published_are_no_session(lake: Lake, tmp_path: Path) -> None:
    ledger = started(lake, "a", "BuyAndHold", DAYS[28])
    fetch(lake, tmp_path, rows(DAYS[30]), DAYS[30])
    assert step(lake, ledger).stepped == (DAYS[28], DAYS[29])
    consolidate({}, lake)
    assert step(lake, ledger).stepped == (DAYS[30],)


@pytest.mark.parametrize(
    ("name", "params", "settings", "words"),
    [
        ("../a", [], {}, "'../a' cannot be the name of an account"),
        ("a", ["percent=5,6"], {}, "an account has one value per parameter, and these are 2 combinations"),
        ("a", [], {"end": DAYS[29]}, "end: an account has no end"),
        ("a", [], {"start": DAYS[35]}, "no bars from"),
        ("a", [], {"symbols": ("NONE",)}, "NONE"),
    ],
)
def test_an_account_that_cannot_start(lake: Lake, name: str, params: list[str], settings: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words.replace("(", r"\(").replace(".", r"\.")):
        start(lake, name, read_run(None, "BuyAndHold", params, settings), [])
    assert not lake.store.list("paper/")


def test_a_name_is_taken_once(lake: Lake) -> None:
    started(lake, "a", "BuyAndHold", DAYS[20])
    with pytest.raises(UsageError, match="has a paper account a already"):
        started(lake, "a", "Momentum", DAYS[25])


def test_a_stopped_account_takes_no_step(lake: Lake) -> None:
    ledger = started(lake, "a", "BuyAndHold", DAYS[28])
    step(lake, ledger)
    stop = ledger.stop(DAYS[29])
    assert ledger.stop(None) == stop
    outcome = step(lake, ledger)
    assert (outcome.is_stopped, outcome.stepped, detail(lake, ledger).summary.phase) == (True, (), "stopped")


def test_a_function_on_aws_names_the_accounts_that_it_cannot_step(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    started(lake, "active", "BuyAndHold", DAYS[20])
    started(lake, "over", "BuyAndHold", DAYS[20]).stop(None)
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "step_accounts")
    result = run({}, lake)
    assert result["accounts"] == {}
    assert list(result["failed"]) == ["active"]
    assert "`stockstream paper step --lake s3://…` does" in result["failed"]["active"]
