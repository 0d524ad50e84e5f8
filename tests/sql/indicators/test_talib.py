"""Every indicator on real bars, computed in each of the three ways, against its oracle (usually TA-Lib)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from duckdb import DuckDBPyConnection

from stockstream.sql.catalogue import Indicator, Scale, catalogue
from tests.conftest import made_up_too
from tests.sql.indicators._bars import WAYS, Bars, asx_bars, connection, demo_bars, fetch, header_number
from tests.sql.indicators.oracles import Case, all_cases, cases_of

CASES = all_cases()
TOLERANCE = 1e-9


def magnitude(scale: Scale | None, bars: Bars) -> np.ndarray | float:
    """Return the minimum magnitude to which differences are relative, by the header's `scale`."""
    if scale == "price":
        return bars["close"]
    if scale == "volume":
        return np.asarray(np.cumsum(bars["volume"]))
    return scale or 0


@pytest.fixture(scope="module")
def demo() -> tuple[dict[str, Bars], DuckDBPyConnection]:
    bars = demo_bars()
    return bars, connection(bars)


def assert_equal(case: Case, way: str, symbols: Mapping[str, Bars], con: DuckDBPyConnection) -> None:
    assert largest_difference(case, way, symbols, con) <= TOLERANCE


def largest_difference(case: Case, way: str, symbols: Mapping[str, Bars], con: DuckDBPyConnection) -> float:
    """Return the largest relative difference from the oracle, over all symbols and columns; fail if NULLs differ."""
    largest, scales = 0.0, case.indicator.header.scale
    results = fetch(con, case.requests, way)
    assert results.keys() == symbols.keys()
    for symbol, bars in symbols.items():
        expected, columns = case.expected(bars), results[symbol]
        assert set(expected) == set(case.indicator.returns), "the oracle has other columns than the header's returns"
        np.testing.assert_array_equal(columns.pop("date"), bars["date"])
        for name, values in columns.items():
            null, absent = np.isnan(values), np.isnan(expected[name])
            np.testing.assert_array_equal(null, absent, f"{symbol} {name}: NULL elsewhere")
            scale = np.maximum(np.abs(expected[name]), magnitude(scales.get(name), bars))
            off = np.abs(values - expected[name])
            at = np.flatnonzero(off > TOLERANCE * scale)
            assert not len(at), f"{symbol} {name}, bar {at[0]}: {values[at[0]]!r} is not {expected[name][at[0]]!r}"
            largest = max(largest, float(np.nanmax(off[scale > 0] / scale[scale > 0], initial=0)))
    return largest


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_real_bars(case: Case, way: str, demo: tuple[dict[str, Bars], DuckDBPyConnection]) -> None:
    """The difference from the oracle is that of the header, too."""
    assert largest_difference(case, way, *demo) <= min(TOLERANCE, case.indicator.header.difference or 0)


@pytest.mark.large
@pytest.mark.parametrize("way", WAYS)
def test_all_at_once(way: str, demo: tuple[dict[str, Bars], DuckDBPyConnection]) -> None:
    """All columns in one query, which share intermediate values."""
    symbols, con = demo
    together = fetch(con, [request for at, case in enumerate(CASES) for request in case.named(f"_{at}")], way)
    for at, case in enumerate(CASES):
        alone = fetch(con, case.requests, way)
        for symbol in symbols:
            for name in case.indicator.returns:
                np.testing.assert_allclose(together[symbol][f"{name}_{at}"], alone[symbol][name], 1e-12, 1e-12)


@made_up_too
@pytest.mark.parametrize("way", WAYS)
def test_days_without_trade_jumps_and_gaps(way: str, shared: Path) -> None:
    """Bars of the ASX: one bar per month from 1988 on, hundreds of days without volume or range, closes that double."""
    symbols = asx_bars(shared, "ABC", "BHP", "TLS")
    assert sum((bars["volume"] == 0).sum() for bars in symbols.values()) > 500
    con = connection(symbols)
    for case in CASES:
        assert_equal(case, way, symbols, con)


@pytest.mark.parametrize("one", catalogue().newest, ids=lambda one: one.macro)
def test_an_indicator_with_parameters_has_two_cases(one: Indicator) -> None:
    cases = {case.requests[0].arguments for case in cases_of(one)}
    assert len(cases) >= (2 if one.periods else 1), f"add parameters to CASES in oracles/{one.name}.py"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_header_has_the_warmup(case: Case, demo: tuple[dict[str, Bars], DuckDBPyConnection]) -> None:
    """The warm-up is that of the last column to begin: adx begins after plus_di and minus_di."""
    columns = fetch(demo[1], case.requests, "macro")["GOOG"]
    nulls = max(int(np.argmax(~np.isnan(columns[name]))) for name in case.indicator.returns)
    assert nulls == header_number(demo[1], case.requests[0], "warmup")
