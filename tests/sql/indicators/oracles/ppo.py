"""`ppo` is TA-Lib's PPO with exponential averages, and its signal TA-Lib's EMA of it."""

from __future__ import annotations

import numpy as np
import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(5, 10, 4)]


def oracle(bars: Bars, fast: int, slow: int, signal: int) -> Columns:
    line = talib.PPO(bars["close"], fast, slow, talib.MA_Type.EMA)
    average = np.concatenate([np.full(slow - 1, np.nan), talib.EMA(line[slow - 1 :], signal)])
    return {"ppo": line, "ppo_signal": average, "ppo_hist": line - average}
