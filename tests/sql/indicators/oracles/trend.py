"""What the indicators of trend should give: TA-Lib's, or a plain loop over the bars where it has none."""

from __future__ import annotations

import numpy as np
import talib

from tests.sql.indicators._bars import Bars, Columns, Oracle


def adx(n: int, suffix: str) -> Oracle:
    def columns(bars: Bars) -> Columns:
        prices = bars["high"], bars["low"], bars["close"]
        return {
            f"adx{suffix}": talib.ADX(*prices, n),
            f"plus_di{suffix}": talib.PLUS_DI(*prices, n),
            f"minus_di{suffix}": talib.MINUS_DI(*prices, n),
        }

    return columns


def aroon(n: int, suffix: str) -> Oracle:
    def columns(bars: Bars) -> Columns:
        down, up = talib.AROON(bars["high"], bars["low"], n)
        return {f"aroon_up{suffix}": up, f"aroon_down{suffix}": down}

    return columns


def dema(n: int, suffix: str) -> Oracle:
    return lambda bars: {f"dema{suffix}": talib.DEMA(bars["close"], n)}


def ema(n: int, suffix: str) -> Oracle:
    return lambda bars: {f"ema{suffix}": talib.EMA(bars["close"], n)}


def kama(n: int, suffix: str) -> Oracle:
    return lambda bars: {f"kama{suffix}": talib.KAMA(bars["close"], n)}


def linreg_slope(n: int, suffix: str) -> Oracle:
    return lambda bars: {f"linreg_slope{suffix}": talib.LINEARREG_SLOPE(bars["close"], n)}


def macd(fast: int, slow: int, signal: int, suffix: str) -> Oracle:
    def columns(bars: Bars) -> Columns:
        line, average, histogram = talib.MACD(bars["close"], fast, slow, signal)
        return {f"macd{suffix}": line, f"macd_signal{suffix}": average, f"macd_hist{suffix}": histogram}

    return columns


def psar(step: float, most: float, suffix: str) -> Oracle:
    return lambda bars: {f"psar{suffix}": talib.SAR(bars["high"], bars["low"], step, most)}


def sma(n: int, suffix: str) -> Oracle:
    return lambda bars: {f"sma{suffix}": talib.SMA(bars["close"], n)}


def supertrend(n: int, width: float, suffix: str) -> Oracle:
    """Skender.Stock.Indicators' loop, over TA-Lib's average true range; equal to its 502 bars in test_golden.py."""

    def columns(bars: Bars) -> Columns:
        close, middle = bars["close"], (bars["high"] + bars["low"]) / 2
        distance = width * talib.ATR(bars["high"], bars["low"], close, n)
        line, direction = np.full(len(close), np.nan), np.full(len(close), np.nan)
        for k in range(n, len(close)):
            above, below = middle[k] + distance[k], middle[k] - distance[k]
            if k == n:
                rises, upper, lower = close[k] >= middle[k], above, below
            if above < upper or close[k - 1] > upper:
                upper = above
            if below > lower or close[k - 1] < lower:
                lower = below
            rises = close[k] > (lower if rises else upper)
            line[k], direction[k] = (lower, 1) if rises else (upper, -1)
        return {f"supertrend{suffix}": line, f"supertrend_direction{suffix}": direction}

    return columns


def tema(n: int, suffix: str) -> Oracle:
    return lambda bars: {f"tema{suffix}": talib.TEMA(bars["close"], n)}


def trix(n: int, suffix: str) -> Oracle:
    return lambda bars: {f"trix{suffix}": talib.TRIX(bars["close"], n)}


def wma(n: int, suffix: str) -> Oracle:
    return lambda bars: {f"wma{suffix}": talib.WMA(bars["close"], n)}


ORACLES: dict[str, Oracle] = {
    # By its version, as without it adx and macd mean the column of that name alone.
    "adx_v1": adx(14, ""),
    "adx_v1_30": adx(30, "_30"),
    "aroon": aroon(14, ""),
    "aroon_25": aroon(25, "_25"),
    "dema": dema(20, ""),
    "dema_5": dema(5, "_5"),
    "ema": ema(20, ""),
    "ema_200": ema(200, "_200"),
    "kama": kama(10, ""),
    "kama_30": kama(30, "_30"),
    "linreg_slope": linreg_slope(14, ""),
    "linreg_slope_50": linreg_slope(50, "_50"),
    "macd_v1": macd(12, 26, 9, ""),
    "macd_v1_5_35_7": macd(5, 35, 7, "_5_35_7"),
    "psar": psar(0.02, 0.2, ""),
    "psar_0.05_0.5": psar(0.05, 0.5, "_0.05_0.5"),
    "sma": sma(20, ""),
    "sma_50": sma(50, "_50"),
    "supertrend_v1": supertrend(10, 3, ""),
    "supertrend_v1_20_1.5": supertrend(20, 1.5, "_20_1.5"),
    "tema": tema(20, ""),
    "tema_5": tema(5, "_5"),
    "trix": trix(15, ""),
    "trix_30": trix(30, "_30"),
    "wma": wma(20, ""),
    "wma_5": wma(5, "_5"),
}
