"""`relative_strength` and `excess_return` are plain calculations in longdouble."""

from __future__ import annotations

import numpy as np

from tests.sql.indicators._bars import Bars, Columns, benchmark_of
from tests.sql.indicators._relative import growths

CASES = [(5,)]


def oracle(bars: Bars, n: int) -> Columns:
    growth, market = growths(bars["close"], n), growths(benchmark_of(bars), n)
    missing = np.full(min(n, len(bars["close"])), np.nan)
    columns = {"relative_strength": growth / market - 1, "excess_return": growth - market}
    return {name: np.concatenate([missing, values]).astype(np.float64) for name, values in columns.items()}
