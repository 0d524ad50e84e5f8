"""Holdings add up to the account's curve; excursions and bars for charts are on the scale of their day."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stockstream.analytics.backtest import Action, Result, Strategy, backtest, pyfolio_frames
from stockstream.analytics.backtest.runs import write_pyfolio
from stockstream.analytics.backtest.stats import round_trips, series
from stockstream.pipeline.errors import UsageError
from tests.analytics.backtest._bars import Scripted, connection, table, trade

SPLIT = """
    1 100 110  90 100 1000
    2 100 120  80 110 1000
    3  60  70  50  55 1000 split=2
    4  55  80  40  60 1000
    5  60  65  55  62 1000
"""


class Trader(Strategy):
    """Buys and sells whole and fractional sizes, long and short, of every symbol."""

    columns = ("sma(5)", "rsi(5)", "lag(close, 3)", "lag(sma(5), 2) AS before", "lag(rsi(5), 1)", "weekly(high)")

    def __init__(self) -> None:
        self.random = np.random.default_rng(4)

    def on_data(self, date, symbol, data, portfolio):  # type: ignore[no-untyped-def]
        if self.random.random() < 0.1:
            size = float(self.random.integers(1, 40)) / (1 if symbol != "IBM" else 3)
            return Action.buy(size) if self.random.random() < 0.5 else Action.sell(size)
        return Action.close() if self.random.random() < 0.02 else None


@pytest.fixture(scope="module")
def demo_run(demo: str) -> Result:
    return backtest(Trader(), demo, start="2003-01-01", end="2006-12-31", benchmark="MSFT", with_history=True)


def test_holdings_add_up_to_the_curve(demo_run: Result) -> None:
    assert demo_run.history is not None
    assert any(move.ratio != 1 for move in demo_run.movements)
    total = sum(demo_run.history.holdings.values())
    expected = demo_run.curve.long + demo_run.curve.short
    assert total == pytest.approx(expected, rel=1e-9, abs=1e-9 * demo_run.curve.equity.max())
    assert set(demo_run.history.holdings) == {move.symbol for move in demo_run.movements}


def test_without_it_nothing_is_read(demo_run: Result) -> None:
    result = trade({1: Action.buy(1)}, SPLIT)
    assert result.history is None
    with pytest.raises(UsageError, match="with_history=True"):
        pyfolio_frames(result)


def test_the_columns_of_the_strategy_are_lines_on_the_prices_or_below(demo_run: Result) -> None:
    assert demo_run.history is not None
    bars = demo_run.history.bars["AAPL"]
    assert list(bars.overlays) == ["sma_5", "weekly_high", "lag_close_3", "before"]
    assert list(bars.panes) == ["rsi_5", "lag_rsi_5_1"]
    assert bars.overlays["lag_close_3"][10:] == pytest.approx(bars.close[7:-3], rel=0.02)
    assert bars.overlays["before"][10:] == pytest.approx(bars.overlays["sma_5"][8:-2], rel=0.02)
    closes = pd.Series(bars.close)
    # AAPL was split in 2005: the average and the bars are on the same scale on both sides
    assert bars.overlays["sma_5"][10:] == pytest.approx(closes.rolling(5).mean().to_numpy()[10:], rel=0.02)
    assert (np.abs(np.diff(np.log(bars.close))) < 0.3).all()


def run(script: dict, **settings: object) -> Result:
    connection().register("bars_of_history", table(SPLIT))
    free = {"initial_capital": 5000, "commission": "zero"}
    return backtest(
        Scripted(script), con=connection(), src="bars_of_history", with_history=True, **{**free, **settings}
    )


def test_excursions_by_hand_across_a_split() -> None:
    """Bought at 100 on day 2 (50 after the split), sold at 60 on day 5: lows 80 / 2, 50, 40; highs 120 / 2, 70, 80."""
    result = run({1: Action.buy(10), 4: Action.close()})
    (trade_,) = result.closed_positions
    assert (trade_.entry_price, trade_.exit_price) == (50, 60)
    assert result.history is not None
    assert result.history.excursions == [(pytest.approx(40 / 50 - 1), pytest.approx(80 / 50 - 1))]
    assert result.history.holdings["AAA"].tolist() == [0, 1100, 1100, 1200, 0]
    (trip,) = round_trips(result.movements)
    assert (trip.quantity, trip.entry_price, trip.pnl) == (20, 50, 200)


def test_of_the_bar_of_the_exit_only_the_exit_counts() -> None:
    """Sold at the open, 55, on day 4: its high of 80 came later."""
    result = run({2: Action.buy(10), 3: Action.close()})
    assert result.history is not None
    assert result.history.excursions == [(pytest.approx(50 / 60 - 1), pytest.approx(70 / 60 - 1))]


def test_orders_at_the_close_see_the_bar_of_the_exit_and_not_that_of_the_entry() -> None:
    result = run({3: Action.buy(10), 4: Action.close()}, fill_at="close")
    assert result.history is not None
    assert result.history.excursions == [(pytest.approx(55 / 60 - 1), pytest.approx(65 / 60 - 1))]


def test_a_short_trade_is_hurt_by_the_high() -> None:
    result = run({2: Action.sell(10), 3: Action.close()})
    assert result.history is not None
    assert result.history.excursions == [(pytest.approx(1 - 70 / 60), pytest.approx(1 - 50 / 60))]


def test_the_layout_of_pyfolio_and_quantstats(demo_run: Result, tmp_path) -> None:  # type: ignore[no-untyped-def]
    frames = pyfolio_frames(demo_run)
    assert isinstance(frames.returns.index, pd.DatetimeIndex)
    growth = (1 + frames.returns).cumprod().to_numpy() * demo_run.curve.equity[0]
    assert growth == pytest.approx(demo_run.curve.equity)
    assert frames.positions.sum(axis=1).to_numpy() == pytest.approx(demo_run.curve.equity)
    assert list(frames.positions)[-1] == "cash"
    assert list(frames.transactions) == ["amount", "price", "symbol"]
    assert len(frames.transactions) == len(demo_run.transactions)
    assert frames.benchmark is not None
    assert frames.benchmark.iloc[1:].to_numpy() == pytest.approx(series.returns(demo_run.curve.benchmark))
    paths = write_pyfolio(demo_run, tmp_path / "pyfolio")
    assert [path.name for path in paths] == ["returns.csv", "positions.csv", "transactions.csv", "benchmark.csv"]
    again = pd.read_csv(paths[1], index_col="date", parse_dates=True)
    assert again.to_numpy() == pytest.approx(frames.positions.to_numpy())
    assert again.index[0].date() == demo_run.curve.dates[0]
