"""What holds of every indicator, whatever the bars and the parameters are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from duckdb import DuckDBPyConnection
from hypothesis import given, settings
from hypothesis import strategies as st

from stockstream.sql.catalogue import Indicator, catalogue
from stockstream.sql.compiler import by_macros
from tests.sql.indicators._bars import (
    PRICES,
    WAYS,
    Bars,
    Columns,
    connection,
    days,
    fetch,
    header_number,
    put,
    random_bars,
    requests,
)

MACROS = [one.macro for one in catalogue().indicators]
PRICE_LIKE = {
    *("sma", "ema", "wma", "dema", "tema", "kama", "psar", "supertrend", "macd", "macd_signal", "macd_hist"),
    *("momentum", "linreg_slope", "atr", "stddev", "bollinger_upper", "bollinger_middle", "bollinger_lower"),
    *("donchian_upper", "donchian_middle", "donchian_lower", "keltner_upper", "keltner_middle", "keltner_lower"),
    *("vwap", "vwap_value", "vwap_rolling"),
}
"""Columns that double where prices do; the others stay."""


def header(one: Indicator) -> dict[str, Any]:
    return one.file.header


def first(columns: Columns, rows: int) -> Columns:
    return {name: values[:rows] for name, values in columns.items()}


few = settings(max_examples=20, deadline=None)


@pytest.fixture(scope="module")
def con() -> Iterator[DuckDBPyConnection]:
    with connection({"A": random_bars(0, 1)}) as con:
        yield con


@st.composite
def arguments(draw: st.DrawFn, one: Indicator) -> list[str]:
    """Draw parameters: of periods whole numbers from the lowest on that the file allows, in the order it asks for."""
    lowest = dict(re.findall(r"at_least_v1\((\w+), ([^,]+),", one.file.text))
    periods = draw(st.lists(st.integers(2, 30), min_size=len(lowest), max_size=len(lowest), unique=True))
    if not all(text.isdigit() for text in lowest.values()):
        periods.sort()
    found = {name: str(default) for name, default in one.params.items()} | dict(
        zip((name for name in one.params if name in lowest), map(str, periods), strict=True)
    )
    if "width" in found:
        found["width"] = draw(st.sampled_from(["1", "1.5", "3"]))
    if "value" in found:
        found["value"] = draw(st.sampled_from(["close", "high", "(open + close * 2) / 3"]))
    return list(found.values())


@st.composite
def asked(draw: st.DrawFn, at_most: int = 5) -> list[str]:
    """Draw a set of requests for columns with random parameters."""
    columns = st.sampled_from([(one, column) for one in catalogue().newest for column in one.returns])
    picked = draw(st.lists(columns, min_size=1, max_size=at_most))
    return [f"{column}({', '.join(draw(arguments(one)))}) AS c{at}" for at, (one, column) in enumerate(picked)]


def markets(at_most: int = 120) -> st.SearchStrategy[dict[str, Bars]]:
    """Draw the bars of one to four symbols; a few values of hypothesis' own make a walk of any length."""
    walk = st.builds(random_bars, st.integers(0, 2**32), st.integers(1, at_most), st.sampled_from([0.5, 50, 5e4]))
    return st.lists(walk, min_size=1, max_size=4).map(lambda all_: {f"S{at}": bars for at, bars in enumerate(all_)})


def assert_same(found: Mapping[str, Columns], expected: Mapping[str, Columns], rtol: float = 1e-9) -> None:
    assert found.keys() == expected.keys()
    for symbol, columns in expected.items():
        assert found[symbol].keys() == columns.keys()
        for name, values in columns.items():
            if name == "date":
                np.testing.assert_array_equal(found[symbol][name], values)
            else:
                # What is left of a difference of prices, or of volumes, is known to the digits that these have.
                of = float(np.nanmax(np.abs(values), initial=0))
                np.testing.assert_allclose(found[symbol][name], values, rtol, rtol * max(of, 1), err_msg=name)


@given(asked(), markets())
@few
def test_the_wide_query_is_the_macros(con: DuckDBPyConnection, texts: list[str], symbols: dict[str, Bars]) -> None:
    put(con, symbols)
    expected = fetch(con, texts, "macro")
    for way in WAYS[1:]:
        assert_same(fetch(con, texts, way), expected)
    rows = con.execute(f"FROM ({by_macros(requests(*texts), 'bars')}) ORDER BY symbol, date").fetchnumpy()
    for name in {one.name for one in requests(*texts)}:
        together = np.concatenate([expected[symbol][name] for symbol in sorted(symbols)])
        np.testing.assert_array_equal(np.ma.filled(rows[name].astype(np.float64), np.nan), together)


@pytest.mark.parametrize("way", WAYS)
@given(symbols=markets(), texts=asked(3), data=st.data())
@few
def test_days_that_are_appended_change_no_earlier_row(
    con: DuckDBPyConnection, way: str, symbols: dict[str, Bars], texts: list[str], data: st.DataObject
) -> None:
    put(con, symbols)
    later = fetch(con, texts, way)
    rows = data.draw(st.integers(1, max(len(bars["close"]) for bars in symbols.values())))
    put(con, {symbol: first(bars, rows) for symbol, bars in symbols.items()})
    assert_same(fetch(con, texts, way), {symbol: first(columns, rows) for symbol, columns in later.items()})


@pytest.mark.parametrize("way", WAYS)
@given(symbols=markets(), texts=asked(3))
@few
def test_symbols_do_not_affect_each_other(
    con: DuckDBPyConnection, way: str, symbols: dict[str, Bars], texts: list[str]
) -> None:
    put(con, symbols)
    together = fetch(con, texts, way)
    for symbol, bars in symbols.items():
        put(con, {symbol: bars})
        assert_same(fetch(con, texts, way), {symbol: together[symbol]})


@pytest.mark.parametrize("way", WAYS)
@given(symbols=markets(), texts=asked(3), data=st.data())
@few
def test_a_filter_afterwards_picks_rows_and_changes_none(
    con: DuckDBPyConnection, way: str, symbols: dict[str, Bars], texts: list[str], data: st.DataObject
) -> None:
    """A filter on dates that reached the scan would cut the warm-up."""
    put(con, symbols)
    whole = fetch(con, texts, way)
    symbol = data.draw(st.sampled_from(sorted(symbols)))
    since = data.draw(st.integers(0, len(symbols[symbol]["close"]) - 1))
    found = fetch(con, texts, way, f"date >= DATE '{days(200)[since]}' AND symbol = '{symbol}'")
    assert_same(found, {symbol: {name: values[since:] for name, values in whole[symbol].items()}})


@pytest.mark.parametrize("macro", MACROS)
@given(bars=markets(150), power=st.integers(-8, 8).filter(bool), way=st.sampled_from(WAYS))
@settings(max_examples=4, deadline=None)
def test_scaled_prices_scale_averages(
    con: DuckDBPyConnection, macro: str, bars: dict[str, Bars], power: int, way: str
) -> None:
    factor = 2.0**power  # exact: nothing is rounded that was not before
    put(con, bars)
    expected = fetch(con, [macro], way)
    put(con, {symbol: of | {name: of[name] * factor for name in PRICES} for symbol, of in bars.items()})
    for symbol, columns in fetch(con, [macro], way).items():
        for request in requests(macro):
            scale = factor if request.column in PRICE_LIKE else 1
            np.testing.assert_allclose(
                columns[request.name], expected[symbol][request.name] * scale, rtol=1e-12, atol=1e-12 * scale
            )


@pytest.mark.parametrize("macro", [one.macro for one in catalogue().indicators if header(one)["lookback"] != "all"])
def test_the_bars_of_the_lookback_decide_a_value(con: DuckDBPyConnection, macro: str) -> None:
    bars = random_bars(11, 9000)
    lookback = max(header_number(con, request, "lookback") for request in requests(macro))
    put(con, {"all": bars, "last": {name: values[-lookback - 1 :] for name, values in bars.items()}})
    found = fetch(con, [macro], "macro")
    for request in requests(macro):
        values = found["all"][request.name]
        tolerance = 1e-11 * float(np.nanmax(np.abs(values)))
        np.testing.assert_allclose(found["last"][request.name][-1], values[-1], rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    "one", [one for one in catalogue().indicators if "carried" in header(one)], ids=lambda one: one.macro
)
def test_sums_since_the_first_bar_can_be_carried_on(con: DuckDBPyConnection, one: Indicator) -> None:
    """What a later step does: the stored sum of a day, and of newer bars what they add to their own sum of it."""
    bars, since, day = random_bars(12, 500), 300, 350
    carried, derived = header(one)["carried"], header(one).get("derived", {})
    assert {*carried, *derived} == set(one.returns)
    put(con, {"all": bars, "new": {name: values[since:] for name, values in bars.items()}})
    found = fetch(con, [one.macro], "macro")
    for name in carried:
        stored, new = found["all"][name], found["new"][name]
        continued = stored[day] + new[day - since :] - new[day - since]
        np.testing.assert_allclose(continued, stored[day:], rtol=1e-12, atol=1e-12 * np.abs(stored).max())
    for name, of in derived.items():
        assert con.execute(f"FROM {one.macro}('bars') WHERE {name} IS DISTINCT FROM {of}").fetchall() == []
