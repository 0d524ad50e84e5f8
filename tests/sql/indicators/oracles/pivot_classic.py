"""`pivot_classic` is a plain calculation from the bar before; test_golden.py compares months with Skender's file."""

from __future__ import annotations

from tests.sql.indicators._bars import Bars, Columns
from tests.sql.indicators._levels import before

CASES: list[tuple[float, ...]] = []


def oracle(bars: Bars) -> Columns:
    high, low, close = before(bars)
    pivot = (high + low + close) / 3
    columns = {
        "pivot_classic": pivot,
        "pivot_classic_r1": 2 * pivot - low,
        "pivot_classic_r2": pivot + (high - low),
        "pivot_classic_r3": high + 2 * (pivot - low),
        "pivot_classic_s1": 2 * pivot - high,
        "pivot_classic_s2": pivot - (high - low),
        "pivot_classic_s3": low - 2 * (high - pivot),
    }
    return {name: values.astype(float) for name, values in columns.items()}
