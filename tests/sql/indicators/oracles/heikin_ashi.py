"""`heikin_ashi` is TA-Lib's HA."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import PRICES, Bars, Columns

CASES: list[tuple[float, ...]] = []


def oracle(bars: Bars) -> Columns:
    results = talib.HA(*(bars[name] for name in PRICES))
    return {f"heikin_ashi_{name}": values for name, values in zip(PRICES, results, strict=True)}
