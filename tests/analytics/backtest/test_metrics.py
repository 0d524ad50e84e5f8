"""Metrics of small curves and trades, computed by hand; and cases in which a metric is undefined."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockstream.analytics.backtest.model import ClosedPosition, Costs, Transaction
from stockstream.analytics.backtest.stats import (
    drawdowns,
    monthly_returns,
    series,
    summary,
    yearly_returns,
)
from tests.analytics.backtest._made_up import NO_COSTS, curve, goog_sma

START = date(2020, 1, 1)


def trade(pnl: float, days: int = 1) -> ClosedPosition:
    return ClosedPosition("A", 1, START, START + timedelta(days=days), 100, 100 + pnl, pnl, pnl, 0, 0, "")


def of_equity(*equity: float) -> dict[str, float | None]:
    return summary(curve(equity), [], [], NO_COSTS)


# By hand


def test_trades() -> None:
    trades = [trade(100, 10), trade(-50, 20), trade(200, 30), trade(0, 40), trade(-25, 50)]
    figures = summary(curve([1000, 1225]), trades, [], Costs(1, 2, 4, 8))
    assert figures["trades"] == 5
    assert figures["win_rate"] == 0.4
    assert figures["profit_factor"] == 4
    assert (figures["average_win"], figures["average_loss"]) == (150, -37.5)
    assert figures["win_loss_ratio"] == 4
    assert figures["expectancy"] == 45
    assert figures["average_holding_days"] == 30
    assert [figures[k] for k in ("commission", "slippage", "borrow", "interest", "costs")] == [1, 2, 4, 8, 15]


def test_only_wins_have_no_profit_factor() -> None:
    figures = summary(curve([1000, 1100]), [trade(60), trade(40)], [], NO_COSTS)
    assert figures["win_rate"] == 1
    assert figures["profit_factor"] is figures["average_loss"] is figures["win_loss_ratio"] is None


def test_exposure_counts_long_and_short() -> None:
    account = curve([100, 100, 100, 100], long=np.array([0, 50, 0, 100.0]), short=np.array([0, 0, -50.0, -100]))
    figures = summary(account, [], [], NO_COSTS)
    assert figures["time_in_market"] == 0.75
    assert figures["mean_exposure"] == (0 + 0.5 + 0.5 + 2) / 4


def test_turnover_is_one_where_all_is_bought_and_sold_once_a_year() -> None:
    fills = [Transaction(START, "A", q, 10, 0, 0, 1, "market") for q in (10, -10)]
    assert summary(curve([100] * 253), [], fills, NO_COSTS)["turnover"] == pytest.approx(1)
    assert summary(curve([100] * 127), [], fills, NO_COSTS)["turnover"] == pytest.approx(2)


def test_drawdowns() -> None:
    account = curve([100, 100, 90, 95, 100, 120, 60, 90, 130, 117, 129])
    falls = drawdowns(account)
    day = account.dates
    assert [fall.depth for fall in falls] == pytest.approx([-0.5, -0.1, -0.1])
    assert [(fall.peak, fall.trough, fall.recovery) for fall in falls] == [
        (day[5], day[6], day[8]),
        (day[1], day[2], day[4]),
        (day[8], day[9], None),
    ]
    assert [fall.days for fall in falls] == [3, 3, 2]
    assert min(series.drawdown(account.equity)) == -0.5


def test_the_deepest_drawdown_may_not_be_the_longest() -> None:
    figures = of_equity(100, 99, 99, 99, 100, 50, 100)
    assert (figures["max_drawdown_days"], figures["longest_drawdown_days"]) == (2, 4)


def test_months_and_years() -> None:
    days = [date(2020, 11, 30), date(2020, 12, 1), date(2020, 12, 31), date(2021, 2, 1), date(2021, 2, 26)]
    account = curve([100, 110, 120, 90, 60], days)
    assert monthly_returns(account) == {
        2020: [*[None] * 11, pytest.approx(0.2)],
        2021: [None, pytest.approx(-0.5), *[None] * 10],
    }
    assert yearly_returns(account) == pytest.approx({2020: 0.2, 2021: -0.5})
    idle = curve([100, 110], [date(2020, 6, 1), date(2022, 6, 1)])
    assert yearly_returns(idle) == {2020: None, 2021: None, 2022: pytest.approx(0.1)}


def test_a_benchmark_that_starts_later() -> None:
    """All metrics that involve the benchmark cover only the sessions in which it has a price."""
    equity = np.array([100, 300, 100, 110, 99, 108.9])
    account = curve(equity, benchmark=np.array([np.nan, np.nan, 10, 10.5, 9.975, 10.47375]))
    figures = summary(account, [], [], NO_COSTS)
    assert figures["benchmark_return"] == pytest.approx(0.047375)
    assert figures["beta"] == pytest.approx(2)
    assert figures["alpha"] == pytest.approx(0, abs=1e-12)
    assert figures["correlation"] == pytest.approx(1)
    assert figures["benchmark_max_drawdown"] == pytest.approx(-0.05)


def test_without_a_benchmark_its_figures_are_none() -> None:
    for account in (curve([100, 101, 100]), curve([100, 101, 100], benchmark=np.full(3, np.nan))):
        figures = summary(account, [], [], NO_COSTS)
        assert figures["sharpe"] is not None
        assert {figures[key] for key in figures if key.startswith("benchmark")} == {None}
        assert figures["beta"] is figures["alpha"] is figures["correlation"] is None


# What is undefined


def test_one_session() -> None:
    figures = of_equity(100)
    assert (figures["total_return"], figures["max_drawdown"], figures["trades"]) == (0, 0, 0)
    missing = [
        "annual_return",
        "cagr",
        "volatility",
        "sharpe",
        "sortino",
        "calmar",
        "best_day",
        "worst_day",
        "turnover",
    ]
    missing += [
        "win_rate",
        "profit_factor",
        "average_win",
        "average_loss",
        "expectancy",
        "average_holding_days",
        "beta",
    ]
    assert {figures[key] for key in missing} == {None}


def test_no_volatility_has_no_ratio() -> None:
    """Even if rounding errors give constant growth a small volatility."""
    steady = 100 * 1.001 ** np.arange(300)
    assert series.returns(steady).std() > 0
    for figures in (of_equity(*[100.0] * 300), of_equity(*steady)):
        assert figures["sharpe"] is figures["sortino"] is None
        assert figures["volatility"] == pytest.approx(0, abs=1e-12)
    flat = summary(curve(steady, benchmark=np.full(300, 5.0)), [], [], NO_COSTS)
    assert flat["beta"] is flat["correlation"] is None


def test_a_ruined_account_has_no_ratios() -> None:
    for equity in ([100, 50, 0, 0], [100, 50, -20, 10]):
        figures = of_equity(*equity)
        assert figures["total_return"] == equity[-1] / 100 - 1
        assert figures["max_drawdown"] == pytest.approx(min(equity) / 100 - 1)
        undefined = ("sharpe", "annual_return", "volatility", "mean_exposure")
        assert {figures[name] for name in undefined} == {None}


MONEY = st.lists(st.floats(1e-3, 1e12), min_size=1, max_size=60)


@given(equity=MONEY, benchmark=MONEY, pnl=st.lists(st.floats(-1e9, 1e9), max_size=8), risk_free=st.floats(0, 0.2))
@settings(max_examples=100, deadline=None)
def test_whatever_the_curve_a_figure_is_finite_or_none(
    equity: list[float], benchmark: list[float], pnl: list[float], risk_free: float
) -> None:
    market = np.full(len(equity), np.nan)
    market[-len(benchmark) :] = benchmark[-len(equity) :]
    account = curve(equity, benchmark=market)
    figures = summary(account, [trade(money) for money in pnl], [], NO_COSTS, risk_free=risk_free)
    assert all(value is None or math.isfinite(value) for value in figures.values())
    assert figures["max_drawdown"] is not None
    assert -1 <= figures["max_drawdown"] <= 0
    assert figures["correlation"] is None or abs(figures["correlation"]) <= 1 + 1e-9
    assert list(figures) == list(of_equity(1, 2))


@given(equity=st.lists(st.integers(50, 150), min_size=3, max_size=60), scale=st.sampled_from([1e-3, 7.0, 1e6]))
@settings(max_examples=100, deadline=None)
def test_the_currency_does_not_matter(equity: list[int], scale: float) -> None:
    one, other = of_equity(*equity), of_equity(*[scale * money for money in equity])
    del one["final_equity"], other["final_equity"]
    for key, value in one.items():
        assert other[key] == (None if value is None else pytest.approx(value, rel=1e-6, abs=1e-9)), key


@given(equity=st.lists(st.floats(1, 1000), min_size=1, max_size=60))
@settings(max_examples=100, deadline=None)
def test_every_session_is_at_its_peak_or_in_one_drawdown(equity: list[float]) -> None:
    account = curve(equity)
    falls = drawdowns(account)
    below = sum((((fall.recovery or account.dates[-1] + timedelta(days=1)) - fall.peak).days - 1) for fall in falls)
    assert below == np.count_nonzero(series.drawdown(account.equity) < 0)
    assert (falls[0].depth if falls else 0) == series.max_drawdown(account.equity)


# Cost


def test_the_summary_takes_milliseconds() -> None:
    result = goog_sma()
    spent = []
    for _ in range(20):
        start = time.perf_counter()
        summary(result.curve, result.closed_positions, result.transactions, result.costs)
        spent.append(time.perf_counter() - start)
    assert min(spent) < 0.003  # 0.4 ms for 2,148 sessions


def test_its_imports_are_light() -> None:
    """Every command imports the model and the strategies for its help; only runs need numpy and pyarrow."""
    code = (
        "import sys, stockstream.analytics.backtest.strategies\n"
        "assert not {'numpy', 'pyarrow'} & set(sys.modules)\n"
        "import stockstream.analytics.backtest.stats\n"
        "assert not {'pandas', 'polars', 'pyarrow', 'scipy', 'jinja2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
