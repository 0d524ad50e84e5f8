"""Indicators that compare symbols with a benchmark: TA-Lib's values, days that one of them lacks, errors."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest
import talib

from stockstream.sql.catalogue import Indicator, catalogue
from stockstream.sql.compiler import parse, plan
from stockstream.sql.errors import UsageError
from tests.sql.indicators._bars import WAYS, Bars, connection, days, fetch, random_bars

RELATIVE = [one for one in catalogue().newest if "benchmark" in one.values]
COLUMNS = [column for one in RELATIVE for column in one.returns]
TEXTS = [f"{column}(5, 'M') AS {column}" for column in COLUMNS]


def pair(rows: int = 300) -> dict[str, Bars]:
    return {"A": random_bars(1, rows) | {"date": days(rows)}, "M": random_bars(2, rows) | {"date": days(rows)}}


def without(bars: Bars, gone: np.ndarray) -> Bars:
    return {name: values[~gone] for name, values in bars.items()}


@pytest.mark.parametrize("way", WAYS)
def test_beta_and_correlation_are_those_of_talib(way: str) -> None:
    symbols = pair()
    with connection(symbols) as con:
        columns = fetch(con, TEXTS, way)["A"]
    close, market = symbols["A"]["close"], symbols["M"]["close"]
    np.testing.assert_allclose(columns["beta"], talib.BETA(market, close, 5), 1e-9, 1e-9)
    np.testing.assert_allclose(columns["correlation"], talib.CORREL(close, market, 5), 1e-9, 1e-9)
    returns = talib.CORREL(talib.ROCP(close, 1), talib.ROCP(market, 1), 5)
    np.testing.assert_allclose(columns["correlation_returns"], returns, 1e-9, 1e-9)


@pytest.mark.parametrize("way", WAYS)
def test_the_benchmark_compared_with_itself(way: str) -> None:
    with connection(pair()) as con:
        columns = fetch(con, TEXTS, way)["M"]
    for name, value in zip(COLUMNS, (1, 1, 1, 0, 0), strict=True):
        np.testing.assert_allclose(columns[name][5:], value, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("way", WAYS)
def test_only_days_count_on_which_both_have_a_bar(way: str) -> None:
    """On a day without the benchmark's bar there is no value; a day without the symbol's bar has no row."""
    symbols = pair()
    of_market, of_symbol = np.arange(300) % 7 == 3, np.arange(300) % 11 == 5
    both = of_market | of_symbol
    with connection({name: without(bars, both) for name, bars in symbols.items()}) as con:
        expected = fetch(con, TEXTS, way)["A"]
    with connection({"A": without(symbols["A"], of_symbol), "M": without(symbols["M"], of_market)}) as con:
        columns = fetch(con, TEXTS, way)["A"]
    is_common = np.isin(columns["date"], expected["date"])
    assert len(is_common) == 300 - of_symbol.sum() > is_common.sum()
    for name in COLUMNS:
        np.testing.assert_allclose(columns[name][is_common], expected[name], 1e-9)
        assert np.isnan(columns[name][~is_common]).all()


@pytest.mark.parametrize("way", WAYS)
def test_a_flat_stretch_has_no_beta_and_no_correlation(way: str) -> None:
    symbols = pair()
    symbols["M"]["close"][100:200] = 0.1 + 0.2
    with connection(symbols) as con:
        columns = fetch(con, TEXTS, way)["A"]
    for name, first in (("beta", 105), ("correlation", 104), ("correlation_returns", 105)):
        np.testing.assert_array_equal(np.flatnonzero(np.isnan(columns[name]))[-1], 199, name)
        assert np.isnan(columns[name][first:200]).all()
        assert not np.isnan(columns[name][6:first]).any()
    assert np.isfinite(columns["relative_strength"][5:]).all()


@pytest.mark.parametrize("one", RELATIVE, ids=lambda one: one.macro)
def test_a_benchmark_without_bars_is_named(one: Indicator) -> None:
    name = one.name
    with connection(pair()) as con:
        with pytest.raises(duckdb.Error, match=f"the benchmark of {name} is QQQ, which has no bars in the table"):
            con.execute(f"FROM {name}('bars', 5, 'QQQ')")
        with pytest.raises(UsageError, match=f"the benchmark of {name}_5 is SPY, which has no bars in bars"):
            plan(con, parse([f"{name}_5"], catalogue()), "bars")


def test_a_benchmark_without_quotes_is_named() -> None:
    with pytest.raises(UsageError, match=r"beta\(5, QQQ\): the benchmark is a symbol in quotes, such as 'SPY'"):
        parse(["beta(5, QQQ)"], catalogue())
