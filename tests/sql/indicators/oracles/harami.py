"""`harami` is decided bar by bar; test_candles.py compares it with TA-Lib's CDLHARAMI."""

from __future__ import annotations

from tests.sql.indicators._bars import Bars, Columns
from tests.sql.indicators._candles import Candles

CASES: list[tuple[float, ...]] = []


def oracle(bars: Bars) -> Columns:
    c = Candles(bars)

    def pattern(k: int) -> float:
        if not c.above(c.body[k - 1], c.mean_body(k - 1), k) or c.above(c.body[k], c.mean_body(k), k):
            return 0
        if c.top[k] > c.top[k - 1] or c.bottom[k] < c.bottom[k - 1]:
            return 0
        is_inside = c.top[k] < c.top[k - 1] and c.bottom[k] > c.bottom[k - 1]
        return (100 if is_inside else 80) * (-1 if c.is_rise(k - 1) else 1)

    return {"harami": c.column(11, pattern)}
