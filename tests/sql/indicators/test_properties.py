"""Properties that every indicator has for any bars and parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from duckdb import DuckDBPyConnection
from hypothesis import given, settings
from hypothesis import strategies as st

from stockstream.sql.catalogue import Indicator, catalogue
from stockstream.sql.compiler import by_macros
from tests.sql.indicators._bars import (
    BENCHMARK,
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

ACTIVE = catalogue().active
MACROS = [one.macro for one in ACTIVE]


def first(columns: Columns, rows: int) -> Columns:
    return {name: values[:rows] for name, values in columns.items()}


few = settings(max_examples=20, deadline=None)


@pytest.fixture(scope="module")
def con() -> Iterator[DuckDBPyConnection]:
    with connection({"A": random_bars(0, 1)}) as con:
        yield con


@st.composite
def arguments(draw: st.DrawFn, one: Indicator) -> list[str]:
    """Draw parameters; periods are whole numbers from the minimum in the file on, in the order that it requires."""
    lowest = dict(re.findall(r"at_least_v1\((\w+), ([^,]+),", one.file.text))
    periods = draw(st.lists(st.integers(2, 30), min_size=len(lowest), max_size=len(lowest), unique=True))
    if not all(text.isdigit() for text in lowest.values()):
        periods.sort()
    values: dict[str, str] = dict(zip((name for name in one.params if name in lowest), map(str, periods), strict=True))
    for name, default in one.periods.items():
        if name not in lowest:  # a factor such as a number of deviations
            values[name] = f"{default * draw(st.sampled_from([0.5, 0.75, 1.5])):g}"
    for name, default in one.values.items():
        if name == "benchmark":
            values[name] = default
            continue
        values[name] = draw(st.sampled_from(["close", "high", "(open + close * 2) / 3"]))
    return [values[name] for name in one.params]


@st.composite
def texts_of_requests(draw: st.DrawFn, at_most: int = 5) -> list[str]:
    """Draw a set of requests for columns with random parameters."""
    columns = st.sampled_from([(one, column) for one in catalogue().newest for column in one.returns])
    picked = draw(st.lists(columns, min_size=1, max_size=at_most))
    return [f"{column}({', '.join(draw(arguments(one)))}) AS c{at}" for at, (one, column) in enumerate(picked)]


def markets(at_most: int = 120) -> st.SearchStrategy[dict[str, Bars]]:
    """Draw the bars of one to four symbols, each a random walk of a drawn seed, length and first price."""
    walk = st.builds(random_bars, st.integers(0, 2**32), st.integers(1, at_most), st.sampled_from([0.5, 50, 5e4]))
    return st.lists(walk, min_size=1, max_size=4).map(lambda all_: {f"S{at}": bars for at, bars in enumerate(all_)})


def assert_same(results: Mapping[str, Columns], expected: Mapping[str, Columns], rtol: float = 1e-9) -> None:
    assert results.keys() == expected.keys()
    for symbol, columns in expected.items():
        assert results[symbol].keys() == columns.keys()
        for name, values in columns.items():
            if name == "date":
                np.testing.assert_array_equal(results[symbol][name], values)
            else:
                # The precision of a difference is that of its operands.
                largest = float(np.nanmax(np.abs(values), initial=0))
                np.testing.assert_allclose(results[symbol][name], values, rtol, rtol * max(largest, 1), err_msg=name)


@given(texts_of_requests(), markets())
@few
def test_the_compiled_query_equals_the_macros(
    con: DuckDBPyConnection, texts: list[str], symbols: dict[str, Bars]
) -> None:
    put(con, symbols)
    expected = fetch(con, texts, "macro")
    for way in WAYS[1:]:
        assert_same(fetch(con, texts, way), expected)
    text = f"FROM ({by_macros(requests(*texts), 'bars')}) WHERE symbol <> '{BENCHMARK}' ORDER BY symbol, date"
    rows = con.execute(text).fetchnumpy()
    for name in {one.name for one in requests(*texts)}:
        together = np.concatenate([expected[symbol][name] for symbol in sorted(symbols)])
        np.testing.assert_array_equal(np.ma.filled(rows[name].astype(np.float64), np.nan), together)


@pytest.mark.parametrize("way", WAYS)
@given(symbols=markets(), texts=texts_of_requests(3), data=st.data())
@few
def test_appended_days_change_no_earlier_row(
    con: DuckDBPyConnection, way: str, symbols: dict[str, Bars], texts: list[str], data: st.DataObject
) -> None:
    put(con, symbols)
    later = fetch(con, texts, way)
    rows = data.draw(st.integers(1, max(len(bars["close"]) for bars in symbols.values())))
    put(con, {symbol: first(bars, rows) for symbol, bars in symbols.items()})
    assert_same(fetch(con, texts, way), {symbol: first(columns, rows) for symbol, columns in later.items()})


@pytest.mark.parametrize("way", WAYS)
@given(symbols=markets(), texts=texts_of_requests(3))
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
@given(symbols=markets(), texts=texts_of_requests(3), data=st.data())
@few
def test_a_filter_afterwards_picks_rows_and_changes_none(
    con: DuckDBPyConnection, way: str, symbols: dict[str, Bars], texts: list[str], data: st.DataObject
) -> None:
    """A filter on dates must not reach the scan, where it would cut the warm-up."""
    put(con, symbols)
    whole = fetch(con, texts, way)
    symbol = data.draw(st.sampled_from(sorted(symbols)))
    since = data.draw(st.integers(0, len(symbols[symbol]["close"]) - 1))
    filtered = fetch(con, texts, way, f"date >= DATE '{days(200)[since]}' AND symbol = '{symbol}'")
    assert_same(filtered, {symbol: {name: values[since:] for name, values in whole[symbol].items()}})


SQUARED = ("ease_of_movement",)
"""Indicators that are a product of two prices."""


@pytest.mark.parametrize("macro", MACROS)
@given(bars=markets(150), power=st.integers(-8, 8).filter(bool), way=st.sampled_from(WAYS))
@settings(max_examples=4, deadline=None)
def test_scaled_prices_scale_averages(
    con: DuckDBPyConnection, macro: str, bars: dict[str, Bars], power: int, way: str
) -> None:
    factor = 2.0**power  # exact: powers of two change no rounding
    put(con, bars)
    expected = fetch(con, [macro], way)
    put(con, {symbol: of | {name: of[name] * factor for name in PRICES} for symbol, of in bars.items()})
    for symbol, columns in fetch(con, [macro], way).items():
        for request in requests(macro):
            scale = factor if request.column in request.indicator.header.price_like else 1
            scale = factor**2 if request.indicator.name in SQUARED else scale
            np.testing.assert_allclose(
                columns[request.name], expected[symbol][request.name] * scale, rtol=1e-12, atol=1e-12 * scale
            )


@pytest.mark.parametrize("macro", [one.macro for one in ACTIVE if one.header.lookback != "all"])
def test_the_bars_of_the_lookback_decide_a_value(con: DuckDBPyConnection, macro: str) -> None:
    bars = random_bars(11, 9000) | {"date": days(9000)}  # a benchmark's bars are those of the same days
    lookback = max(header_number(con, request, "lookback") for request in requests(macro))
    put(con, {"all": bars, "last": {name: values[-lookback - 1 :] for name, values in bars.items()}})
    results = fetch(con, [macro], "macro")
    for request in requests(macro):
        values = results["all"][request.name]
        tolerance = 1e-11 * float(np.nanmax(np.abs(values)))
        np.testing.assert_allclose(results["last"][request.name][-1], values[-1], rtol=0, atol=tolerance)


@pytest.mark.parametrize("one", [one for one in ACTIVE if one.header.carried], ids=lambda one: one.macro)
def test_sums_since_the_first_bar_can_be_carried_on(con: DuckDBPyConnection, one: Indicator) -> None:
    """A refresh does this: it adds to the stored sum of a day the growth of a sum that starts at a later bar."""
    bars, since, day = random_bars(12, 500), 300, 350
    carried, derived = one.header.carried, one.header.derived
    assert {*carried, *derived} == set(one.returns)
    put(con, {"all": bars, "new": {name: values[since:] for name, values in bars.items()}})
    results = fetch(con, [one.macro], "macro")
    for name in carried:
        stored, new = results["all"][name], results["new"][name]
        continued = stored[day] + new[day - since :] - new[day - since]
        np.testing.assert_allclose(continued, stored[day:], rtol=1e-12, atol=1e-12 * np.abs(stored).max())
    for name, of in derived.items():
        assert con.execute(f"FROM {one.macro}('bars') WHERE {name} IS DISTINCT FROM {of}").fetchall() == []
