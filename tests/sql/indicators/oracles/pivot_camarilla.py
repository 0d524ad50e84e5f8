"""`pivot_camarilla` is a plain calculation from the bar before."""

from __future__ import annotations

from tests.sql.indicators._bars import Bars, Columns
from tests.sql.indicators._levels import before

CASES: list[tuple[float, ...]] = []


def oracle(bars: Bars) -> Columns:
    high, low, close = before(bars)
    columns = {}
    for level, divisor in enumerate((120, 60, 40, 20), 1):
        columns[f"pivot_camarilla_r{level}"] = close + 11 * (high - low) / divisor
        columns[f"pivot_camarilla_s{level}"] = close - 11 * (high - low) / divisor
    return {name: values.astype(float) for name, values in columns.items()}
