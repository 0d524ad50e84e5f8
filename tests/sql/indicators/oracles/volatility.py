"""What the indicators of volatility should give: TA-Lib, or numpy in longdouble where it has none or loses digits."""

from __future__ import annotations

import numpy as np
import talib

from tests.sql.indicators._bars import Bars, Columns, Oracle, rolling


def atr(n: int, suffix: str) -> Oracle:
    return lambda bars: {f"atr{suffix}": talib.ATR(bars["high"], bars["low"], bars["close"], n)}


def bollinger(n: int, width: float, suffix: str) -> Oracle:
    def columns(bars: Bars) -> Columns:
        upper, middle, lower = talib.BBANDS(bars["close"], n, width, width)
        found = {"upper": upper, "middle": middle, "lower": lower}
        # TA-Lib has no such columns, and the bands of it that they could be made of lack the last digits.
        mean, deviation = rolling(np.mean, bars["close"], n), width * rolling(np.std, bars["close"], n)
        met = deviation == 0
        span = np.where(met, np.nan, 2 * deviation)
        found |= {"percent": (bars["close"] - mean + deviation) / span, "width": 2 * deviation / mean}
        return {f"bollinger_{name}{suffix}": values.astype(np.float64) for name, values in found.items()}

    return columns


def donchian(n: int, suffix: str) -> Oracle:
    def columns(bars: Bars) -> Columns:
        upper, middle, lower = talib.DONCHIAN(bars["high"], bars["low"], n)
        return {
            f"donchian_upper{suffix}": upper,
            f"donchian_middle{suffix}": middle,
            f"donchian_lower{suffix}": lower,
        }

    return columns


def historical_volatility(n: int, sessions: int, suffix: str) -> Oracle:
    def columns(bars: Bars) -> Columns:
        returns = np.diff(np.log(bars["close"].astype(np.longdouble)))
        deviation = rolling(np.std, returns, n) * np.sqrt(np.longdouble(n) / (n - 1) * sessions)
        return {f"historical_volatility{suffix}": np.concatenate([[np.nan], deviation.astype(np.float64)])}

    return columns


def keltner(n: int, atr_n: int, width: float, suffix: str) -> Oracle:
    """TA-Lib KC is of the typical price; ours is of the close, and its parts are TA-Lib's."""

    def columns(bars: Bars) -> Columns:
        middle = talib.EMA(bars["close"], n)
        deviation = width * talib.ATR(bars["high"], bars["low"], bars["close"], atr_n)
        middle = np.where(np.isnan(deviation), np.nan, middle)
        return {
            f"keltner_upper{suffix}": middle + deviation,
            f"keltner_middle{suffix}": middle + 0 * deviation,
            f"keltner_lower{suffix}": middle - deviation,
        }

    return columns


def keltner_upper_of_typical_price(n: int, width: float, name: str) -> Oracle:
    """TA-Lib KC begins both averages at one bar: so do ours where the first value of each is due at the same."""
    return lambda bars: {name: talib.KC(bars["high"], bars["low"], bars["close"], n, n - 1, width)[0]}


def stddev(n: int, suffix: str) -> Oracle:
    return lambda bars: {f"stddev{suffix}": talib.STDDEV(bars["close"], n)}


ORACLES: dict[str, Oracle] = {
    "atr": atr(14, ""),
    "atr_5": atr(5, "_5"),
    "bollinger": bollinger(20, 2, ""),
    "bollinger_10_1.5": bollinger(10, 1.5, "_10_1.5"),
    "donchian": donchian(20, ""),
    "donchian_55": donchian(55, "_55"),
    "historical_volatility": historical_volatility(20, 252, ""),
    "historical_volatility_63_260": historical_volatility(63, 260, "_63_260"),
    "keltner": keltner(20, 10, 2, ""),
    "keltner_5_30_1.5": keltner(5, 30, 1.5, "_5_30_1.5"),
    "keltner_upper(21, 20, 2, (high + low + close) / 3) AS kc": keltner_upper_of_typical_price(21, 2, "kc"),
    "stddev": stddev(20, ""),
    "stddev_5": stddev(5, "_5"),
}
