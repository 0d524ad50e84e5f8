"""Every indicator on real bars, asked in each of the three ways, against TA-Lib (or numpy where it has none)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from duckdb import DuckDBPyConnection

from stockstream.sql.catalogue import catalogue
from tests.conftest import made_up_too
from tests.sql.indicators._bars import (
    WAYS,
    Bars,
    Oracle,
    asx_bars,
    connection,
    demo_bars,
    fetch,
    header_number,
    requests,
)
from tests.sql.indicators.oracles import momentum, trend, volatility, volume

MODULES = (momentum, trend, volatility, volume)
ORACLES: dict[str, Oracle] = {text: oracle for module in MODULES for text, oracle in module.ORACLES.items()}
TOLERANCE = 1e-9

Scale = Callable[[Bars], np.ndarray | float]


def _price(bars: Bars) -> np.ndarray:
    return bars["close"]


def _traded(bars: Bars) -> np.ndarray:
    return np.asarray(np.cumsum(bars["volume"]))


def _one(bars: Bars) -> float:
    return 1


def _hundred(bars: Bars) -> float:
    return 100


SCALES: dict[str, Scale] = {
    "macd": _price, "macd_signal": _price, "macd_hist": _price, "momentum": _price, "linreg_slope": _price,
    "ad": _traded, "obv": _traded, "cmf": _one, "bollinger_percent": _one,
    "cci": _hundred, "trix": _hundred, "roc": _hundred, "mfi": _hundred, "stoch_k": _hundred, "stoch_d": _hundred,
    "williams_r": _hundred, "plus_di": _hundred, "minus_di": _hundred, "aroon_up": _hundred, "aroon_down": _hundred,
}  # fmt: skip
"""What a difference is relative to in columns that pass through zero, or come to it; in the others, to the value."""


@pytest.fixture(scope="module")
def demo() -> tuple[dict[str, Bars], DuckDBPyConnection]:
    bars = demo_bars()
    return bars, connection(bars)


def assert_equal(text: str, way: str, oracle: Oracle, symbols: Mapping[str, Bars], con: DuckDBPyConnection) -> None:
    assert largest_difference(text, way, oracle, symbols, con) <= TOLERANCE


def largest_difference(
    text: str, way: str, oracle: Oracle, symbols: Mapping[str, Bars], con: DuckDBPyConnection
) -> float:
    """Give it over all symbols and columns, relative to what SCALES says; fails where NULLs are elsewhere."""
    largest, columns = 0.0, {request.name: request.column for request in requests(text)}
    found = fetch(con, [text], way)
    assert found.keys() == symbols.keys()
    for symbol, bars in symbols.items():
        expected, got = oracle(bars), found[symbol]
        assert expected.keys() == columns.keys(), "the oracle tells of other columns than were asked for"
        np.testing.assert_array_equal(got["date"], bars["date"])
        for name, column in columns.items():
            null, absent = np.isnan(got[name]), np.isnan(expected[name])
            np.testing.assert_array_equal(null, absent, f"{symbol} {name}: NULL elsewhere")
            scale = np.maximum(np.abs(expected[name]), SCALES[column](bars) if column in SCALES else 0)
            off = np.abs(got[name] - expected[name])
            at = np.flatnonzero(off > TOLERANCE * scale)
            assert not len(at), f"{symbol} {name}, bar {at[0]}: {got[name][at[0]]!r} is not {expected[name][at[0]]!r}"
            largest = max(largest, float(np.nanmax(off[scale > 0] / scale[scale > 0], initial=0)))
    return largest


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("text", ORACLES)
def test_real_bars(text: str, way: str, demo: tuple[dict[str, Bars], DuckDBPyConnection]) -> None:
    assert_equal(text, way, ORACLES[text], *demo)


@pytest.mark.parametrize("way", WAYS)
def test_all_at_once(way: str, demo: tuple[dict[str, Bars], DuckDBPyConnection]) -> None:
    """Columns that are computed together, and so share what they are made of."""
    symbols, con = demo
    found = fetch(con, ORACLES, way)
    for text in ORACLES:
        alone = fetch(con, [text], way)
        for symbol in symbols:
            for name, values in alone[symbol].items():
                if name != "date":
                    np.testing.assert_allclose(found[symbol][name], values, rtol=1e-12, atol=1e-12)


@made_up_too
@pytest.mark.parametrize("way", WAYS)
def test_days_without_trade_jumps_and_gaps(way: str, shared: Path) -> None:
    """Of the ASX: from one bar a month in 1988 on, hundreds of days without volume or range, closes that double."""
    symbols = asx_bars(shared, "ABC", "BHP", "TLS")
    assert sum((bars["volume"] == 0).sum() for bars in symbols.values()) > 500
    con = connection(symbols)
    for text, oracle in ORACLES.items():
        assert_equal(text, way, oracle, symbols, con)


def test_the_headers_say_how_far_they_are_from_it(demo: tuple[dict[str, Bars], DuckDBPyConnection]) -> None:
    """On the demo's bars, in each way and with all of the oracles' parameters."""
    measured: dict[str, float] = {}
    for text, oracle in ORACLES.items():
        name = requests(text)[0].indicator.macro
        largest = max(largest_difference(text, way, oracle, *demo) for way in WAYS)
        measured[name] = max(measured.get(name, 0), largest)
    said = {one.macro: float(one.file.header["difference"]) for one in catalogue().indicators}
    assert {name: far for name, far in measured.items() if far > said[name]} == {}


def test_each_indicator_has_oracles_of_two_sets_of_parameters() -> None:
    sets: dict[str, set[tuple[tuple[str, str], ...]]] = {one.macro: set() for one in catalogue().indicators}
    for request in requests(*ORACLES):
        sets[request.indicator.macro].add(request.arguments)
    lacking = [one.macro for one in catalogue().indicators if len(sets[one.macro]) < (2 if one.periods else 1)]
    assert not lacking, f"no oracle, or of one set of parameters only: {', '.join(lacking)}"


def test_each_column_has_an_oracle() -> None:
    columns = {column for one in catalogue().newest for column in one.returns}
    assert {request.column for request in requests(*ORACLES)} == columns
    assert SCALES.keys() <= columns


def test_the_header_says_how_many_rows_are_null(demo: tuple[dict[str, Bars], DuckDBPyConnection]) -> None:
    """Of the column that comes last: with adx, plus_di and minus_di are there before it."""
    _, con = demo
    nulls: dict[str, int] = {}
    for text in ORACLES:
        found = fetch(con, [text], "macro")["GOOG"]
        for one in requests(text):
            nulls[one.call("bars")] = max(nulls.get(one.call("bars"), 0), int(np.argmax(~np.isnan(found[one.name]))))
    said = {one.call("bars"): header_number(con, one, "warmup") for one in requests(*ORACLES)}
    assert nulls == said
