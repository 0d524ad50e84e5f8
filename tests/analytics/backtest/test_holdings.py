"""Round trips, results by symbol and side, and concentration, by hand."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from stockstream.analytics.backtest.model import ClosedPosition, Movement, OpenPosition
from stockstream.analytics.backtest.stats import (
    by_side,
    by_symbol,
    concentration,
    largest_holdings,
    round_trips,
    trip_figures,
)

START = date(2020, 1, 1)


def move(day: int, quantity: float, price: float, fee: float = 0.0, ratio: float = 1.0) -> Movement:
    return Movement(START + timedelta(days=day), "A", quantity, price, fee, ratio)


def trade(symbol: str, quantity: float, pnl: float) -> ClosedPosition:
    return ClosedPosition(symbol, quantity, START, START, 1, 1, pnl, pnl, 0, 0, "")


def test_the_first_shares_in_are_the_first_out() -> None:
    trips = round_trips([move(0, 10, 100, 10), move(1, 10, 110, 20), move(5, -15, 120, 30)])
    assert [(trip.quantity, trip.entry_price, trip.exit_price) for trip in trips] == [(10, 100, 120), (5, 110, 120)]
    assert [trip.pnl for trip in trips] == pytest.approx([200 - 10 * (1 + 2), 50 - 5 * (2 + 2)])
    figures = trip_figures(trips)
    assert (figures.count, figures.win_rate, figures.average_days) == (2, 1, 4.5)
    assert figures.pnl == pytest.approx(170 + 30)


def test_short_positions_and_a_turn_through_zero() -> None:
    trips = round_trips([move(0, -10, 100), move(1, 15, 90), move(2, -5, 80)])
    assert [(trip.quantity, trip.pnl) for trip in trips] == [(-10, 100), (5, -50)]


def test_a_split_restates_open_lots() -> None:
    (trip,) = round_trips([move(0, 10, 100, 10), move(1, 0, 50, 0, 2), move(2, -20, 60)])
    assert (trip.quantity, trip.entry_price, trip.pnl) == (20, 50, pytest.approx(20 * 10 - 10))


def test_without_a_reduction_there_are_none() -> None:
    figures = trip_figures(round_trips([move(0, 10, 100)]))
    assert (figures.count, figures.win_rate, figures.average) == (0, None, None)


def test_results_by_symbol_and_side_add_up() -> None:
    closed = [trade("A", 10, 100), trade("A", -5, -40), trade("B", -1, 30)]
    still = [OpenPosition("C", 3, START, 10, 12, 36, 6, 0, 0)]
    symbols = by_symbol(closed, still)
    assert [(part.name, part.total, part.trades, part.open_pnl) for part in symbols] == [
        ("A", 60, 2, 0), ("B", 30, 1, 0), ("C", 6, 0, 6),
    ]  # fmt: skip
    assert (symbols[0].win_rate, symbols[0].profit_factor, symbols[0].average) == (0.5, 2.5, 30)
    long, short = by_side(closed, still)
    assert (long.name, long.total, short.name, short.total) == ("long", 106, "short", -10)


def test_concentration() -> None:
    holdings = {"A": np.array([0.0, 50, 30]), "B": np.array([0.0, 0, -30]), "C": np.array([0.0, 0, 0])}
    part = concentration(holdings, np.array([100.0, 100, 200]))
    assert part.positions.tolist() == [0, 1, 2]
    assert part.largest == pytest.approx([0, 0.5, 0.15])
    assert part.five_largest == pytest.approx([0, 0.5, 0.3])
    assert np.isnan(part.effective[0])
    assert part.effective[1:] == pytest.approx([1, 2])
    first, second = largest_holdings(holdings, np.array([100.0, 100, 200]), 2)
    assert (first.symbol, first.mean, first.largest, first.sessions, first.last) == ("A", 0.65 / 3, 0.5, 2, 0.15)
    assert (second.symbol, second.last) == ("B", -0.15)
    assert concentration({}, np.array([1.0])).positions.tolist() == [0]
