"""Every shipped strategy decides on real bars as its docstring describes."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import talib
from duckdb import DuckDBPyConnection
from numpy.typing import NDArray

import stockstream.analytics.backtest
from stockstream import analytics
from stockstream.analytics.backtest import (
    BollingerBreakout,
    BuyAndHold,
    Momentum,
    MovingAverageCrossover,
    PairsTrade,
    Result,
    RSIMeanReversion,
    Strategy,
    Transaction,
    backtest,
    strategies,
)
from stockstream.analytics.backtest.strategies import SHIPPED
from stockstream.analytics.cli.commands.backtest import backtest_command
from tests.analytics.backtest._bars import columns

NAMES = ["AAPL", "GOOG", "IBM", "MSFT"]
START, END = date(2005, 1, 3), date(2009, 12, 31)


@dataclass(frozen=True)
class Real:
    """A symbol's bars from START to END, and its adjusted closes since 2000 for TA-Lib."""

    days: list[date]
    close: list[float]
    open: list[float]
    high: list[float]
    adjusted: NDArray[np.float64]
    splits: list[float]
    """Number of shares on each day that one share of the first day has become by splits."""

    def of(self, function: Callable[..., Any], *arguments: Any) -> list[float]:
        """Return the result of a TA-Lib function of the closes, one value per day of `days`."""
        values: list[float] = function(self.adjusted, *arguments)[-len(self.days) :].tolist()
        return values


@pytest.fixture(scope="module")
def con(demo: str) -> Iterator[DuckDBPyConnection]:
    with analytics.connect(demo) as con:
        yield con


@pytest.fixture(scope="module")
def real(con: DuckDBPyConnection) -> dict[str, Real]:
    bars_by_symbol = {}
    for symbol in NAMES:
        rows = con.execute(
            "SELECT close * price_factor, date, close, open, high, split_factor "
            f"FROM forward_factors('bars_as_traded') WHERE symbol = '{symbol}' AND date <= '{END}' ORDER BY date"
        ).fetchall()
        adjusted = np.array([row[0] for row in rows])
        days, close, opened, high, splits = map(list, zip(*(row[1:] for row in rows if row[1] >= START), strict=True))
        bars_by_symbol[symbol] = Real(days, close, opened, high, adjusted, splits)
    return bars_by_symbol


def run_demo(con: DuckDBPyConnection, strategy: Strategy, **options: Any) -> Result:
    result = backtest(strategy, con=con, **{"symbols": NAMES, "start": START, "end": END, **options})
    assert result.error is None
    assert result.transactions, "nothing was traded"
    return result


def entries_and_exits(result: Result, symbol: str) -> tuple[list[date], list[date]]:
    """Return the days of the purchases and the sales of a symbol that is never sold short."""
    fills = [fill for fill in result.transactions if fill.symbol == symbol]
    return [fill.date for fill in fills if fill.quantity > 0], [fill.date for fill in fills if fill.quantity < 0]


def held_by_rule(days: Sequence[date], buys: Iterable[bool], sells: Iterable[bool]) -> tuple[list[date], list[date]]:
    """Return the days of entry and exit of a rule that is evaluated on closes and trades in the next session."""
    bought: list[date] = []
    sold: list[date] = []
    for (_, after), buy, sell in zip(pairwise(days), buys, sells, strict=False):
        if len(bought) == len(sold) and buy:
            bought.append(after)
        elif len(bought) > len(sold) and sell:
            sold.append(after)
    assert len(bought) > 4, "the rule is hardly tried"
    return bought, sold


def test_the_crossover_holds_a_symbol_while_its_fast_mean_is_above_its_slow_one(
    con: DuckDBPyConnection, real: dict[str, Real]
) -> None:
    result = run_demo(con, MovingAverageCrossover(10, 40, percent=60))
    for symbol, bars in real.items():
        pairs = list(zip(bars.of(talib.SMA, 10), bars.of(talib.SMA, 40), strict=True))
        expected = held_by_rule(bars.days, [one > other for one, other in pairs], [one < other for one, other in pairs])
        assert entries_and_exits(result, symbol) == expected


def test_rsi_mean_reversion_buys_what_is_oversold_and_sells_what_is_overbought(
    con: DuckDBPyConnection, real: dict[str, Real]
) -> None:
    result = run_demo(con, RSIMeanReversion(14, oversold=35, overbought=65, percent=60))
    for symbol, bars in real.items():
        rsi = bars.of(talib.RSI, 14)
        expected = held_by_rule(bars.days, [one < 35 for one in rsi], [one > 65 for one in rsi])
        assert entries_and_exits(result, symbol) == expected


def test_rsi_mean_reversion_may_have_a_stop_loss(con: DuckDBPyConnection, real: dict[str, Real]) -> None:
    result = run_demo(con, RSIMeanReversion(14, oversold=35, overbought=65, stop_loss=5, percent=60))
    stopped = [trade for trade in result.closed_positions if trade.reason == "stop-loss"]
    assert len(stopped) > 5
    for trade in stopped:
        bars = real[trade.symbol]
        decided, last = bars.days.index(trade.entry_date) - 1, bars.days.index(trade.exit_date)
        stop = 0.95 * bars.close[decided] * bars.splits[decided] / bars.splits[last]
        assert trade.exit_price == pytest.approx(min(stop, bars.open[last]))


def test_the_breakout_buys_above_the_upper_band_and_sells_below_the_middle(
    con: DuckDBPyConnection, real: dict[str, Real]
) -> None:
    result = run_demo(con, BollingerBreakout(trail=0, percent=60))
    for symbol, bars in real.items():
        closes = bars.adjusted[-len(bars.days) :].tolist()
        upper, middle = (bars.of(lambda x, n=band: talib.BBANDS(x, 20, 2, 2)[n]) for band in (0, 1))
        buys = [one > band for one, band in zip(closes, upper, strict=True)]
        sells = [one < band for one, band in zip(closes, middle, strict=True)]
        assert entries_and_exits(result, symbol) == held_by_rule(bars.days, buys, sells)


def test_the_breakout_is_protected_by_a_trailing_stop(con: DuckDBPyConnection, real: dict[str, Real]) -> None:
    """The stop is 4 % below the highest price since it was set, which is at the first close of the position."""
    result = run_demo(con, BollingerBreakout(trail=4, percent=60))
    stops = [one for one in result.transactions if one.kind == "trailing-stop"]
    assert len(stops) > 10
    for stop in stops:
        bars = real[stop.symbol]
        entry = max(day for day in entries_and_exits(result, stop.symbol)[0] if day < stop.date)
        first, last = bars.days.index(entry), bars.days.index(stop.date)
        highs = [bars.high[at] * bars.splits[at] for at in range(first + 1, last)]
        highest = max([bars.close[first] * bars.splits[first], *highs]) / bars.splits[last]
        assert stop.price == pytest.approx(min(0.96 * highest, bars.open[last]))


def test_buy_and_hold_buys_each_symbol_once_with_an_equal_share(con: DuckDBPyConnection, real: dict[str, Real]) -> None:
    result = run_demo(con, BuyAndHold(80))
    assert [one.symbol for one in result.transactions] == NAMES
    for one in result.transactions:
        bars = real[one.symbol]
        assert (one.date, one.quantity) == (bars.days[1], int(20_000 / bars.close[0]))
    assert result.closed_positions == []


def test_momentum_holds_what_has_risen_the_most_and_changes_by_the_month(
    con: DuckDBPyConnection, real: dict[str, Real]
) -> None:
    result = run_demo(con, Momentum(63, top=2, percent=90))
    rates = {symbol: bars.of(talib.ROC, 63) for symbol, bars in real.items()}
    days = real["IBM"].days
    firsts = [0, *(at for at in range(1, len(days)) if days[at].month != days[at - 1].month)]
    for at in firsts:
        risen = sorted((symbol for symbol in NAMES if rates[symbol][at] > 0), key=lambda symbol: -rates[symbol][at])
        holdings = {one.symbol for one in result.closed_positions if one.entry_date <= days[at + 1] < one.exit_date}
        holdings |= {one.symbol for one in result.open_positions if one.entry_date <= days[at + 1]}
        assert holdings == set(risen[:2]), days[at]
    assert {one.date for one in result.transactions} <= {days[at + 1] for at in firsts}


def test_a_pairs_trade_is_short_of_the_dearer_and_long_of_the_cheaper_until_they_meet(
    con: DuckDBPyConnection, real: dict[str, Real]
) -> None:
    result = run_demo(con, PairsTrade(n=40, entry=1.5, exit=0.5), symbols=["IBM", "MSFT"])
    days = real["IBM"].days
    ibm, msft = (real[symbol].adjusted[-len(days) :] for symbol in ("IBM", "MSFT"))
    spreads = np.log(ibm / msft)
    side, expected = 0.0, []
    for at in range(39, len(days) - 1):
        window = spreads[at - 39 : at + 1]
        score = float((window[-1] - window.mean()) / window.std())
        if (not side and abs(score) > 1.5) or (side and abs(score) < 0.5):
            side = 0.0 if side else -math.copysign(1, score)
            expected.append((days[at + 1], side, -side))
    shares, actual = {"IBM": 0.0, "MSFT": 0.0}, []
    for first, second in batched(result.transactions):
        assert first.date == second.date
        for one in (first, second):
            shares[one.symbol] += one.quantity
        actual.append((first.date, float(np.sign(shares["IBM"])), float(np.sign(shares["MSFT"]))))
    assert actual == expected
    assert len(actual) > 10


def batched(fills: Sequence[Transaction]) -> Iterable[tuple[Transaction, Transaction]]:
    """Return the fills in pairs."""
    return zip(fills[::2], fills[1::2], strict=True)


def test_a_shipped_strategy_on_all_its_money_never_owes_any(con: DuckDBPyConnection) -> None:
    """An order that the next open makes too expensive is rejected, with a note."""
    result = run_demo(con, MovingAverageCrossover(5, 20, percent=100))
    assert min(columns(result, "cash")) >= 0
    assert any("rejected: it costs" in note.text for note in result.notes)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_second_run_of_the_same_object_has_the_same_result(name: str, con: DuckDBPyConnection) -> None:
    """`on_start` resets the state of the previous run."""
    strategy, settings = SHIPPED[name](), {"symbols": ["IBM", "MSFT"], "start": date(2009, 1, 2)}
    first = run_demo(con, strategy, **settings)
    assert backtest(strategy, con=con, **{"end": END, **settings}).transactions == first.transactions


@pytest.mark.parametrize("name", SHIPPED)
def test_a_file_in_the_folder_is_all_that_a_strategy_needs(name: str) -> None:
    """The strategy is exported, has a docstring, needs no arguments, and is in the command's help."""
    strategy = getattr(stockstream.analytics.backtest, name)
    assert strategy is SHIPPED[name]
    assert strategy.__doc__
    assert strategy().params.keys() == inspect.signature(strategy).parameters.keys()
    assert name in inspect.signature(backtest_command).parameters["strategy"].annotation.__metadata__[0].help


def test_every_file_in_the_folder_has_a_strategy() -> None:
    files = {path.stem for path in Path(strategies.__file__).parent.glob("*.py")} - {"__init__"}
    assert {strategy.__module__.rpartition(".")[2] for strategy in SHIPPED.values()} == files
