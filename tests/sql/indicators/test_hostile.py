"""Bars on which naive arithmetic loses precision, compared with plain definitions in longdouble."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import product

import duckdb
import numpy as np
import pytest
from duckdb import DuckDBPyConnection

from stockstream.sql.catalogue import catalogue
from tests.sql.indicators._bars import PRICES, WAYS, Bars, connection, days, fetch, flat_bars, put, random_bars

LONG = np.longdouble
Exact = dict[str, tuple[np.ndarray, np.ndarray | float]]
"""Per column: its values, and the magnitude of the operands of their differences, to which a tolerance is relative."""


def over(values: np.ndarray, n: int) -> list[np.ndarray]:
    """Return n arrays, one value per bar from bar n - 1 on: the value of the bar, that of one bar before, and so on."""
    long = values.astype(LONG)
    return [long[n - 1 - back : len(long) - back] for back in range(n)]


def aligned(values: np.ndarray, rows: int) -> np.ndarray:
    """Return the values preceded by NaN, `rows` in all."""
    return np.concatenate([np.full(rows - len(values), np.nan, dtype=LONG), values])


def mean(values: np.ndarray, n: int) -> np.ndarray:
    return aligned(np.asarray(sum(over(values, n), LONG(0)) / n), len(values)) if len(values) >= n else nothing(values)


def deviation(values: np.ndarray, n: int) -> np.ndarray:
    if len(values) < n:
        return nothing(values)
    parts = over(values, n)
    middle = sum(parts, LONG(0)) / n
    return aligned(np.sqrt(sum(((part - middle) ** 2 for part in parts), LONG(0)) / n), len(values))


def largest(values: np.ndarray, n: int) -> np.ndarray:
    return aligned(np.maximum.reduce(over(np.abs(values), n)), len(values)) if len(values) >= n else nothing(values)


def nothing(values: np.ndarray) -> np.ndarray:
    return np.full(len(values), np.nan, dtype=LONG)


def recursion(values: np.ndarray, n: int, weight: float | np.longdouble, first: int) -> np.ndarray:
    """Return y = previous y + weight * (x - previous y), starting at bar `first` with the mean of the last n values."""
    result = nothing(values)
    if len(values) > first:
        y = result[first] = values[first + 1 - n : first + 1].astype(LONG).mean()
        for k, x in enumerate(values[first + 1 :].astype(LONG), first + 1):
            result[k] = y = y + weight * (x - y)
    return result


def ema(values: np.ndarray, n: int, first: int | None = None) -> np.ndarray:
    return recursion(values, n, LONG(2) / (n + 1), n - 1 if first is None else first)


def wilder(values: np.ndarray, n: int) -> np.ndarray:
    return recursion(values, n, LONG(1) / n, n)


def rsi(bars: Bars, n: int) -> np.ndarray:
    change = np.diff(bars["close"].astype(LONG), prepend=bars["close"][:1])
    up, down = wilder(np.maximum(change, 0), n), wilder(np.maximum(-change, 0), n)
    has_changed = up + down > 0
    return np.where(has_changed, 100 * up / np.where(has_changed, up + down, 1), np.where(np.isnan(up), np.nan, 0))


def true_range(bars: Bars) -> np.ndarray:
    high, low, close = (bars[name].astype(LONG) for name in ("high", "low", "close"))
    before = np.concatenate([close[:1], close[:-1]])
    return np.asarray(np.maximum(high - low, np.maximum(abs(high - before), abs(low - before))))


def macd(bars: Bars) -> Exact:
    slow = ema(bars["close"], 26)
    line = ema(bars["close"], 12, first=25) - slow
    signal = np.concatenate([line[:25], ema(line[25:], 9)])
    visible = np.where(np.isnan(signal), np.nan, line)
    return {"macd": (visible, slow), "macd_signal": (signal, slow), "macd_hist": (visible - signal, slow)}


def bollinger(bars: Bars, n: int = 20) -> Exact:
    x = bars["close"]
    middle, spread, level = mean(x, n), 2 * deviation(x, n), largest(x, n)
    span = np.where(spread == 0, np.nan, 2 * spread)
    return {
        "bollinger_upper": (middle + spread, level),
        "bollinger_middle": (middle, 0),
        "bollinger_lower": (middle - spread, level),
        "bollinger_percent": ((x - middle + spread) / span, level / span),
        "bollinger_width": (2 * spread / middle, level / middle),
    }


def keltner(bars: Bars) -> Exact:
    spread = 2 * wilder(true_range(bars), 10)
    middle = np.where(np.isnan(spread), np.nan, ema(bars["close"], 20))
    level = middle + spread
    return {"keltner_upper": (level, 0), "keltner_middle": (middle, 0), "keltner_lower": (middle - spread, level)}


def volatility(bars: Bars) -> Exact:
    returns = np.diff(np.log(bars["close"].astype(LONG)))
    yearly = deviation(returns, 20) * np.sqrt(LONG(20) / 19 * 252)
    return {"historical_volatility": (aligned(yearly, len(bars["close"])), 1)}


def flows(bars: Bars) -> np.ndarray:
    high, low, close = (bars[name].astype(LONG) for name in ("high", "low", "close"))
    span = np.where(high > low, high - low, 1)
    return np.asarray(np.where(high > low, ((close - low) - (high - close)) / span, 0) * bars["volume"])


def volumes(bars: Bars) -> Exact:
    price = sum((bars[name].astype(LONG) for name in ("high", "low", "close")), LONG(0)) / 3
    volume, value = np.cumsum(bars["volume"]), np.cumsum(price * bars["volume"])
    return {
        "vwap": (value / volume, 0),
        "vwap_value": (value, 0),
        "vwap_volume": (volume, 0),
        "vwap_rolling": (mean(price * bars["volume"], 20) / mean(bars["volume"], 20), 0),
        "obv": (np.cumsum(np.sign(np.diff(bars["close"], prepend=0)) * bars["volume"]), volume),
        "ad": (np.cumsum(flows(bars)), volume),
        "cmf": (mean(flows(bars), 20) / mean(bars["volume"], 20), 1),
    }


def of_value(bars: Bars) -> Exact:
    x = bars["close"]
    weighted = np.asarray(sum((part * (20 - back) for back, part in enumerate(over(x, 20))), LONG(0)) / 210)
    return {
        "sma": (mean(x, 20), 0),
        "ema": (ema(x, 20), 0),
        "wma": (aligned(weighted, len(x)) if len(x) >= 20 else nothing(x), 0),
        "rsi": (rsi(bars, 14), 0),
        "stddev": (deviation(x, 20), largest(x, 20)),
        "atr": (wilder(true_range(bars), 14), 0),
    }


EXACT: dict[str, Callable[[Bars], Exact]] = {
    **dict.fromkeys(("sma", "ema", "wma", "rsi", "stddev", "atr"), of_value),
    **dict.fromkeys(("obv", "ad", "cmf", "vwap_v2", "vwap_rolling"), volumes),
    "macd_v2": macd,
    "bollinger": bollinger,
    "keltner": keltner,
    "historical_volatility": volatility,
}


def regimes() -> np.ndarray:
    """Return bars whose prices jump between 1e-4 and 1e6 every 40 bars."""
    rng = np.random.default_rng(4)
    levels = np.repeat(10 ** rng.uniform(-4, 6, 30), 40)
    levels[::80] = 1e-4
    levels[40::80] = 1e6
    return np.asarray(levels * rng.uniform(0.9, 1.1, len(levels)))


def unchanged(price: float) -> Bars:
    return {**dict.fromkeys(PRICES, np.full(300, price)), "volume": np.full(300, 7.0)}


SERIES: dict[str, Bars] = {
    "constant": unchanged(0.1),
    "constant and large": unchanged(1e6 / 3),
    "jumps": flat_bars(regimes()),
    "long": {**random_bars(1, 10_000), "volume": np.full(10_000, 1e9)},
    "short": {**random_bars(2, 5), "volume": np.arange(1.0, 6)},
    "one bar": unchanged(5) | {name: np.full(1, 5.0) for name in (*PRICES, "volume")},
}


ACTIVE = catalogue().active
MACROS = [one.macro for one in ACTIVE]


def assert_exact(columns: dict[str, np.ndarray], exact: Exact) -> None:
    for name in columns.keys() - {"date"}:
        value, level = exact[name]
        np.testing.assert_array_equal(np.isnan(columns[name]), np.isnan(value), f"{name}: NULL elsewhere")
        off = np.abs(columns[name] - value) > 1e-9 * np.abs(value) + 1e-13 * level
        at = np.flatnonzero(off)
        assert not len(at), f"{name}, bar {at[0]}: {columns[name][at[0]]!r} is not {value[at[0]]!r}"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("series", SERIES)
def test_series(series: str, way: str) -> None:
    bars = SERIES[series]
    with connection({"A": bars}) as con:
        for text, exact in EXACT.items():
            assert_exact(fetch(con, [text], way)["A"], exact(bars))


@pytest.fixture(scope="module")
def million() -> Iterator[tuple[DuckDBPyConnection, Exact]]:
    bars = random_bars(3, 1_000_000)
    with connection({"A": bars}) as con:
        yield con, of_value(bars) | bollinger(bars)


@pytest.mark.large
@pytest.mark.parametrize("way", WAYS)
def test_a_million_bars_of_one_symbol(way: str, million: tuple[DuckDBPyConnection, Exact]) -> None:
    con, exact = million
    columns = fetch(con, ["ema", "rsi", "wma", "bollinger"], way)["A"]
    assert all(np.isfinite(columns[name][100:]).all() for name in ("ema", "rsi", "wma", "bollinger_width"))
    assert_exact(columns, exact)


def test_rsi_of_a_price_that_changed_years_ago() -> None:
    """After 2,000 unchanged bars both averages have nearly vanished, but their ratio is still defined."""
    bars = flat_bars(np.concatenate([random_bars(5, 200)["close"], np.full(2_000, 47.11)]))
    with connection({"A": bars}) as con:
        for way in WAYS:
            assert_exact(fetch(con, ["rsi"], way)["A"], of_value(bars))


BY_DATE = ("benchmark", "anchor")
"""Parameters that depend on the days of the bars."""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("macro", [one.macro for one in ACTIVE if not {*BY_DATE} & {*one.values}])
def test_gaps_in_the_dates_change_nothing(macro: str, way: str) -> None:
    bars = random_bars(6, 200)
    gaps = np.cumsum(np.random.default_rng(6).integers(1, 400, 200))
    with connection({"A": bars}) as con:
        expected = fetch(con, [macro], way)["A"]
        put(con, {"A": bars | {"date": np.datetime64("1950-01-01") + gaps}})
        columns = fetch(con, [macro], way)["A"]
    for name in expected.keys() - {"date"}:
        np.testing.assert_array_equal(columns[name], expected[name])


def columns_of(macro: str) -> list[str]:
    return ["close" if name == "value" else name for name in catalogue().find(macro)[0].header.columns]


@pytest.mark.parametrize("macro", MACROS)
def test_a_bar_with_nan_or_infinity_is_left_out_as_with_null(macro: str) -> None:
    """One symbol per column of the bars and stranger: the same bars, of which one has it."""
    strangers = ("NULL", "'NaN'", "'Infinity'", "'-Infinity'")
    pairs = product(columns_of(macro), strangers)
    symbols = {(column, text): column + text.strip("'") for column, text in pairs}
    with connection(dict.fromkeys(symbols.values(), random_bars(13, 120))) as con:
        con.execute("ALTER TABLE bars ALTER volume TYPE DOUBLE")
        for (column, text), symbol in symbols.items():
            day = days(50)[-1]
            con.execute(f"UPDATE bars SET {column} = {text} WHERE symbol = '{symbol}' AND date = DATE '{day}'")
        for way in WAYS:
            results = fetch(con, [macro], way)
            for (column, text), symbol in symbols.items():
                null, strange = results[symbols[column, "NULL"]], results[symbol]
                assert null.keys() == strange.keys()
                for name in null.keys() - {"date"}:
                    rounding = 1e-12 * float(np.nanmax(np.abs(null[name]), initial=0))  # of sums in other places
                    np.testing.assert_allclose(
                        strange[name], null[name], 0, rounding, err_msg=f"{name}, {column}, {text}, {way}"
                    )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scale", [1e-6, 1, 1e6])
def test_mfi_takes_a_change_within_rounding_for_none(scale: float, way: str) -> None:
    """The typical price of bars 1 and 2 is 193.34 / 3 in both, computed with different rounding."""
    bars = {
        "high": np.array([63.54, 65.45, 64.8]) * scale, "low": np.array([63.0, 63.6, 64.09]) * scale,
        "close": np.array([63.11, 64.29, 64.45]) * scale, "volume": np.array([150600.0, 295300, 158400]),
    }  # fmt: skip
    with connection({"A": bars | {"open": bars["low"]}}) as con:
        assert fetch(con, ["mfi_2"], way)["A"]["mfi_2"][2] == 100


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("macro", MACROS)
def test_rows_with_null_are_left_out(macro: str, way: str) -> None:
    bars = random_bars(7, 200) | {"date": days(200)}
    lacking = np.arange(200) % 7 == 5
    gone = {name: values[~lacking] for name, values in bars.items()}
    for column in columns_of(macro):
        with connection({"A": gone}) as con:
            expected = fetch(con, [macro], way)["A"]
            put(con, {"A": bars | {column: np.where(lacking, np.nan, bars[column])}})
            columns = fetch(con, [macro], way)["A"]
        present = np.isin(columns["date"], expected["date"])
        for name in expected:
            np.testing.assert_array_equal(columns[name][present], expected[name])
            # If a column is joined from its macro, the rows stay, with NULL.
            assert name == "date" or np.isnan(columns[name][~present]).all()


@pytest.mark.parametrize("macro", MACROS)
def test_an_invalid_period_is_named(macro: str) -> None:
    one = catalogue().find(macro)[0]
    checked = re.findall(r"at_least_v1\((\w+),", one.file.text)
    assert {name for name in one.periods if name == "n" or name.endswith("_n")} <= set(checked)
    with connection({"A": random_bars(8, 50)}) as con:
        for period in checked:
            for wrong in (0, 2.5):
                arguments = ", ".join(str(wrong if name == period else value) for name, value in one.params.items())
                with pytest.raises(duckdb.Error, match=rf"{period} of {one.name} is {wrong}"):
                    con.execute(f"FROM {one.macro}('bars', {arguments})")


@pytest.mark.parametrize("way", WAYS)
def test_log_returns_need_positive_prices(way: str) -> None:
    bars = random_bars(9, 100)
    bars["close"][[40, 60]] = 0, -1
    with connection({"A": bars}) as con:
        columns = fetch(con, ["historical_volatility_10"], way)["A"]["historical_volatility_10"]
    null = np.arange(100) < 10
    null[40:51] = null[60:71] = True
    np.testing.assert_array_equal(np.isnan(columns), null)


@pytest.mark.parametrize("way", WAYS)
def test_no_volume(way: str) -> None:
    bars = random_bars(10, 100)
    bars["volume"] = np.where(np.arange(100) < 30, 0, 5)
    with connection({"A": bars}) as con:
        columns = fetch(con, ["vwap", "vwap_rolling_10", "cmf_10"], way)["A"]
    assert np.isnan(columns["vwap"][:30]).all()
    assert np.isnan(columns["vwap_rolling_10"][:30]).all()
    assert not np.isnan([columns["vwap"][30:], columns["vwap_rolling_10"][30:]]).any()
    assert (columns["cmf_10"][9:30] == 0).all()
