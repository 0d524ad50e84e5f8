"""What the indicators of momentum should give: TA-Lib's, on the bars of one symbol."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns, Oracle


def cci(n: int, suffix: str) -> Oracle:
    return lambda bars: {f"cci{suffix}": talib.CCI(bars["high"], bars["low"], bars["close"], n)}


def mfi(n: int, suffix: str) -> Oracle:
    return lambda bars: {f"mfi{suffix}": talib.MFI(bars["high"], bars["low"], bars["close"], bars["volume"], n)}


def momentum(n: int, suffix: str) -> Oracle:
    return lambda bars: {f"momentum{suffix}": talib.MOM(bars["close"], n)}


def roc(n: int, suffix: str) -> Oracle:
    return lambda bars: {f"roc{suffix}": talib.ROC(bars["close"], n)}


def rsi(n: int, suffix: str) -> Oracle:
    return lambda bars: {f"rsi{suffix}": talib.RSI(bars["close"], n)}


def stochastic(n: int, smooth: int, signal: int, suffix: str) -> Oracle:
    def columns(bars: Bars) -> Columns:
        prices = bars["high"], bars["low"], bars["close"]
        k, d = talib.STOCH(*prices, fastk_period=n, slowk_period=smooth, slowd_period=signal)
        return {f"stoch_k{suffix}": k, f"stoch_d{suffix}": d}

    return columns


def ultimate(short: int, medium: int, long: int, suffix: str) -> Oracle:
    return lambda bars: {
        f"ultimate{suffix}": talib.ULTOSC(bars["high"], bars["low"], bars["close"], short, medium, long)
    }


def williams_r(n: int, suffix: str) -> Oracle:
    return lambda bars: {f"williams_r{suffix}": talib.WILLR(bars["high"], bars["low"], bars["close"], n)}


ORACLES: dict[str, Oracle] = {
    "cci": cci(20, ""),
    "cci_5": cci(5, "_5"),
    "mfi": mfi(14, ""),
    "mfi_30": mfi(30, "_30"),
    "momentum": momentum(10, ""),
    "momentum_1": momentum(1, "_1"),
    "roc": roc(10, ""),
    "roc_1": roc(1, "_1"),
    "rsi": rsi(14, ""),
    "rsi_2": rsi(2, "_2"),
    "stochastic": stochastic(14, 3, 3, ""),
    "stochastic_5_1_4": stochastic(5, 1, 4, "_5_1_4"),
    "ultimate": ultimate(7, 14, 28, ""),
    "ultimate_1_5_40": ultimate(1, 5, 40, "_1_5_40"),
    "williams_r": williams_r(14, ""),
    "williams_r_2": williams_r(2, "_2"),
}
