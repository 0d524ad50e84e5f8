"""What the indicators of volume should give: TA-Lib, or numpy in longdouble where it has none."""

from __future__ import annotations

import numpy as np
import talib

from tests.sql.indicators._bars import Bars, Columns, Oracle


def ad(bars: Bars) -> Columns:
    return {"ad": talib.AD(bars["high"], bars["low"], bars["close"], bars["volume"])}


def cmf(n: int, suffix: str) -> Oracle:
    return lambda bars: {f"cmf{suffix}": talib.CMF(bars["high"], bars["low"], bars["close"], bars["volume"], n)}


def obv(bars: Bars) -> Columns:
    return {"obv": talib.OBV(bars["close"], bars["volume"])}


def typical_price(bars: Bars) -> np.ndarray:
    return np.asarray((bars["high"] + bars["low"] + bars["close"]) / 3)


def vwap(bars: Bars) -> Columns:
    volume = np.cumsum(bars["volume"])
    value = np.cumsum(typical_price(bars).astype(np.longdouble) * bars["volume"]).astype(np.float64)
    average = talib.VWAP(bars["high"], bars["low"], bars["close"], bars["volume"])
    # Until there is volume TA-Lib says 0, which is no price.
    return {"vwap": np.where(volume > 0, average, np.nan), "vwap_value": value, "vwap_volume": volume}


def vwap_rolling(n: int, suffix: str) -> Oracle:
    return lambda bars: {f"vwap_rolling{suffix}": talib.VWMA(typical_price(bars), bars["volume"], n)}


ORACLES: dict[str, Oracle] = {
    "ad": ad,
    "cmf": cmf(20, ""),
    "cmf_7": cmf(7, "_7"),
    "obv": obv,
    "vwap_v1": vwap,  # of a version all columns are meant, of vwap the one of that name
    "vwap_rolling": vwap_rolling(20, ""),
    "vwap_rolling_50": vwap_rolling(50, "_50"),
}
