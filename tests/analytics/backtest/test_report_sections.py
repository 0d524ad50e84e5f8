"""The sections of the page that analyse a result: against the benchmark, by part, over time, by chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bs4 import BeautifulSoup

from stockstream.analytics.backtest.model import Order, Status
from stockstream.analytics.backtest.stats import (
    by_symbol,
    concentration,
    resampled_returns,
    rolling_sharpe,
    round_trips,
    series,
    trip_figures,
    yearly_returns,
)
from tests.analytics.backtest._made_up import goog_sma, many
from tests.analytics.backtest.test_report import bare, data, page, rows, value


@pytest.fixture(scope="module")
def many_page() -> BeautifulSoup:
    return page(many())


@pytest.fixture(scope="module")
def goog_page() -> BeautifulSoup:
    return page(goog_sma())


def test_years_against_the_benchmark(goog_page: BeautifulSoup) -> None:
    curve = goog_sma().curve
    account, market = yearly_returns(curve), yearly_returns(replace(curve, equity=curve.benchmark))
    for cells, year in zip(rows(goog_page, "years"), account, strict=True):
        expected = [account[year], market[year], account[year] - market[year]]
        assert [value(cell) for cell in cells] == pytest.approx(expected, abs=0.000051)
    assert page(bare(100.0, 101.0)).find(id="years") is None


def test_results_by_side_and_symbol_add_up_to_the_profit(many_page: BeautifulSoup) -> None:
    result = many()
    tables = many_page.find(id="symbols").find_all("table")
    sides, symbols = ([value(row.find_all("td")[1].get_text()) for row in t.select("tr:has(td)")] for t in tables)
    profit = sum(t.pnl for t in result.closed_positions) + sum(p.pnl for p in result.open_positions)
    assert len(sides) == 2
    assert len(symbols) == len(by_symbol(result.closed_positions, result.open_positions)) == 30
    assert sum(sides) == pytest.approx(profit, abs=0.02)
    assert sum(symbols) == pytest.approx(profit, abs=0.2)


def test_of_many_symbols_the_best_and_the_worst() -> None:
    result = many(120, 300, trades_each=4)
    table = page(result).find(id="symbols").find_all("table")[1]
    names = [row.td.get_text() for row in table.select("tr:has(td)")]
    expected = [part.name for part in by_symbol(result.closed_positions, result.open_positions)]
    assert names == expected[:25] + expected[-25:]


def test_rolling_figures_are_those_of_the_stats(goog_page: BeautifulSoup) -> None:
    result = goog_sma()
    rolling = data(goog_page)["rolling"]
    sharpe = rolling_sharpe(series.returns(result.curve.equity))
    assert rolling["sharpe"][-1] == pytest.approx(sharpe[-1], rel=1e-5)
    assert len(rolling["days"]) == len(rolling["sharpe"]) == len(rolling["beta"]) <= 800
    assert rolling["days"][-1] == data(goog_page)["account"]["days"][-1]
    soup = page(bare(*range(100, 200)))
    assert data(soup)["rolling"] is None
    assert "shorter than 127 sessions" in soup.find(id="rolling").get_text()


def test_the_histogram_counts_every_session(goog_page: BeautifulSoup) -> None:
    bars = data(goog_page)["histogram"]
    assert sum(bars["sessions"]) == len(goog_sma().curve.dates) - 1
    assert len(bars["middle"]) == len(bars["sessions"])


def test_holdings_over_time(many_page: BeautifulSoup) -> None:
    result = many()
    part = concentration(result.history.holdings, result.curve.equity)
    drawn = data(many_page)["holdings"]
    assert drawn["positions"][-1] == part.positions[-1]
    assert max(drawn["largest"]) == pytest.approx(part.largest.max(), rel=1e-5)
    shares = [value(cells[1]) for cells in rows(many_page, "holdings")]
    assert shares == sorted(shares, reverse=True)
    assert len(shares) == 30


def test_excursions(goog_page: BeautifulSoup) -> None:
    result = goog_sma()
    dots = data(goog_page)["excursions"]
    returns = [trade.return_pct / 100 for trade in result.closed_positions]
    assert [dot[2] for dot in dots] == pytest.approx(returns, rel=1e-5)
    wins = sum(trade.pnl > 0 for trade in result.closed_positions)
    assert [cells[0] for cells in rows(goog_page, "excursions")] == [str(wins), str(len(dots) - wins)]
    assert {tuple(cells[10:12]) for cells in rows(goog_page, "trades")} == {("−5.0%", "10.0%")}


def test_round_trips(many_page: BeautifulSoup) -> None:
    figures = trip_figures(round_trips(many().movements))
    count, profit, average, *_ = (value(cell) for cell in rows(many_page, "trips")[0])
    assert count == figures.count
    assert profit == pytest.approx(figures.pnl, abs=0.0051)
    assert average == pytest.approx(figures.average, abs=0.0051)


def test_orders_that_were_not_filled() -> None:
    day = many().curve.dates[3]
    orders = [Order(n, "S002", 5, day, status=Status.rejected, end_reason="no cash") for n in range(1, 4)]
    orders += [
        Order(4, "S003", 5, day, limit=9.5, status=Status.expired, ended=day, end_reason="the day is <over>"),
        Order(5, "S003", 5, day, status=Status.filled),
    ]
    soup = page(replace(many(), orders=orders))
    assert rows(soup, "unfilled")[:3] == [
        ["rejected", "no cash", "3"],
        ["expired", "the day is <over>", "1"],
        ["Total", "", "4 of 5"],
    ]
    assert len(soup.find(id="unfilled").select("details tr:has(td)")) == 4
    assert "all orders were filled" in page(goog_sma()).find(id="unfilled").get_text()


def test_intervals_by_chance(goog_page: BeautifulSoup) -> None:
    result = resampled_returns(series.returns(goog_sma().curve.equity))
    assert result is not None
    total = rows(goog_page, "luck")[0]
    interval = result.intervals["total_return"]
    expected = [interval.observed, interval.low, interval.median, interval.high]
    assert [value(cell) for cell in total] == pytest.approx(expected, abs=0.000051)
    assert "fewer than ten returns" in page(bare(100.0, 101.0)).find(id="luck").get_text()


def test_cautions_stand_above_the_figures() -> None:
    soup = page(many())
    texts = [tag.get_text() for tag in soup.select(".caution")]
    assert any("still open at the end" in text for text in texts)
    assert soup.select_one(".caution").find_next(id="headline") is not None
    short = page(bare(*np.linspace(100, 110, 30)))
    assert "30 sessions are less than a year" in short.select_one(".caution").get_text()


def test_candles_and_the_strategys_columns_as_far_as_there_is_room() -> None:
    result = many()
    bars = dict(result.history.bars)
    first = data(page(result))["traded"][0]["symbol"]
    closes = bars[first].close
    bars[first] = replace(bars[first], overlays={"sma_20": closes * 0.9}, panes={"rsi_14": closes})
    drawn = data(page(replace(result, history=replace(result.history, bars=bars))))["traded"]
    assert list(drawn[0]["bar"]) == ["open", "high", "low"]
    assert drawn[0]["overlays"]["sma_20"] == pytest.approx([close * 0.9 for close in closes], rel=1e-5, nan_ok=True)
    assert list(drawn[0]["panes"]) == ["rsi_14"]
    assert "bar" not in drawn[-1]
    assert len(drawn[-1]["close"]) == len(result.curve.dates)
