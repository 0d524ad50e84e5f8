"""`hammer` is decided bar by bar; test_candles.py compares it with TA-Lib's CDLHAMMER."""

from __future__ import annotations

from tests.sql.indicators._bars import Bars, Columns
from tests.sql.indicators._candles import Candles

CASES: list[tuple[float, ...]] = []


def oracle(bars: Bars) -> Columns:
    c = Candles(bars)

    def pattern(k: int) -> float:
        is_short = c.above(c.mean_body(k), c.body[k], k)
        has_handle = c.above(c.bottom[k] - c.low[k], c.body[k], k)
        has_head = c.above(c.mean_span(k) / 10, c.high[k] - c.top[k], k)
        is_low = not c.above(c.bottom[k], c.low[k - 1] + c.mean_span(k - 1, 5) / 5, k)
        return 100 if is_short and has_handle and has_head and is_low else 0

    return {"hammer": c.column(11, pattern)}
