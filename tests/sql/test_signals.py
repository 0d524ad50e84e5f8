"""The view `signals`: real turns fall on their day, and rounding errors are no turns."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from duckdb import DuckDBPyConnection

from stockstream.pipeline.steps.refresh_indicators import columns
from stockstream.sql.catalogue import catalogue
from stockstream.sql.compiler import parse, query
from stockstream.sql.session import connect
from tests.sql.indicators._bars import PRICES, Bars, flat_bars, put, random_bars


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBPyConnection]:
    with connect(str(tmp_path_factory.mktemp("empty"))) as con:
        con.execute("DROP VIEW bars")  # put() creates a table with this name
        yield con


def signals(con: DuckDBPyConnection, bars: Bars) -> list[tuple[str, int]]:
    """Return the signals of bars, each with the number of its bar; the stored indicators are computed from the bars."""
    put(con, {"A": bars})
    stored = query(parse(columns(), catalogue()), "bars", keep=["close"])
    con.execute(f"CREATE OR REPLACE VIEW indicators AS {stored}")
    rows = con.execute("SELECT signal, date - DATE '2000-01-01' FROM signals ORDER BY date, signal").fetchall()
    return [(signal, int(at)) for signal, at in rows]


@pytest.mark.parametrize("price", [0.3, 0.1, 1e6 / 3, 1e-4 / 7, 47.11])
def test_a_price_that_never_changes_has_no_signals(con: DuckDBPyConnection, price: float) -> None:
    """The averages of a constant 0.3 differ in the last digit, which was 202 turns of the MACD in 600 days."""
    bars = dict.fromkeys((*PRICES, "volume"), np.full(600, price)) | {"volume": np.full(600, 7.0)}
    assert signals(con, bars) == []


def test_a_price_that_no_longer_changes_has_no_turns_of_rounding_errors(con: DuckDBPyConnection) -> None:
    """Both averages approach the price: their difference halves each few days, and keeps its sign."""
    close = np.concatenate([random_bars(5, 200)["close"], np.full(2_000, 47.11)])
    late = [signal for signal, at in signals(con, flat_bars(close)) if at > 440]
    assert late == []


def test_each_turn_of_a_wave_is_a_cross(con: DuckDBPyConnection) -> None:
    days = np.arange(2_400)
    every = signals(con, flat_bars(100 + 20 * np.sin(days * 2 * np.pi / 600)))
    for up, down, first in (("golden_cross", "death_cross", 200), ("macd_up", "macd_down", 60)):
        turns = [(signal, at) for signal, at in every if signal in (up, down) and at >= first]
        assert all(one != two for (one, _), (two, _) in pairwise(turns))
        assert len(turns) == (2_400 - turns[0][1]) // 300 + 1, f"{up}: the wave turns every 300 days"
        assert all(abs(later - at - 300) <= 1 for (_, at), (_, later) in pairwise(turns[1:]))


def test_the_first_difference_of_equal_lines_is_a_cross(con: DuckDBPyConnection) -> None:
    close = np.full(300, 0.3)
    close[250:] = 0.31
    assert {("golden_cross", 250), ("macd_up", 250)} <= set(signals(con, flat_bars(close)))
    close[250:] = 0.29
    assert {("death_cross", 250), ("macd_down", 250)} <= set(signals(con, flat_bars(close)))


def test_lines_that_touch_do_not_turn(con: DuckDBPyConnection) -> None:
    con.execute(
        """CREATE OR REPLACE VIEW indicators AS
        SELECT 'A' AS symbol, DATE '2000-01-01' + CAST(i AS INTEGER) AS date, 10.0 AS close,
            20.0 + [1, 0, 1, 1e-12, -1e-12, 1, -1, 0, -1][i + 1] AS sma_50, 20.0 AS sma_200,
            NULL::DOUBLE AS macd, NULL::DOUBLE AS macd_signal, NULL::DOUBLE AS ema_12, NULL::DOUBLE AS ema_26,
            NULL::DOUBLE AS rsi_14, NULL::DOUBLE AS bollinger_upper, NULL::DOUBLE AS bollinger_middle,
            NULL::DOUBLE AS bollinger_lower, NULL::DOUBLE AS donchian_upper, NULL::DOUBLE AS donchian_lower
        FROM range(9) AS rows (i)"""
    )
    assert con.execute("SELECT signal, date - DATE '2000-01-01' FROM signals").fetchall() == [("death_cross", 6)]


@pytest.mark.parametrize("column", ["high", "low", "open", "volume"])
def test_a_bar_without_a_number_hides_no_breakout(con: DuckDBPyConnection, column: str) -> None:
    close = np.full(60, 50.0)
    close[40], close[50] = 52, 45
    bars = flat_bars(close)
    breakouts = [one for one in signals(con, bars) if one[0].startswith("breakout")]
    assert breakouts == [("breakout_up", 40), ("breakout_down", 50)]
    for at in (39, 49):
        bars[column] = bars[column].astype(float).copy()
        bars[column][at] = np.nan
    assert [one for one in signals(con, bars) if one[0].startswith("breakout")] == breakouts


@pytest.mark.parametrize("scale", [2.0**-20, 1e-5 / 3, 1e5 / 7])
def test_signals_do_not_depend_on_the_unit_of_the_price(con: DuckDBPyConnection, scale: float) -> None:
    bars = random_bars(8, 800)
    scaled = {name: values * scale if name in PRICES else values for name, values in bars.items()}
    expected = signals(con, bars)
    assert len({signal for signal, _ in expected}) == 10
    assert signals(con, scaled) == expected
