"""The view `screen`: one row per symbol, equal to a plain calculation on its bars."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from stockstream import analytics


def expected(bars: pl.DataFrame) -> dict[str, Any]:
    """Return the row of a symbol with its bars in order of their dates."""
    closes, highs, lows, volumes = (bars[name].to_list() for name in ("close", "high", "low", "volume"))

    def over(count: int) -> float | None:
        return 100 * (closes[-1] / closes[-1 - count] - 1) if len(closes) > count else None

    return {
        "close": closes[-1],
        "value": closes[-1] * volumes[-1],
        "change_percent": over(1),
        "return_5": over(5),
        "return_21": over(21),
        "return_252": over(252),
        "high_252": max(highs[-252:]),
        "low_252": min(lows[-252:]),
        "from_high_percent": 100 * (closes[-1] / max(highs[-252:]) - 1),
        "from_low_percent": 100 * (closes[-1] / min(lows[-252:]) - 1),
        "is_new_high": highs[-1] > max(highs[-252:-1]),
        "is_new_low": lows[-1] < min(lows[-252:-1]),
        "volume_20": sum(volumes[-21:-1]) / 20,
        "volume_ratio": volumes[-1] / (sum(volumes[-21:-1]) / 20),
    }


def test_the_screen_equals_a_plain_calculation(demo_lake: str) -> None:
    with analytics.connect(demo_lake) as con:
        bars = con.sql("FROM bars_split_adjusted ORDER BY symbol, date").pl()
        rows = {row["symbol"]: row for row in con.sql("FROM screen").pl().to_dicts()}
        indicators = con.sql("FROM indicators QUALIFY date = max(date) OVER (PARTITION BY symbol)").pl().to_dicts()
    assert {*rows} == {"AAPL", "FB", "GOOG", "IBM", "MSFT"}
    assert rows["FB"]["return_252"] is None  # 196 bars
    for (symbol,), group in bars.group_by("symbol"):
        for name, value in expected(group.sort("date")).items():
            got = rows[str(symbol)][name]
            assert got == (None if value is None else pytest.approx(value, rel=1e-12)), name
    for row in indicators:
        assert rows[row["symbol"]]["rsi_14"] == row["rsi_14"]
