"""The engine has the same results as other engines, to the cent.

On real bars of GOOG, each trade is compared with a run of backtesting.py. The final equity of 50 and
of 500 symbols in one account is the result of four other engines; `python -m tests.benchmarks.backtest` runs two.
"""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl
import pytest
from backtesting import Backtest
from backtesting import Strategy as TheirStrategy
from backtesting.test import GOOG

from stockstream import analytics
from stockstream.analytics.backtest import Result, backtest
from tests.analytics.backtest._crossover import COMMISSION, Crossover
from tests.random_walks import random_walks


def run(bars: pl.DataFrame, capital: float, lake: str) -> Result:
    with analytics.connect(lake) as con:
        con.register("made", bars.to_arrow())
        con.execute("CREATE TABLE walks AS SELECT * REPLACE (CAST(date AS DATE) AS date) FROM made")
        return backtest(Crossover(), con=con, src="walks", initial_capital=capital, commission=COMMISSION)


@pytest.fixture(scope="module")
def goog() -> pl.DataFrame:
    columns = {"symbol": ["GOOG"] * len(GOOG), "date": GOOG.index.to_numpy()}
    return pl.DataFrame(columns | {name.lower(): GOOG[name].to_numpy() for name in GOOG.columns})


@pytest.fixture(scope="module")
def theirs() -> object:
    def sma(values, n):  # type: ignore[no-untyped-def]
        return values.s.rolling(n).mean()

    class Theirs(TheirStrategy):
        def init(self) -> None:
            self.fast, self.slow = (self.I(sma, self.data.Close, n) for n in (20, 50))

        def next(self) -> None:
            if self.fast[-1] > self.slow[-1]:
                if not self.position:
                    self.buy(size=int(0.95 * self.equity / self.data.Close[-1]))
            elif self.fast[-1] < self.slow[-1] and self.position:
                self.position.close()

    return Backtest(GOOG, Theirs, cash=100_000, commission=0.001, finalize_trades=False).run()


def test_goog_ends_with_the_same_equity(goog: pl.DataFrame, lake: str) -> None:
    result = run(goog, 100_000, lake)
    assert round(result.curve.equity[-1], 2) == 257_273.59
    assert len(result.closed_positions) == 20


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning:backtesting")
def test_goog_is_traded_as_by_backtesting_py(goog: pl.DataFrame, lake: str, theirs: dict) -> None:
    result = run(goog, 100_000, lake)
    assert result.curve.equity == pytest.approx(theirs["_equity_curve"].Equity.to_numpy(), rel=1e-12)
    trades = theirs["_trades"]
    assert len(result.closed_positions) == len(trades)
    for ours, their in zip(result.closed_positions, trades.itertuples(), strict=True):
        assert (ours.quantity, ours.entry_date, ours.exit_date) == (
            their.Size,
            their.EntryTime.date(),
            their.ExitTime.date(),
        )
        assert (ours.entry_price, ours.exit_price) == pytest.approx((their.EntryPrice, their.ExitPrice), rel=1e-12)
        assert (ours.pnl, ours.commission) == pytest.approx((their.PnL, their.Commission), rel=1e-9)
        assert ours.return_pct / 100 == pytest.approx(their.ReturnPct, rel=1e-9)


def test_goog_is_traded_as_recorded(goog: pl.DataFrame, lake: str, shared: Path) -> None:
    result = run(goog, 100_000, lake)
    with (shared.parent / "prototypes/backtest/goog_sma_trades.csv").open() as file:
        recorded = list(csv.DictReader(file))
    ours = [(str(t.entry_date), str(t.exit_date), t.quantity, round(t.pnl, 6)) for t in result.closed_positions]
    assert ours == [(r["EntryTime"], r["ExitTime"], float(r["Size"]), round(float(r["PnL"]), 6)) for r in recorded]


@pytest.mark.parametrize(
    ("symbols", "capital", "equity", "trades"),
    [
        (50, 10_000_000, 14_115_246.54, 1_396),
        pytest.param(500, 100_000_000, 139_475_345.44, 13_837, marks=pytest.mark.large),
    ],
)
def test_many_symbols_in_one_account(symbols: int, capital: float, equity: float, trades: int, lake: str) -> None:
    result = run(random_walks(symbols), capital, lake)
    assert round(result.curve.equity[-1], 2) == equity
    assert len(result.closed_positions) == trades
    assert not result.notes
