"""Candlestick patterns are TA-Lib's, on bars without ties; with ties, the exact rule decides instead of rounding."""

from __future__ import annotations

import numpy as np
import pytest
import talib

from tests.sql.indicators._bars import PRICES, WAYS, Bars, connection, fetch

SAME = {
    "doji": "CDLDOJI",
    "hammer": "CDLHAMMER",
    "engulfing": "CDLENGULFING",
    "harami": "CDLHARAMI",
    "morning_star": "CDLMORNINGSTAR",
    "evening_star": "CDLEVENINGSTAR",
    "three_soldiers": "CDL3WHITESOLDIERS",
}


def gapping_bars(seed: int, rows: int) -> Bars:
    """Return bars with all digits, so that no two lengths are equal, and with gaps and bodies of all sizes."""
    rng = np.random.default_rng(seed)
    open_ = 100 + np.cumsum(rng.normal(0, 1, rows))
    close = open_ + rng.normal(0.2, 1, rows) * rng.choice([0.02, 0.3, 1.5], rows)
    low = np.minimum(open_, close) - rng.exponential(0.3, rows) * rng.choice([0.05, 3], rows)
    high = np.maximum(open_, close) + rng.exponential(0.3, rows) * rng.choice([0.01, 3], rows)
    return {"open": open_, "high": high, "low": low, "close": close, "volume": np.full(rows, 1000.0)}


@pytest.mark.parametrize("way", WAYS)
def test_each_pattern_is_that_of_talib(way: str) -> None:
    bars = gapping_bars(1, 20_000)
    with connection({"A": bars}) as con:
        columns = fetch(con, SAME, way)["A"]
    for name, function in SAME.items():
        expected = getattr(talib, function)(*(bars[price] for price in PRICES)).astype(np.float64)
        expected[np.isnan(columns[name])] = np.nan
        np.testing.assert_array_equal(columns[name], expected, name)
        assert np.isnan(columns[name]).sum() <= 12
        assert (np.nan_to_num(columns[name]) != 0).sum() >= 5, f"{name} does not occur"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("body", "expected"), [(0.1, 100), (0.11, 0)])
def test_a_body_of_a_tenth_of_the_mean_range_is_a_doji(body: float, expected: float, way: str) -> None:
    """10.1 - 10 is less than 0.1, and 5.1 - 5 more, in floating point."""
    for price in (5.0, 10.0, 64.0):
        rows = np.full(30, price)
        bars = {"open": rows, "high": rows + 0.7, "low": rows - 0.3, "close": rows + body, "volume": rows}
        with connection({"A": bars}) as con:
            doji = fetch(con, ["doji"], way)["A"]["doji"]
        np.testing.assert_array_equal(doji[10:], expected)
