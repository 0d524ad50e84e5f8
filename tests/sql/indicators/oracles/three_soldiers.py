"""`three_soldiers` is decided bar by bar; test_candles.py compares it with TA-Lib's CDL3WHITESOLDIERS."""

from __future__ import annotations

from tests.sql.indicators._bars import Bars, Columns
from tests.sql.indicators._candles import Candles

CASES: list[tuple[float, ...]] = []


def oracle(bars: Bars) -> Columns:
    c = Candles(bars)

    def is_soldier(k: int) -> bool:
        return c.is_rise(k) and c.above(c.mean_span(k) / 10, c.high[k] - c.top[k], k)

    def follows(k: int) -> bool:
        is_higher = c.close[k] > c.close[k - 1] and c.open[k] > c.open[k - 1]
        is_near = not c.above(c.open[k], c.close[k - 1] + c.mean_span(k - 1, 5) / 5, k)
        return bool(is_higher and is_near and c.above(c.body[k], c.body[k - 1] - c.mean_span(k - 1, 5) * 3 / 5, k))

    def pattern(k: int) -> float:
        are_soldiers = all(is_soldier(k - back) for back in range(3))
        is_long = c.above(c.body[k], c.mean_body(k), k)
        return 100 if are_soldiers and follows(k) and follows(k - 1) and is_long else 0

    return {"three_soldiers": c.column(12, pattern)}
