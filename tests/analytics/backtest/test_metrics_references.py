"""Metrics equal those of empyrical-reloaded, quantstats and backtesting.py, or differ by a known amount."""

from __future__ import annotations

import math

import empyrical
import numpy as np
import pandas as pd
import pytest

from stockstream.analytics.backtest.model import Curve
from stockstream.analytics.backtest.stats import (
    monthly_returns,
    series,
    summary,
    yearly_returns,
)
from tests.analytics.backtest import _references as references
from tests.analytics.backtest._made_up import NO_COSTS, curve, goog, goog_sma


def buy_and_hold() -> Curve:
    """Return the curve of holding GOOG."""
    bars = goog()
    return curve(bars["Close"].tolist(), [day.date() for day in bars.index])


CURVES = {"held": buy_and_hold, "crossover": lambda: goog_sma().curve}


def figures(name: str) -> dict[str, float | None]:
    return summary(buy_and_hold(), [], [], NO_COSTS) if name == "held" else dict(goog_sma().metrics)


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("library", [references.EMPYRICAL, references.QUANTSTATS, references.BACKTESTING])
def test_the_references(library: dict[str, dict[str, float]], name: str) -> None:
    ours = figures(name)
    assert {key: ours[key] for key in library[name]} == pytest.approx(library[name], rel=1e-10)


@pytest.mark.parametrize("name", CURVES)
def test_empyrical_today(name: str) -> None:
    account = CURVES[name]()
    returns = pd.Series(account.equity, pd.DatetimeIndex(account.dates)).pct_change().dropna()
    theirs = {
        "annual_return": empyrical.annual_return(returns),
        "volatility": empyrical.annual_volatility(returns),
        "sharpe": empyrical.sharpe_ratio(returns),
        "sortino": empyrical.sortino_ratio(returns),
        "max_drawdown": empyrical.max_drawdown(returns),
        "calmar": empyrical.calmar_ratio(returns),
    }
    ours = figures(name)
    assert {key: ours[key] for key in theirs} == pytest.approx(theirs, rel=1e-10)
    monthly = empyrical.aggregate_returns(returns, "monthly").to_dict()
    table = monthly_returns(account)
    assert {(y, m): table[y][m - 1] for y, m in monthly} == pytest.approx(monthly, rel=1e-9)
    assert sum(value is not None for row in table.values() for value in row) == len(monthly)
    yearly = empyrical.aggregate_returns(returns, "yearly").to_dict()
    assert yearly_returns(account) == pytest.approx(yearly, rel=1e-9)


def test_empyrical_today_against_a_benchmark() -> None:
    account = goog_sma().curve
    returns, market = series.returns(account.equity), series.returns(account.benchmark)
    rf = 0.02 / 252
    ours = summary(account, [], [], NO_COSTS, risk_free=0.02)
    assert ours["beta"] == pytest.approx(empyrical.beta(returns, market, rf), rel=1e-10)
    assert ours["alpha"] == pytest.approx(empyrical.alpha(returns, market, rf), rel=1e-9)
    assert ours["correlation"] == pytest.approx(np.corrcoef(returns, market)[0, 1], rel=1e-10)
    assert ours["sortino"] == pytest.approx(empyrical.sortino_ratio(returns, rf), rel=1e-10)
    assert ours["benchmark_sharpe"] == pytest.approx(empyrical.sharpe_ratio(market, rf), rel=1e-10)


@pytest.mark.filterwarnings("ignore:Some trades remain open", "ignore:DatetimeIndex.dayofweek")
def test_backtesting_py_today() -> None:
    """Fills and curve are equal; each metric is equal, too, or its difference is explained."""
    from backtesting import Backtest, Strategy

    class Crossover(Strategy):
        def init(self) -> None:
            self.fast, self.slow = (
                self.I(lambda x, n=n: pd.Series(x).rolling(n).mean(), self.data.Close) for n in (20, 50)
            )

        def next(self) -> None:
            if self.fast[-1] > self.slow[-1] and not self.position:
                self.buy(size=int(0.95 * self.equity / self.data.Close[-1]))
            elif self.fast[-1] < self.slow[-1]:
                self.position.close()

    theirs = Backtest(goog(), Crossover, cash=100_000, commission=0.001, finalize_trades=False).run()
    result, ours = goog_sma(), goog_sma().metrics
    assert result.curve.equity == pytest.approx(theirs["_equity_curve"]["Equity"].to_numpy(), rel=1e-12)
    assert [t.pnl for t in result.closed_positions] == pytest.approx(theirs["_trades"]["PnL"].tolist())
    assert theirs["Return (Ann.) [%]"] == pytest.approx(100 * ours["annual_return"])
    assert theirs["CAGR [%]"] == pytest.approx(100 * ours["cagr"])
    assert theirs["Calmar Ratio"] == pytest.approx(ours["calmar"])
    assert theirs["Max. Drawdown Duration"].days == ours["longest_drawdown_days"]
    assert theirs["Win Rate [%]"] == pytest.approx(100 * ours["win_rate"])
    assert theirs["Commissions [$]"] == pytest.approx(sum(t.commission for t in result.closed_positions))

    compounded, daily = 1 + ours["annual_return"], ours["volatility"] ** 2 / 252
    volatility = math.sqrt((daily + compounded ** (2 / 252)) ** 252 - compounded**2)
    assert theirs["Volatility (Ann.) [%]"] == pytest.approx(100 * volatility)
    assert theirs["Sharpe Ratio"] == pytest.approx(ours["annual_return"] / volatility)
    mean = series.returns(result.curve.equity).mean() * 252
    assert theirs["Sortino Ratio"] == pytest.approx(ours["sortino"] * ours["annual_return"] / mean)
    still = sum(day >= result.open_positions[0].entry_date for day in result.curve.dates)
    assert theirs["Exposure Time [%]"] == pytest.approx(100 * (ours["time_in_market"] + (20 - still) / len(goog())))
    percent = np.array([t.pnl / (t.quantity * t.entry_price) for t in result.closed_positions])
    assert theirs["Profit Factor"] == pytest.approx(percent[percent > 0].sum() / -percent[percent < 0].sum())


@pytest.mark.parametrize("name", CURVES)
def test_a_risk_free_rate_is_a_simple_share_of_the_years(name: str) -> None:
    """quantstats compounds it instead."""
    ours = summary(CURVES[name](), [], [], NO_COSTS, risk_free=0.02)["sharpe"]
    assert ours == pytest.approx(references.EMPYRICAL_SHARPE_AT_2_PERCENT[name], rel=1e-10)
    theirs = series.sharpe(series.returns(CURVES[name]().equity), 1.02 ** (1 / 252) - 1)
    assert theirs == pytest.approx(references.QUANTSTATS_SHARPE_AT_2_PERCENT[name], rel=1e-10)
