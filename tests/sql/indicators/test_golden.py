"""Result files of another project (Skender's Stock.Indicators), where its convention is ours.

Left out: Aroon, which takes the oldest of equal extremes there, as TA-Lib and we take the newest.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest

from tests.sql.indicators._bars import WAYS, connection, fetch, filled, read

SAME = [
    ("adl", "adl", "ad"),
    ("atr", "atr", "atr_14"),
    ("bb", "sma", "bollinger_middle_20_2"),
    ("bb", "upperBand", "bollinger_upper_20_2"),
    ("bb", "lowerBand", "bollinger_lower_20_2"),
    ("bb", "percentB", "bollinger_percent_20_2"),
    ("bb", "width", "bollinger_width_20_2"),
    ("cci", "cci", "cci_20"),
    ("cmf", "cmf", "cmf_20"),
    ("ema", "ema", "ema_20"),
    ("kama", "kama", "kama_10"),
    ("keltner", "centerline", "keltner_middle_20_10_2"),
    ("keltner", "upperBand", "keltner_upper_20_10_2"),
    ("keltner", "lowerBand", "keltner_lower_20_10_2"),
    ("mfi", "mfi", "mfi_14"),
    ("roc", "momentum", "momentum_14"),
    ("roc", "roc", "roc_14"),
    ("rsi", "rsi", "rsi_14"),
    ("slope", "slope", "linreg_slope_14"),
    ("sma", "sma", "sma_20"),
    ("stdev", "stdDev", "stddev_14"),
    ("stoch", "k", "stoch_k_14_3_3"),
    ("stoch", "d", "stoch_d_14_3_3"),
    ("uo", "ultimate", "ultimate_7_14_28"),
    ("vwap", "vwap", "vwap"),
    ("willr", "williamsR", "williams_r_14"),
    ("wma", "wma", "wma_14"),
]
"""By file and column there, our request: equal in every row."""

SETTLES = [
    ("adx", "adx", "adx_14"),
    ("adx", "pdi", "plus_di_14"),
    ("adx", "mdi", "minus_di_14"),
    ("dema", "dema", "dema_14"),
    ("macd", "macd", "macd_12_26_9"),
    ("macd", "signal", "macd_signal_12_26_9"),
    ("macd", "histogram", "macd_hist_12_26_9"),
    ("tema", "tema", "tema_20"),
    ("trix", "trix", "trix_14"),
]
"""The same recursion from another first value, ours being TA-Lib's: equal once that no longer counts."""

SETTLED = 400
LATER = {"stoch_k_14_3_3": 2, "kama_10": 1}
"""Rows that are NULL with us and not there: %K until there is %D, and the close that KAMA begins with."""


def asked(shared: Path, request: str, way: str) -> np.ndarray:
    """Give our column of the 502 bars that the golden files are made of."""
    bars = read(f"SELECT *, 'X' AS symbol FROM read_csv('{shared}/golden/skender/quotes/default.csv')")
    with connection(bars) as con:
        return fetch(con, [request], way)["X"][request]


def golden(shared: Path, file: str, column: str) -> np.ndarray:
    rows = f"FROM read_csv('{shared}/golden/skender/results_csv/{file}.csv') ORDER BY timestamp"
    found = duckdb.sql(f'SELECT CAST("{column}" AS DOUBLE) AS found {rows}').fetchnumpy()["found"]
    assert len(found) == 502
    return filled(found)


def assert_close(got: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("file", "column", "request_"), SAME)
def test_every_row(file: str, column: str, request_: str, way: str, shared: Path) -> None:
    expected = golden(shared, file, column)
    expected[: np.argmax(~np.isnan(expected)) + LATER.get(request_, 0)] = np.nan
    assert_close(asked(shared, request_, way), expected)  # NaN in the same rows, too


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("file", "column", "request_"), SETTLES)
def test_rows_after_the_first_value_no_longer_counts(
    file: str, column: str, request_: str, way: str, shared: Path
) -> None:
    expected = golden(shared, file, column)
    assert not np.isnan(expected[SETTLED:]).any()
    assert_close(asked(shared, request_, way)[SETTLED:], expected[SETTLED:])


@pytest.mark.parametrize("way", WAYS)
def test_donchian_there_leaves_out_the_bar_itself(way: str, shared: Path) -> None:
    for column, request in (("upperBand", "upper"), ("centerline", "middle"), ("lowerBand", "lower")):
        got = asked(shared, f"donchian_{request}", way)
        assert_close(got[:-1], golden(shared, "donchian", column)[1:])


@pytest.mark.parametrize("way", WAYS)
def test_obv_there_begins_at_0(way: str, shared: Path) -> None:
    got, expected = asked(shared, "obv", way), golden(shared, "obv", "obv")
    assert expected[0] == 0
    assert_close(got - got[0], expected)


@pytest.mark.parametrize("way", WAYS)
def test_volume_weighted_close(way: str, shared: Path) -> None:
    """VWMA is our rolling VWAP of bars that have but one price."""
    bars = read(f"SELECT *, 'X' AS symbol FROM read_csv('{shared}/golden/skender/quotes/default.csv')")
    bars["X"] |= dict.fromkeys(("high", "low"), bars["X"]["close"])
    with connection(bars) as con:
        assert_close(fetch(con, ["vwap_rolling_14"], way)["X"]["vwap_rolling_14"], golden(shared, "vwma", "vwma"))
