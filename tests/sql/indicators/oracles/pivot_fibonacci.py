"""`pivot_fibonacci` is a plain calculation from the bar before."""

from __future__ import annotations

from tests.sql.indicators._bars import Bars, Columns
from tests.sql.indicators._levels import before

CASES: list[tuple[float, ...]] = []


def oracle(bars: Bars) -> Columns:
    high, low, close = before(bars)
    pivot = (high + low + close) / 3
    columns = {"pivot_fibonacci": pivot}
    for level, share in enumerate((382, 618, 1000), 1):
        columns[f"pivot_fibonacci_r{level}"] = pivot + share * (high - low) / 1000
        columns[f"pivot_fibonacci_s{level}"] = pivot - share * (high - low) / 1000
    return {name: values.astype(float) for name, values in columns.items()}
