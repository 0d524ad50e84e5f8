"""`fisher` is a plain loop in longdouble; test_golden.py compares Skender's result file."""

from __future__ import annotations

import numpy as np

from tests.sql.indicators._bars import Bars, Columns, rolling

CASES = [(5,)]


def oracle(bars: Bars, n: int) -> Columns:
    price = (bars["high"] + bars["low"]) / 2
    highest, lowest = rolling(np.max, price, n), rolling(np.min, price, n)
    line, place, v = np.full(len(price), np.nan), np.longdouble(0), np.longdouble(0)
    for k in range(n - 1, len(price)):
        if (span := highest[k] - lowest[k]) > 1e-14 * (abs(highest[k]) + abs(lowest[k])):
            v = np.longdouble("0.66") * ((price[k] - lowest[k]) / span - 0.5) + np.longdouble("0.67") * v
            v = np.longdouble("0.999") * np.sign(v) if abs(v) > 0.99 else v
        else:
            v = np.longdouble(0)
        place = np.log((1 + v) / (1 - v)) / 2 + place / 2
        line[k] = place
    return {"fisher": line, "fisher_signal": np.concatenate([[np.nan], line[:-1]])}
