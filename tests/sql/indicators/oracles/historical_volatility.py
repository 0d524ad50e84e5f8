"""`historical_volatility` is a plain calculation in longdouble; TA-Lib has no such indicator."""

from __future__ import annotations

import numpy as np

from tests.sql.indicators._bars import Bars, Columns, rolling

CASES = [(63, 260)]


def oracle(bars: Bars, n: int, sessions: int) -> Columns:
    returns = np.diff(np.log(bars["close"].astype(np.longdouble)))
    deviation = rolling(np.std, returns, n) * np.sqrt(np.longdouble(n) / (n - 1) * sessions)
    return {"historical_volatility": np.concatenate([[np.nan], deviation.astype(np.float64)])}
