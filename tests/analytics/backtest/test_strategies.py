"""What a strategy is told and shown, and that the shipped ones do on real bars what they say."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import talib
from duckdb import DuckDBPyConnection
from numpy.typing import NDArray

from stockstream import analytics
from stockstream.analytics.backtest import (
    Action,
    BollingerBreakout,
    BuyAndHold,
    Data,
    Momentum,
    MovingAverageCrossover,
    Order,
    PairsTrade,
    Portfolio,
    Result,
    RSIMeanReversion,
    Strategy,
    Transaction,
    backtest,
)
from tests.analytics.backtest._bars import FIRST, SRC, columns, number, play, table_of

BARS = """
    2   10   11    9   10  1000
    3   11   13   10   12  1100
    4   12   12.5  8    9     -
    5    9   10    7    8  1300
"""


class Diary(Strategy):
    """Writes down each call; buys on day 2, for five shares of which a day's volume limit gives two."""

    columns = ("sma(2)",)

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def on_start(self, symbols: Sequence[str], portfolio: Portfolio) -> None:
        """Write down the symbols."""
        self.calls.append(("start", tuple(symbols), portfolio.cash))

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Action | None:
        """Write down the bar."""
        self.calls.append(("data", number(date), symbol, data.close, portfolio.quantity("AAA")))
        return Action.buy(5) if number(date) == 2 and symbol == "AAA" else None

    def on_bar_end(self, date: date, portfolio: Portfolio) -> None:
        """Write down the session."""
        self.calls.append(("end", number(date), portfolio.equity))

    def on_order_filled(self, order: Order, portfolio: Portfolio) -> None:
        """Write down what was filled so far."""
        self.calls.append(("filled", order.symbol, order.filled, order.status.value, portfolio.quantity("AAA")))

    def on_finish(self, portfolio: Portfolio) -> None:
        """Write down the equity."""
        self.calls.append(("finish", portfolio.equity))


def test_the_methods_are_called_when_promised() -> None:
    """Three shares of 30 on day 3, the rest on day 4; BBB has no bar on day 3."""
    bars = "2 10 10 10 10 30 \n 3 11 11 11 12 30 \n 4 13 13 13 13 30 \n BBB 2 1 1 1 1 1 \n BBB 4 2 2 2 2 1"
    diary = Diary()
    play(diary, bars, volume_limit=0.1)
    assert diary.calls == [
        ("start", ("AAA", "BBB"), 1000),
        ("data", 2, "AAA", 10, 0),
        ("data", 2, "BBB", 1, 0),
        ("end", 2, 1000),
        ("filled", "AAA", 3, "open", 3),
        ("data", 3, "AAA", 12, 3),
        ("end", 3, 1003),
        ("filled", "AAA", 5, "filled", 5),
        ("data", 4, "AAA", 13, 5),
        ("data", 4, "BBB", 2, 5),
        ("end", 4, 1006),
        ("finish", 1006),
    ]  # fmt: skip


class Seen(Strategy):
    """Keeps what each bar shows."""

    columns = ("sma(2)", "rsi_2", "ema(2, volume)", "adjusted_close")

    def __init__(self) -> None:
        self.bars: list[dict[str, Any]] = []
        self.views: list[Data] = []

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None:
        """Keep the bar and what else it can be asked for."""
        assert data["close"] == data.close == portfolio.price(symbol)
        assert data["sma(2)"] == data.sma_2 == data["sma_2"]
        assert data["ema(2, volume)"] == data.ema_2_volume
        assert "sma_2" in data
        assert data.get("nothing") is None
        with pytest.raises(AttributeError, match="data has no nothing: it has open, high"):
            _ = data.nothing
        self.bars.append(dict(data))
        self.views.append(data)


def test_data_has_the_bar_and_the_columns_asked_for_by_name_and_as_attributes() -> None:
    seen = Seen()
    play(seen, BARS)
    assert list(seen.bars[0]) == [
        "open", "high", "low", "close", "volume", "adjusted_close", "sma_2", "rsi_2", "ema_2_volume",
    ]  # fmt: skip
    assert [bar["open"] for bar in seen.bars] == [10, 11, 12, 9]
    assert [bar["volume"] for bar in seen.bars] == [1000, 1100, 0, 1300]
    assert [bar["sma_2"] for bar in seen.bars] == [None, 11, 10.5, 8.5]


def test_data_is_none_while_an_indicator_warms_up() -> None:
    seen = Seen()
    play(seen, BARS)
    assert [bar["rsi_2"] is None for bar in seen.bars] == [True, True, False, False]


def test_an_indicator_is_warm_at_the_start_date_where_there_are_bars_before() -> None:
    seen = Seen()
    play(seen, BARS, start=date(2024, 1, 4))
    assert [bar["sma_2"] for bar in seen.bars] == [10.5, 8.5]


def test_data_moves_on_and_a_dict_of_it_stays() -> None:
    seen = Seen()
    play(seen, BARS)
    assert seen.views[0] is seen.views[-1]
    assert [bar["close"] for bar in seen.bars] == [10, 12, 9, 8]


@pytest.mark.parametrize("kind", ["DOUBLE", "FLOAT", "INTEGER", "BIGINT", "HUGEINT", "DECIMAL(9, 2)"])
def test_a_query_of_ones_own_adds_numbers_whatever_their_type_in_sql(kind: str) -> None:
    class Own(Strategy):
        query = f"SELECT symbol, date, (2 * close)::{kind} AS twice FROM {SRC} WHERE date > '2024-01-02'"
        found: list[Any] = []  # noqa: RUF012

        def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None:
            self.found.append(None if data.twice is None else 0.5 * data.twice)

    strategy = Own()
    play(strategy, BARS)
    assert strategy.found == [None, 12, 9, 8]


def test_a_query_of_ones_own_adds_texts_days_and_truths() -> None:
    class Own(Strategy):
        query = f"SELECT symbol, date, date - 1 AS eve, close > 9 AS dear, 'x' || volume AS text FROM {SRC}"
        found: list[Any] = []  # noqa: RUF012

        def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None:
            self.found.append((data.eve, data.dear, data.text))

    strategy = Own()
    play(strategy, BARS)
    assert strategy.found[1:3] == [(date(2024, 1, 2), True, "x1100.0"), (date(2024, 1, 3), False, None)]


def test_a_strategy_remembers_its_parameters_with_their_defaults() -> None:
    assert MovingAverageCrossover(5, slow=7).params == {"fast": 5, "slow": 7, "percent": 95}


# Streaming


class Turning(Strategy):
    """Trades what fell the most and sells what rose, so that each session depends on all before it."""

    columns = ("roc(1)", "sma(20)")

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Action | None:
        """Buy what fell, and close what rose."""
        if data.roc_1 is None or data.sma_20 is None:
            return None
        if data.roc_1 < -1 and symbol not in portfolio.positions:
            return Action.buy(1 + int(portfolio.cash / 1000), stop_loss=0.9 * data.close)
        return Action.close() if data.roc_1 > 1 else None


def wavy_bars(symbols: int, days: int) -> pa.Table:
    """Give bars with days without trade, splits and dividends."""
    rows = []
    for at in range(days):
        for which in range(symbols):
            if (at + which) % 17 == 3:
                continue  # not traded
            close = 50 + 10 * math.sin(at / 9 + which) + (at * 7919 + which * 31) % 13 / 10
            opened = close * (1 + ((at * 31 + which) % 7 - 3) / 200)
            day = date.fromordinal(FIRST.toordinal() + at)
            split = 2.0 if (at + 1) % 400 == 0 else 1.0
            rows.append(
                (f"S{which}", day, opened, 1.02 * close, 0.97 * close, close, 900.0, 0.01 * (at % 60 == 0), split)
            )
    return table_of(rows)


@pytest.mark.parametrize(
    "small", [{"sessions.BLOCK": 2048}, {"source.CELLS": 12_000}, {"sessions.BLOCK": 2048, "source.CELLS": 24_000}]
)
def test_a_run_is_the_same_however_its_rows_are_streamed(
    small: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """2,048 rows of seven symbols are no whole number of sessions; 12,000 values are those of a symbol or two."""
    bars, ends = wavy_bars(7, 900), []

    def told(done: int, of: int) -> None:
        ends.append(done)

    one = play(Turning(), bars, initial_capital=100_000, on_sessions=told)
    assert ends == [899, 900], "the last session might go on"
    ends.clear()
    for name, value in small.items():
        monkeypatch.setattr(f"stockstream.analytics.backtest.feed.{name}", value)
    many = play(Turning(), bars, initial_capital=100_000, on_sessions=told)
    assert ends != [899, 900]
    assert ends[-1] == 900
    assert one.transactions == many.transactions
    assert len(one.transactions) > 500
    for name in ("dates", "equity", "cash", "long", "short"):
        assert list(getattr(one.curve, name)) == list(getattr(many.curve, name))


# The shipped strategies on real bars: with splits and dividends

NAMES = ["AAPL", "GOOG", "IBM", "MSFT"]
START, END = date(2005, 1, 3), date(2009, 12, 31)


@dataclass(frozen=True)
class Real:
    """A symbol's bars from START to END, and what `talib` says of its adjusted closes since 2000."""

    days: list[date]
    close: list[float]
    open: list[float]
    high: list[float]
    adjusted: NDArray[np.float64]
    splits: list[float]
    """Shares of the day by one share of the first."""

    def of(self, function: Callable[..., Any], *arguments: Any) -> list[float]:
        """Give the last values of a function of the closes, in step with the days."""
        values: list[float] = function(self.adjusted, *arguments)[-len(self.days) :].tolist()
        return values


@pytest.fixture(scope="module")
def con(demo: str) -> Iterator[DuckDBPyConnection]:
    with analytics.connect(demo) as con:
        yield con


@pytest.fixture(scope="module")
def real(con: DuckDBPyConnection) -> dict[str, Real]:
    found = {}
    for symbol in NAMES:
        rows = con.execute(
            "SELECT close * price_factor, date, close, open, high, split_factor "
            f"FROM forward_factors('bars_as_traded') WHERE symbol = '{symbol}' AND date <= '{END}' ORDER BY date"
        ).fetchall()
        adjusted = np.array([row[0] for row in rows])
        days, close, opened, high, splits = map(list, zip(*(row[1:] for row in rows if row[1] >= START), strict=True))
        found[symbol] = Real(days, close, opened, high, adjusted, splits)
    return found


def run_demo(con: DuckDBPyConnection, strategy: Strategy, **given: Any) -> Result:
    result = backtest(strategy, con=con, **{"symbols": NAMES, "start": START, "end": END, **given})
    assert result.error is None
    assert result.transactions, "nothing was traded"
    return result


def entries_and_exits(result: Result, symbol: str) -> tuple[list[date], list[date]]:
    """Give the days on which a symbol that is never sold short was bought, and sold."""
    found = [one for one in result.transactions if one.symbol == symbol]
    return [one.date for one in found if one.quantity > 0], [one.date for one in found if one.quantity < 0]


def held_by_rule(days: Sequence[date], buys: Iterable[bool], sells: Iterable[bool]) -> tuple[list[date], list[date]]:
    """Give the days of entry and exit of a rule on closes that is carried out in the next session."""
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


def test_rsi_mean_reversion_has_a_stop_loss_where_one_is_asked_for(
    con: DuckDBPyConnection, real: dict[str, Real]
) -> None:
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
    """4 % below the highest price since the stop was set, on the first close of the position."""
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
        held = {one.symbol for one in result.closed_positions if one.entry_date <= days[at + 1] < one.exit_date}
        held |= {one.symbol for one in result.open_positions if one.entry_date <= days[at + 1]}
        assert held == set(risen[:2]), days[at]
    assert {one.date for one in result.transactions} <= {days[at + 1] for at in firsts}


def test_a_pairs_trade_is_short_of_the_dearer_and_long_of_the_cheaper_until_they_meet(
    con: DuckDBPyConnection, real: dict[str, Real]
) -> None:
    result = run_demo(con, PairsTrade(n=40, entry=1.5, exit=0.5), symbols=["IBM", "MSFT"])
    days = real["IBM"].days
    ibm, msft = (real[symbol].adjusted[-len(days) :] for symbol in ("IBM", "MSFT"))
    spreads = np.log(ibm / msft)
    held, expected = 0.0, []
    for at in range(39, len(days) - 1):
        window = spreads[at - 39 : at + 1]
        score = float((window[-1] - window.mean()) / window.std())
        if (not held and abs(score) > 1.5) or (held and abs(score) < 0.5):
            held = 0.0 if held else -math.copysign(1, score)
            expected.append((days[at + 1], held, -held))
    shares, seen = {"IBM": 0.0, "MSFT": 0.0}, []
    for first, second in batched(result.transactions):
        assert first.date == second.date
        for one in (first, second):
            shares[one.symbol] += one.quantity
        seen.append((first.date, float(np.sign(shares["IBM"])), float(np.sign(shares["MSFT"]))))
    assert seen == expected
    assert len(seen) > 10


def batched(found: Sequence[Transaction]) -> Iterable[tuple[Transaction, Transaction]]:
    """Give two at a time."""
    return zip(found[::2], found[1::2], strict=True)


def test_a_shipped_strategy_on_all_its_money_never_owes_any(con: DuckDBPyConnection) -> None:
    """What the next open makes too dear is rejected, and told."""
    result = run_demo(con, MovingAverageCrossover(5, 20, percent=100))
    assert min(columns(result, "cash")) >= 0
    assert any("rejected: it costs" in note.text for note in result.notes)


@pytest.mark.parametrize("strategy", [BuyAndHold, Momentum, PairsTrade])
def test_a_shipped_strategy_that_is_run_again_starts_anew(strategy: type[Strategy], con: DuckDBPyConnection) -> None:
    """`on_start` prepares for a run; what an object has seen in an earlier one is over."""
    one, chosen = strategy(), {"symbols": ["IBM", "MSFT"], "start": date(2009, 1, 2)}
    first = run_demo(con, one, **chosen)
    assert backtest(one, con=con, **{"end": END, **chosen}).transactions == first.transactions
