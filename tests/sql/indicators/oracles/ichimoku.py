"""The lines of `ichimoku` are TA-Lib's MIDPRICE; the spans are those of `displacement` bars before."""

from __future__ import annotations

import numpy as np
import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(7, 22, 44, 25)]


def oracle(bars: Bars, conversion: int, base: int, slow: int, displacement: int) -> Columns:
    fast, middle, late = (talib.MIDPRICE(bars["high"], bars["low"], n) for n in (conversion, base, slow))

    def displaced(line: np.ndarray) -> np.ndarray:
        return np.concatenate([np.full(displacement, np.nan), line])[: len(line)]

    return {
        "ichimoku_conversion": fast,
        "ichimoku_base": middle,
        "ichimoku_span_a": displaced((fast + middle) / 2),
        "ichimoku_span_b": displaced(late),
    }
