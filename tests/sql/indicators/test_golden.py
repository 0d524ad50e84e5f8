"""Result files of another project (Skender's Stock.Indicators), for indicators with the same convention.

Aroon is left out: it takes the oldest of equal extremes, while TA-Lib and this project take the newest.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest

from tests.sql.indicators._bars import WAYS, connection, fetch, filled, read

SAME = [
    ("adl", "adl", "ad"),
    ("alma", "alma", "alma_9_0.85_6"),
    ("atr", "atr", "atr_14"),
    ("awesome", "oscillator", "awesome_5_34"),
    ("bb", "sma", "bollinger_middle_20_2"),
    ("bb", "upperBand", "bollinger_upper_20_2"),
    ("bb", "lowerBand", "bollinger_lower_20_2"),
    ("bb", "percentB", "bollinger_percent_20_2"),
    ("bb", "width", "bollinger_width_20_2"),
    ("cci", "cci", "cci_20"),
    ("chexit", "chandelierExit", "chandelier_long_22_3"),
    ("cmf", "cmf", "cmf_20"),
    ("cmo", "cmo", "cmou_14"),
    ("elder-ray", "bullPower", "elder_bull_13"),
    ("elder-ray", "bearPower", "elder_bear_13"),
    ("ema", "ema", "ema_20"),
    ("force", "forceIndex", "force_index_2"),
    ("heikinashi", "open", "heikin_ashi_open"),
    ("heikinashi", "high", "heikin_ashi_high"),
    ("heikinashi", "low", "heikin_ashi_low"),
    ("heikinashi", "close", "heikin_ashi_close"),
    ("ichimoku", "tenkanSen", "ichimoku_conversion"),
    ("ichimoku", "kijunSen", "ichimoku_base"),
    ("ichimoku", "senkouSpanA", "ichimoku_span_a"),
    ("ichimoku", "senkouSpanB", "ichimoku_span_b"),
    ("kama", "kama", "kama_10"),
    ("keltner", "centerline", "keltner_middle_20_10_2"),
    ("keltner", "upperBand", "keltner_upper_20_10_2"),
    ("keltner", "lowerBand", "keltner_lower_20_10_2"),
    ("kvo", "oscillator", "kvo_34_55_13"),
    ("kvo", "signal", "kvo_signal_34_55_13"),
    ("mfi", "mfi", "mfi_14"),
    ("pvo", "pvo", "pvo_12_26_9"),
    ("pvo", "signal", "pvo_signal_12_26_9"),
    ("pvo", "histogram", "pvo_hist_12_26_9"),
    ("roc", "momentum", "momentum_14"),
    ("roc", "roc", "roc_14"),
    ("rsi", "rsi", "rsi_14"),
    ("slope", "slope", "linreg_slope_14"),
    ("sma", "sma", "sma_20"),
    ("smma", "smma", "smma_20"),
    ("stdev", "stdDev", "stddev_14"),
    ("stdev", "zScore", "zscore_14"),
    ("stoch", "k", "stoch_k_14_3_3"),
    ("stoch", "d", "stoch_d_14_3_3"),
    ("stoch-rsi", "stochRsi", "stochrsi_k_14_14_1_3"),
    ("stoch-rsi", "signal", "stochrsi_d_14_14_1_3"),
    ("tsi", "tsi", "tsi_25_13_7"),
    ("tsi", "signal", "tsi_signal_25_13_7"),
    ("uo", "ultimate", "ultimate_7_14_28"),
    ("vortex", "pvi", "vortex_plus_14"),
    ("vortex", "nvi", "vortex_minus_14"),
    ("vwap", "vwap", "vwap"),
    ("vwma", "vwma", "vwma_14"),
    ("willr", "williamsR", "williams_r_14"),
    ("wma", "wma", "wma_14"),
]
"""(file, column, our request) of columns that are equal in every row."""

CONVERGING = [
    ("adx", "adx", "adx_14"),
    ("chaikin-osc", "oscillator", "chaikin_oscillator_3_10"),
    ("adx", "pdi", "plus_di_14"),
    ("adx", "mdi", "minus_di_14"),
    ("dema", "dema", "dema_14"),
    ("fisher", "fisher", "fisher_10"),
    ("fisher", "trigger", "fisher_signal_10"),
    ("macd", "macd", "macd_12_26_9"),
    ("macd", "signal", "macd_signal_12_26_9"),
    ("macd", "histogram", "macd_hist_12_26_9"),
    ("t3", "t3", "t3_5_0.7"),
    ("tema", "tema", "tema_20"),
    ("trix", "trix", "trix_14"),
]
"""(file, column, our request) of recursions with another first value (ours is TA-Lib's), whose effect fades."""

CONVERGED = 400
LATER = {"stoch_k_14_3_3": 2, "stochrsi_k_14_14_1_3": 2, "kama_10": 1, "kvo_34_55_13": 12, "pvo_12_26_9": 8}
"""Number of first rows that are NULL only in ours: lines before their averages, and the close that KAMA starts with."""


def column_of(shared: Path, request: str, way: str) -> np.ndarray:
    """Return our column for the 502 bars of the result files."""
    bars = read(f"SELECT *, 'X' AS symbol FROM read_csv('{shared}/golden/skender/quotes/default.csv')")
    with connection(bars) as con:
        return fetch(con, [request], way)["X"][request]


def golden(shared: Path, file: str, column: str) -> np.ndarray:
    rows = f"FROM read_csv('{shared}/golden/skender/results_csv/{file}.csv') ORDER BY timestamp"
    values = duckdb.sql(f'SELECT CAST("{column}" AS DOUBLE) AS x {rows}').fetchnumpy()["x"]
    assert len(values) == 502
    return filled(values)


def assert_close(actual: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("file", "column", "request_"), SAME)
def test_every_row(file: str, column: str, request_: str, way: str, shared: Path) -> None:
    expected = golden(shared, file, column)
    expected[: np.argmax(~np.isnan(expected)) + LATER.get(request_, 0)] = np.nan
    assert_close(column_of(shared, request_, way), expected)  # NaN in the same rows


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("file", "column", "request_"), CONVERGING)
def test_rows_after_the_first_value_no_longer_counts(
    file: str, column: str, request_: str, way: str, shared: Path
) -> None:
    expected = golden(shared, file, column)
    assert not np.isnan(expected[CONVERGED:]).any()
    assert_close(column_of(shared, request_, way)[CONVERGED:], expected[CONVERGED:])


@pytest.mark.parametrize("way", WAYS)
def test_donchian_there_leaves_out_the_bar_itself(way: str, shared: Path) -> None:
    for column, request in (("upperBand", "upper"), ("centerline", "middle"), ("lowerBand", "lower")):
        actual = column_of(shared, f"donchian_{request}", way)
        assert_close(actual[:-1], golden(shared, "donchian", column)[1:])


@pytest.mark.parametrize("way", WAYS)
def test_dpo_there_is_shown_at_the_bar_of_its_close(way: str, shared: Path) -> None:
    """The average there ends 8 bars later, which only a chart of the past can show."""
    assert_close(column_of(shared, "dpo_14", way)[13:], golden(shared, "dpo", "dpo")[5:-8])


@pytest.mark.parametrize("way", WAYS)
def test_choppiness_there_includes_the_previous_close(way: str, shared: Path) -> None:
    """It is ours of bars whose high and low include the previous close, which does not change the true range."""
    bars = read(f"SELECT *, 'X' AS symbol FROM read_csv('{shared}/golden/skender/quotes/default.csv')")["X"]
    before = np.concatenate([bars["close"][:1], bars["close"][:-1]])
    bars |= {"high": np.maximum(bars["high"], before), "low": np.minimum(bars["low"], before)}
    with connection({"X": bars}) as con:
        assert_close(fetch(con, ["choppiness_14"], way)["X"]["choppiness_14"], golden(shared, "chop", "chop"))


@pytest.mark.parametrize("way", WAYS)
def test_obv_there_begins_at_0(way: str, shared: Path) -> None:
    actual, expected = column_of(shared, "obv", way), golden(shared, "obv", "obv")
    assert expected[0] == 0
    assert_close(actual - actual[0], expected)


@pytest.mark.parametrize("way", WAYS)
def test_volume_weighted_close(way: str, shared: Path) -> None:
    """VWMA is our rolling VWAP of bars whose high and low are their close."""
    bars = read(f"SELECT *, 'X' AS symbol FROM read_csv('{shared}/golden/skender/quotes/default.csv')")
    bars["X"] |= dict.fromkeys(("high", "low"), bars["X"]["close"])
    with connection(bars) as con:
        assert_close(fetch(con, ["vwap_rolling_14"], way)["X"]["vwap_rolling_14"], golden(shared, "vwma", "vwma"))


@pytest.mark.parametrize("way", WAYS)
def test_pivot_points_of_months(way: str, shared: Path) -> None:
    bars = read(f"SELECT *, 'X' AS symbol FROM read_csv('{shared}/golden/skender/quotes/default.csv')")
    columns = {"pp": "", **{level: f"_{level}" for level in ("r1", "r2", "r3", "s1", "s2", "s3")}}
    texts = [f"pivot_classic{suffix}(date_trunc('month', date)) AS {name}" for name, suffix in columns.items()]
    with connection(bars) as con:
        results = fetch(con, texts, way)["X"]
    for name in columns:
        assert_close(results[name], golden(shared, "pivot-points", name))


@pytest.mark.parametrize("way", WAYS)
def test_against_a_benchmark(way: str, shared: Path) -> None:
    quotes = f"{shared}/golden/skender/quotes"
    bars = read(
        f"SELECT *, 'X' AS symbol FROM read_csv('{quotes}/compare.csv') UNION ALL BY NAME "
        f"SELECT *, 'M' AS symbol FROM read_csv('{quotes}/default.csv')"
    )
    columns = {
        "beta(50, 'M') AS b": ("beta", "beta"),
        "correlation(20, 'M') AS c": ("corr", "correlation"),
        "excess_return(20, 'M') AS e": ("prs", "prsPercent"),
    }
    with connection(bars) as con:
        results = fetch(con, columns, way, "symbol = 'X'")["X"]
    for text, (file, column) in columns.items():
        assert_close(results[text[-1]], golden(shared, file, column))
