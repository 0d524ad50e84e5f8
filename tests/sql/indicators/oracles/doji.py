"""`doji` is decided bar by bar; test_candles.py compares it with TA-Lib's CDLDOJI."""

from __future__ import annotations

from tests.sql.indicators._bars import Bars, Columns
from tests.sql.indicators._candles import Candles

CASES: list[tuple[float, ...]] = []


def oracle(bars: Bars) -> Columns:
    c = Candles(bars)
    return {"doji": c.column(10, lambda k: 0 if c.above(c.body[k], c.mean_span(k) / 10, k) else 100)}
