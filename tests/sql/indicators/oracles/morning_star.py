"""`morning_star` is decided bar by bar; test_candles.py compares it with TA-Lib's CDLMORNINGSTAR."""

from __future__ import annotations

from tests.sql.indicators._bars import Bars, Columns
from tests.sql.indicators._candles import Candles

CASES = [(0.1,)]


def oracle(bars: Bars, penetration: float) -> Columns:
    c = Candles(bars)

    def pattern(k: int) -> float:
        first = not c.is_rise(k - 2) and c.above(c.body[k - 2], c.mean_body(k - 2), k)
        second = c.top[k - 1] < c.bottom[k - 2] and not c.above(c.body[k - 1], c.mean_body(k - 1), k)
        third = c.is_rise(k) and c.above(c.body[k], c.mean_body(k), k)
        reaches = c.above(c.close[k], c.close[k - 2] + penetration * c.body[k - 2], k)
        return 100 if first and second and third and reaches else 0

    return {"morning_star": c.column(12, pattern)}
