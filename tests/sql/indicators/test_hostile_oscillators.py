"""Moving averages and oscillators on the bars of test_hostile.py, compared with plain definitions in longdouble.

The definitions are their own, without TA-Lib, whose rolling sums lose digits on these bars.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.sql.indicators._bars import WAYS, Bars, connection, fetch, rolling
from tests.sql.indicators.test_hostile import (
    LONG,
    SERIES,
    Exact,
    aligned,
    assert_exact,
    ema,
    largest,
    mean,
    nothing,
    recursion,
    rsi,
    true_range,
    wilder,
)


def chain(values: np.ndarray, n: int) -> np.ndarray:
    """Return the exponential average of values of which the first may be NaN, from the first n others on."""
    start = int(np.isnan(values).sum())
    return np.concatenate([nothing(values[:start]), ema(values[start:], n)])


def lagged(values: np.ndarray, bars: int) -> np.ndarray:
    return np.concatenate([nothing(values[:bars]), values[: max(0, len(values) - bars)].astype(LONG)])[: len(values)]


def weighted(values: np.ndarray, n: int) -> np.ndarray:
    weights = np.arange(1, n + 1, dtype=LONG)
    return rolling(lambda last, axis: last @ weights / weights.sum(), values, n)


def ratio(value: np.ndarray, of: np.ndarray, otherwise: float) -> np.ndarray:
    """Return value / of, and `otherwise` where `of` is 0."""
    return np.asarray(np.where(of == 0, otherwise, value / np.where(of == 0, 1, of)))


def where(defined: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the values that are not NULL because `defined` is not."""
    return np.where(np.isnan(defined), np.nan, values)


def highest(values: np.ndarray, n: int) -> np.ndarray:
    return rolling(np.max, values, n)


def lowest(values: np.ndarray, n: int) -> np.ndarray:
    return rolling(np.min, values, n)


def prices(bars: Bars) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return bars["high"].astype(LONG), bars["low"].astype(LONG), bars["close"].astype(LONG)


def later(values: np.ndarray) -> np.ndarray:
    """Return the values without the first, which has no bar before it."""
    return aligned(values[1:], len(values))


def t3(bars: Bars) -> Exact:
    e, x = [], bars["close"].astype(LONG)
    for _ in range(6):
        e.append(x := chain(x, 5))
    a, (e3, e4, e5, e6) = LONG(7) / 10, e[2:]
    line = (1 + 3 * a + 3 * a**2 + a**3) * e3 - (3 * a + 6 * a**2 + 3 * a**3) * e4
    return {"t3": (line + (3 * a**2 + 3 * a**3) * e5 - a**3 * e6, 10 * (e3 + e4 + e5 + e6))}


def averages(bars: Bars) -> Exact:
    x = bars["close"].astype(LONG)
    k = np.arange(len(x))
    double = 2 * x - lagged(x, 9)
    weights = np.exp(-(((np.arange(9, dtype=LONG) - LONG(85) / 100 * 8) * 6 / 9) ** 2) / 2)
    return {
        "hma": (weighted(2 * weighted(x, 10) - weighted(x, 20), 4), largest(x, 23) * (1 + k / 10)),
        "vwma": (mean(x * bars["volume"], 20) / mean(bars["volume"], 20), 0),
        "smma": (recursion(x, 14, LONG(1) / 14, 13), 0),
        "zlema": (chain(double, 20), chain(2 * x + lagged(x, 9), 20)),
        "alma": (rolling(lambda last, axis: last @ weights / weights.sum(), x, 9), 0),
        "dpo": (where(mean(x, 20), lagged(x, 11) - mean(x, 20)), lagged(x, 11) + largest(x, 20)),
    }


def mcginley(bars: Bars) -> Exact:
    x, line = bars["close"].astype(LONG), nothing(bars["close"])
    if len(x) >= 14:
        line[13] = x[:14].mean()
    for k in range(14, len(x)):
        divisor = max(LONG(1), 14 * (x[k] / line[k - 1]) ** 4)
        line[k] = line[k - 1] + (x[k] - line[k - 1]) / divisor
    return {"mcginley": (line, 0)}


def changes(bars: Bars) -> Exact:
    change = later(np.diff(bars["close"].astype(LONG), prepend=LONG(0)))
    up, down = np.maximum(change, 0), np.maximum(-change, 0)
    net, total = chain(chain(change, 25), 13), chain(chain(abs(change), 25), 13)
    strength = 100 * ratio(net, total, 0)
    rises, falls = (later(mean(np.nan_to_num(each), 14)) for each in (up, down))
    rises[:14] = np.nan
    smooth_up, smooth_down = wilder(np.nan_to_num(up), 14), wilder(np.nan_to_num(down), 14)
    return {
        "tsi": (strength, 100),
        "tsi_signal": (chain(strength, 7), 100),
        "cmo": (100 * ratio(smooth_up - smooth_down, smooth_up + smooth_down, 0), 100),
        "cmou": (100 * ratio(rises - falls, rises + falls, 0), 100),
    }


def oscillators(bars: Bars) -> Exact:
    x = bars["close"].astype(LONG)
    fast, slow = ema(x, 12), ema(x, 26)
    line, level = 100 * ratio(fast - slow, slow, 0), 100 * ratio(fast + slow, slow, 0)
    signal = chain(line, 9)
    rate = 100 * (ratio(x, lagged(x, 11), 1) + ratio(x, lagged(x, 14), 1) - 2)
    return {
        "apo": (where(slow, fast - slow), fast + slow),
        "ppo": (where(slow, line), level),
        "ppo_signal": (signal, chain(level, 9)),
        "ppo_hist": (line - signal, level + chain(level, 9)),
        "coppock": (weighted(rate, 10), largest(rate + 400, 10) * (1 + np.arange(len(x)) / 5)),
    }


def stochrsi(bars: Bars) -> Exact:
    strength = rsi(bars, 14)
    top, bottom = highest(strength, 14), lowest(strength, 14)
    is_flat = top - bottom <= 1e-12 * top
    span = np.where(is_flat, 1, top - bottom)
    fast = np.where(is_flat, where(top, np.zeros(len(top))), 100 * (strength - bottom) / span)
    level = np.where(is_flat, where(top, np.full(len(top), 100)), 100 * top / span)
    k = mean(fast, 3)
    return {
        "stochrsi_k": (where(mean(k, 3), k), largest(level, 3)),
        "stochrsi_d": (mean(k, 3), largest(level, 5)),
    }


def kdj(bars: Bars) -> Exact:
    high, low, close = prices(bars)
    top, bottom = highest(high, 9), lowest(low, 9)
    fast = 100 * ratio(close - bottom, top - bottom, 0)
    k = recursion(fast, 3, LONG(1) / 3, 10)
    d = recursion(k, 3, LONG(1) / 3, 12)
    return {"kdj_k": (where(d, k), 100), "kdj_d": (d, 100), "kdj_j": (3 * k - 2 * d, 500)}


def ranges(bars: Bars) -> Exact:
    high, low, close = prices(bars)
    middle, average, spread = (high + low) / 2, ema(close, 13), 3 * wilder(true_range(bars), 22)
    path = [later(each) for each in (abs(high - lagged(low, 1)), abs(low - lagged(high, 1)), true_range(bars))]
    plus, minus, total = (aligned(mean(each[1:], 14), len(close)) for each in path)
    once = ema(high - low, 9)
    twice = chain(once, 9)
    quotient = ratio(once, twice, 1)
    span = highest(high, 14) - lowest(low, 14)
    drawdown = 100 * (close / highest(close, 14) - 1)
    return {
        "awesome": (mean(middle, 5) - mean(middle, 34), largest(middle, 34)),
        "elder_bull": (high - average, high + average),
        "elder_bear": (low - average, low + average),
        "vortex_plus": (ratio(plus, total, 0), 0),
        "vortex_minus": (ratio(minus, total, 0), 0),
        "mass_index": (25 * mean(quotient, 25), 0),
        "choppiness": (100 * np.log(14 * ratio(total, span, np.nan)) / np.log(LONG(14)), 100),
        "ulcer": (np.sqrt(mean(drawdown**2, 14)), 0),
        "natr": (100 * wilder(true_range(bars), 14) / close, 0),
        "chandelier_long": (highest(high, 22) - spread, highest(high, 22) + spread),
        "chandelier_short": (lowest(low, 22) + spread, 0),
    }


def fisher(bars: Bars) -> Exact:
    price = (bars["high"].astype(LONG) + bars["low"]) / 2
    top, bottom, line = highest(price, 10), lowest(price, 10), nothing(price)
    v = place = LONG(0)
    for k in range(9, len(price)):
        span, v = top[k] - bottom[k], v * 67 / 100
        v = LONG(66) / 100 * ((price[k] - bottom[k]) / span - LONG(1) / 2) + v if span > 0 else LONG(0)
        v = np.sign(v) * 999 / 1000 if abs(v) > LONG(99) / 100 else v
        line[k] = place = np.log((1 + v) / (1 - v)) / 2 + place / 2
    return {"fisher": (line, 1e3), "fisher_signal": (lagged(line, 1), 1e3)}


EXACT: dict[str, Callable[[Bars], Exact]] = {
    "t3": t3,
    **dict.fromkeys(("hma", "vwma", "smma", "zlema", "alma", "dpo"), averages),
    "mcginley": mcginley,
    **dict.fromkeys(("tsi", "cmo", "cmou"), changes),
    **dict.fromkeys(("apo", "ppo", "coppock"), oscillators),
    "stochrsi": stochrsi,
    "kdj": kdj,
    **dict.fromkeys(
        ("awesome", "elder_ray", "vortex", "mass_index", "choppiness", "ulcer", "natr", "chandelier"), ranges
    ),
    "fisher": fisher,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("series", SERIES)
def test_series(series: str, way: str) -> None:
    bars = SERIES[series]
    with connection({"A": bars}) as con, np.errstate(divide="ignore", invalid="ignore"):
        exact = {of: of(bars) for of in EXACT.values()}
        for text, of in EXACT.items():
            assert_exact(fetch(con, [f"{text}_v1"], way)["A"], exact[of])
