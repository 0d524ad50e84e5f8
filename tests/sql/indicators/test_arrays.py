"""Arrays against the SQL files: the same NULLs, and values to 1e-9 of the scale that the header names."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pytest
from duckdb import DuckDBPyConnection
from hypothesis import assume, given
from hypothesis import strategies as st

from stockstream.sql.catalogue import catalogue
from stockstream.sql.compiler import Request, Selection, benchmarks_of, by_macros, parse, plan
from stockstream.sql.compiler.arrays.program import lower
from stockstream.sql.errors import UsageError
from tests.sql.indicators._bars import (
    BENCHMARK,
    PRICES,
    Bars,
    add_benchmark,
    connection,
    days,
    flat_bars,
    put,
    random_bars,
    requests,
)
from tests.sql.indicators.test_hostile import SERIES
from tests.sql.indicators.test_properties import few, texts_of_requests

TOLERANCE = 1e-9


def rows_of(con: DuckDBPyConnection, query: str) -> dict[str, np.ndarray]:
    """Return the columns of a query, sorted by symbol and date; NaN for NULL."""
    rows = con.execute(f"FROM ({query}) ORDER BY symbol, date").fetchnumpy()
    keys = {name: np.asarray(rows.pop(name)) for name in ("symbol", "date")}
    return keys | {name: np.ma.filled(values.astype(np.float64), np.nan) for name, values in rows.items()}


def scale_of(request: Request, expected: np.ndarray, bars: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the magnitude to which a difference is relative, per row, by the header."""
    named = request.indicator.header.scale.get(request.column, 0)
    if named == "price":
        return np.maximum(np.abs(expected), bars["price"])
    if named == "volume":
        return np.maximum(np.abs(expected), bars["volume"])
    return np.maximum(np.abs(expected), float(named))


def assert_arrays_equal_macros(con: DuckDBPyConnection, wanted: list[Request]) -> None:
    if BENCHMARK in benchmarks_of(wanted):
        add_benchmark(con)
    computed = plan(con, wanted, "bars")
    assert computed.rows is not None, computed.explanation
    results = rows_of(con, computed.query(con))
    expected = rows_of(con, by_macros(wanted, "bars"))
    running = "OVER (PARTITION BY symbol ORDER BY date)"
    scales = rows_of(
        con,
        f"SELECT symbol, date, max(abs(nullif(nullif(close, 'inf'), '-inf'))) {running} AS price, "
        f"sum(volume) {running} AS volume FROM bars",
    )
    assert (results["symbol"] == expected["symbol"]).all()
    assert (results["date"] == expected["date"]).all()
    for request in wanted:
        value, other = results[request.name], expected[request.name]
        differ = np.flatnonzero(np.isnan(value) != np.isnan(other))
        assert not len(differ), f"{request.name}, row {differ[0]}: {value[differ[0]]} is not {other[differ[0]]}"
        off = np.abs(value - other) > TOLERANCE * scale_of(request, other, scales)
        at = np.flatnonzero(off)
        assert not len(at), f"{request.name}, row {at[0]}: {value[at[0]]!r} is not {other[at[0]]!r}"


@pytest.fixture(scope="module")
def con() -> Iterator[DuckDBPyConnection]:
    with connection({"A": random_bars(0, 1)}) as con:
        yield con


def without(bars: Bars, gone: np.ndarray) -> Bars:
    """Return bars on consecutive days, of which some have none."""
    return {name: values[~gone] for name, values in (bars | {"date": days(len(bars["close"]))}).items()}


def holes(bars: Bars, column: str, every: int, value: float) -> Bars:
    changed = bars[column].astype(np.float64).copy()
    changed[every - 1 :: every] = value
    return bars | {column: changed}


HOLED = {
    "null close": holes(random_bars(21, 300), "close", 7, np.nan),
    "null high": holes(random_bars(22, 333), "high", 11, np.nan),
    "null volume": holes(random_bars(23, 90), "volume", 5, np.nan),
    "all null": holes(random_bars(24, 40), "low", 1, np.nan),
    "flat stretch": flat_bars(np.concatenate([random_bars(25, 200)["close"], np.full(500, 9.87)])),
}


@pytest.mark.parametrize("macro", [one.macro for one in catalogue().newest])
def test_every_indicator_is_expressed_by_arrays_or_named(con: DuckDBPyConnection, macro: str) -> None:
    put(con, {"A": random_bars(1, 50), BENCHMARK: random_bars(2, 50)})
    lines = plan(con, requests(macro), "bars").explanation
    assert lines
    for request in requests(macro):
        assert any(request.name in line or line.startswith("SQL for all columns: arrays do not have") for line in lines)


@pytest.mark.large
def test_every_series_of_the_suite(con: DuckDBPyConnection) -> None:
    put(con, {**{name: bars for name, bars in SERIES.items() if name != "jumps"}, **HOLED})
    wanted = requests(*(one.macro for one in catalogue().newest))
    unsupported = lower(wanted).unsupported
    assert_arrays_equal_macros(con, [request for request in wanted if request.name not in unsupported])


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e150])
def test_a_value_that_is_too_large_for_arrays(con: DuckDBPyConnection, value: float) -> None:
    """Such a symbol is left to the macros, and does not affect the others."""
    bars = holes(random_bars(26, 200), "close", 50, value)
    put(con, {"A": random_bars(27, 300), "B": bars, "C": random_bars(28, 31)})
    assert_arrays_equal_macros(con, requests("sma_20", "rsi_14", "ema_5", "macd", "obv"))


@st.composite
def hostile_markets(draw: st.DrawFn) -> dict[str, Bars]:
    """Draw symbols of unequal lengths with NULLs, flat stretches, jumps, infinities and days without a bar."""
    symbols = {}
    for name in draw(st.lists(st.sampled_from(["A", "B", "C", BENCHMARK]), min_size=1, max_size=4, unique=True)):
        rows = draw(st.integers(1, 150))
        bars = random_bars(draw(st.integers(0, 2**32)), rows, draw(st.sampled_from([0.01, 50, 5e4])))
        if draw(st.booleans()):
            start, end = sorted(draw(st.tuples(st.integers(0, rows), st.integers(0, rows))))
            bars = {
                key: np.concatenate([of[:start], np.full(end - start, of[start - 1]), of[end:]])
                for key, of in bars.items()
            }
        for column in draw(st.lists(st.sampled_from([*PRICES, "volume"]), max_size=2, unique=True)):
            odd = [np.nan] if column == "volume" else [np.nan, np.inf, -np.inf]
            changed = bars[column].astype(np.float64).copy()
            changed[draw(st.integers(0, rows - 1)) :: draw(st.integers(1, 40))] = draw(st.sampled_from(odd))
            bars[column] = changed
        if draw(st.booleans()):
            factor = np.where(np.arange(rows) < draw(st.integers(0, rows)), 1.0, draw(st.sampled_from([0.125, 8.0])))
            bars = {key: of * factor if key in PRICES else of for key, of in bars.items()}
        if rows > 1 and draw(st.booleans()):
            place = np.arange(rows)
            bars = without(bars, place % draw(st.integers(2, 9)) == 1)
        symbols[name] = bars
    return symbols


@given(texts_of_requests(), hostile_markets())
@few
def test_arrays_equal_the_macros(con: DuckDBPyConnection, texts: list[str], symbols: dict[str, Bars]) -> None:
    put(con, symbols)
    wanted = requests(*texts)
    unsupported = lower(wanted).unsupported
    assume(wanted := [request for request in wanted if request.name not in unsupported])
    assert_arrays_equal_macros(con, wanted)


def test_a_later_bar_affects_no_earlier_one(con: DuckDBPyConnection) -> None:
    """A number that is not finite inside a product would reach the bars before it."""
    bars = random_bars(30, 96)
    put(con, {"A": bars | {"close": np.where(np.arange(96) == 70, 1e99, bars["close"])}, "B": bars})
    text = plan(con, requests("ema(5, close * close * close * close) AS x", "ema_5"), "bars").query(con)
    values = rows_of(con, text)
    np.testing.assert_array_equal(values["x"][:70], values["x"][96:166])
    np.testing.assert_array_equal(values["ema_5"][:70], values["ema_5"][96:166])


def benchmarks() -> dict[str, Bars]:
    """Return symbols whose days are not those of the benchmarks: later, fewer, others, and of some without a close."""
    place = np.arange(600)
    return {
        "A": random_bars(61, 400),
        "LATE": without(random_bars(62, 600), place < 550),
        "FEWER": without(random_bars(63, 600), place % 11 == 5),
        "OTHERS": without(random_bars(64, 600), place % 7 != 3),
        "ALL": random_bars(65, 600),
        "GAPS": without(random_bars(66, 600), place % 7 == 3),
        "HOLES": holes(random_bars(67, 300), "close", 13, np.nan),
        "FLAT": flat_bars(np.concatenate([random_bars(68, 200)["close"], np.full(400, 9.87)])),
    }


RELATIVE = [column for one in catalogue().newest if "benchmark" in one.values for column in one.returns]


@pytest.mark.parametrize("benchmark", ["ALL", "GAPS", "HOLES", "FLAT", "LATE"])
def test_symbols_compared_with_a_benchmark(con: DuckDBPyConnection, benchmark: str) -> None:
    put(con, benchmarks() | {"NULLS": holes(random_bars(69, 200), "close", 3, np.nan)})
    texts = [f"{column}({n}, '{benchmark}') AS {column}_of_{n}" for column in RELATIVE for n in (2, 5, 60)]
    wanted = requests(*texts, "sma_20", "beta(7, 'A') AS other")
    assert lower(wanted).unsupported == {}
    assert_arrays_equal_macros(con, wanted)


def test_a_benchmark_is_read_although_its_rows_are_not_wanted(con: DuckDBPyConnection) -> None:
    put(con, benchmarks())
    wanted = requests("beta(5, 'GAPS') AS x")
    some = rows_of(con, plan(con, wanted, "bars", symbols=["A", "LATE"]).query(con))
    every = rows_of(con, plan(con, wanted, "bars").query(con))
    assert set(some["symbol"].tolist()) == {"A", "LATE"}
    np.testing.assert_array_equal(some["x"], every["x"][np.isin(every["symbol"].astype(str), ["A", "LATE"])])


def test_a_benchmark_that_is_too_large_for_arrays(con: DuckDBPyConnection) -> None:
    """Then the macros compute all symbols."""
    put(con, benchmarks() | {"M": holes(random_bars(70, 400), "close", 50, 1e120)})
    assert_arrays_equal_macros(con, requests("relative_strength(5, 'M') AS x", "sma_20"))


def test_a_benchmark_without_a_close_is_an_error(con: DuckDBPyConnection) -> None:
    put(con, benchmarks() | {"M": holes(random_bars(71, 40), "close", 1, np.nan)})
    with pytest.raises(UsageError, match="the benchmark M has no bars with values in bars"):
        plan(con, requests("beta(5, 'M') AS x"), "bars").query(con)


RUNS = (
    "vwap_anchored(date_trunc('week', date)) AS week",
    "vwap_anchored(year(date)) AS year",
    "vwap_anchored(date >= DATE '2000-02-02') AS day",
    "pivot_classic_r3(date_trunc('month', date)) AS pivot",
    "pivot_camarilla_s1(day(date) // 3) AS pivots",
    "kvo",
    "kvo_signal(2, 3, 2) AS signal",
)


def test_runs_of_bars(con: DuckDBPyConnection) -> None:
    """Sums and extremes begin again where an expression of the day changes, or a trend turns."""
    flat = flat_bars(np.concatenate([random_bars(35, 40)["close"], np.full(60, 9.87)]))
    symbols = {"A": random_bars(31, 500), "B": random_bars(32, 60), "ONE": random_bars(34, 1), "FLAT": flat}
    put(con, symbols | {"C": holes(random_bars(33, 200), "high", 9, np.nan)})
    wanted = requests(*RUNS)
    assert lower(wanted).unsupported == {}
    assert_arrays_equal_macros(con, wanted)


def test_an_expression_of_the_day_without_a_number_is_left_to_sql(con: DuckDBPyConnection) -> None:
    put(con, {"A": random_bars(36, 30)})
    wanted = requests("vwap_anchored(dayname(date)) AS x", "sma_5")
    computed = plan(con, wanted, "bars")
    assert computed.explanation[1] == "SQL: x: arrays do not have DAYNAME(date), which is of type VARCHAR"
    assert_arrays_equal_macros(con, wanted)


def test_a_selection_returns_some_rows_of_the_same_values(con: DuckDBPyConnection) -> None:
    put(con, {"A": random_bars(31, 200), "B": random_bars(32, 60), "C": holes(random_bars(33, 200), "high", 9, np.nan)})
    wanted = requests("sma_20", "atr_14")
    every = rows_of(con, plan(con, wanted, "bars").query(con))
    first, last = date(2000, 5, 1), date(2000, 6, 1)
    for selection in (
        Selection(first, last),
        Selection(first, None, True),
        Selection(first, None, False, frozenset("BC")),
        Selection(None, last),
    ):
        for stream in (True, False):
            some = rows_of(con, plan(con, wanted, "bars", selection=selection, stream=stream).query(con))
            index = {key: at for at, key in enumerate(zip(every["symbol"], every["date"], strict=True))}
            at = [index[key] for key in zip(some["symbol"], some["date"], strict=True)]
            day = every["date"].astype("datetime64[D]")
            chosen = np.ones(len(day), bool) if selection.first is None else day >= np.datetime64(first)
            if selection.last is not None:
                chosen &= day <= np.datetime64(last)
            if selection.with_previous:
                chosen |= (day == np.datetime64(first) - 1) | ((every["symbol"] == "B") & (day == days(60)[-1]))
            chosen |= np.isin(every["symbol"].astype(str), list(selection.whole))
            np.testing.assert_array_equal(at, np.flatnonzero(chosen))
            np.testing.assert_allclose(some["sma_20"], every["sma_20"][at], rtol=1e-12)


def test_symbols_in_any_order_and_split_over_files(con: DuckDBPyConnection) -> None:
    put(con, {name: random_bars(at, 50 + at) for at, name in enumerate("CAB")})
    expected = rows_of(con, by_macros(requests("rsi_5"), "bars"))["rsi_5"]
    for order in ("symbol DESC, date", "date, symbol", "date > DATE '2000-01-20', symbol, date", "hash(symbol, date)"):
        con.execute(f"CREATE OR REPLACE TEMP TABLE ordered AS FROM bars ORDER BY {order}")
        result = rows_of(con, plan(con, requests("rsi_5"), "ordered").query(con))
        np.testing.assert_allclose(result["rsi_5"], expected, rtol=1e-12)


OWN = """/* ---
name: NAME
version: 1
title: A test.
params: {value: close}
columns: [value]
returns: [NAME]
warmup: 0
lookback: all
formula: none
reference: none
changes: [2026-11-27 first version]
--- */
CREATE OR REPLACE MACRO NAME_v1(src, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k,
        lag(CAST(value AS DOUBLE)) OVER w AS before
    FROM query_table(src)
    WHERE is_finite_v1(value)
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
moves AS (SELECT symbol, date, k, x, before, x > before AS is_up, nullif(x, before) AS other FROM bars)
SELECT symbol, date, BODY AS NAME
FROM moves
WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN 3 PRECEDING AND CURRENT ROW);
"""
EXPRESSIONS = {
    "not_null": "CASE WHEN NOT is_up THEN 1e0 WHEN is_up THEN 2e0 ELSE 3e0 END",
    "unequal": "CASE WHEN x <> before THEN 1e0 ELSE 0e0 END",
    "no_and": "CASE WHEN NOT (is_up AND x > 50) THEN 1e0 ELSE 0e0 END",
    "no_or": "CASE WHEN NOT (is_up OR x BETWEEN 40 AND 60) THEN 1e0 ELSE 0e0 END",
    "absent": "CASE WHEN is_up IS NULL THEN -1e0 WHEN other IS NOT NULL THEN 1e0 END",
    "some": "CASE coalesce(is_up, true) WHEN true THEN 1e0 ELSE 0e0 END",
    "guarded": "CASE WHEN x > 50 THEN ln(x - 50) ELSE sqrt(50 - x) END",
    "chosen": "coalesce(other, before, 7e0) + greatest(x, before) - least(x, before, 50)",
    "gaps": "avg(other) OVER w + sum(other) OVER w + coalesce(stddev_pop(other) OVER w, 0)",
    "totals": "sum(other) OVER (PARTITION BY symbol ORDER BY date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)",
    "peak": "max(other) OVER (PARTITION BY symbol ORDER BY date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)",
    "mixed": "CASE WHEN k >= 5 THEN CASE WHEN is_up THEN x - before ELSE 0e0 END WHEN k > 2 THEN x * k END",
    "cast": "CAST(is_up AS DOUBLE)",
    "distinct": "CASE WHEN before IS DISTINCT FROM other THEN 1e0 ELSE 0e0 END",
    "same": "CASE WHEN NOT (before IS NOT DISTINCT FROM other) THEN 1e0 ELSE 0e0 END",
    "number": "floor(x) + ceil(x) + sign(x - 50) + exp(-x / 100) + pow(x, 0.5) + log10(x)",
    "whole": "CASE WHEN is_up THEN 1 ELSE 0 END",
    "condition": "is_up",
    "ranked": "rank() OVER (PARTITION BY symbol ORDER BY date)",
    "rounded": "round(x, 1)",
    "modulo": "x % 3",
    "counted": "CAST(count(other) OVER w AS DOUBLE)",
    "number_of": "count(other) OVER w",
    "together": "covar_pop(x, before) OVER w + coalesce(covar_pop(other, x * x) OVER w, 1e0)",
}
IN_SQL = {"whole", "condition", "ranked", "rounded", "modulo", "number_of", "some"}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    for name, body in EXPRESSIONS.items():
        (folder / f"t_{name}_v1.sql").write_text(OWN.replace("NAME", f"t_{name}").replace("BODY", body))
    return folder


def test_expressions_have_the_values_of_sql(own: Path) -> None:
    """NULL is neither true nor false; what arrays cannot express is left to SQL, by name."""
    available = catalogue(own)
    with duckdb.connect() as con:
        available.install(con)
        put(con, {"A": random_bars(41, 120), "B": random_bars(42, 7), "C": flat_bars(np.repeat([49.0, 51, 52], 20))})
        wanted = parse([f"t_{name}" for name in EXPRESSIONS], available)
        computed = plan(con, wanted, "bars")
        assert {line.split(": ")[1] for line in computed.explanation if line.startswith("SQL")} == {
            f"t_{name}" for name in IN_SQL
        }
        results, expected = rows_of(con, computed.query(con)), rows_of(con, by_macros(wanted, "bars"))
        for name in expected.keys() - {"symbol", "date"}:
            np.testing.assert_allclose(results[name], expected[name], rtol=1e-12, err_msg=name)
        types = dict(zip(con.sql(computed.query(con)).columns, con.sql(by_macros(wanted, "bars")).types, strict=True))
        assert types == dict(zip(types, con.sql(computed.query(con)).types, strict=True))


def test_a_logarithm_of_a_negative_number_is_an_error_as_in_sql(tmp_path: Path) -> None:
    (tmp_path / "t_unguarded_v1.sql").write_text(OWN.replace("NAME", "t_unguarded").replace("BODY", "ln(x - 50)"))
    available = catalogue(tmp_path)
    with duckdb.connect() as con:
        available.install(con)
        put(con, {"A": random_bars(41, 120)})
        wanted = parse(["t_unguarded"], available)
        for text in (plan(con, wanted, "bars").query(con), by_macros(wanted, "bars")):
            with pytest.raises(duckdb.Error, match="cannot take logarithm of"):
                con.execute(text).fetchall()


def test_without_pyarrow_as_in_a_lambda(con: DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    put(con, {"A": random_bars(51, 80), "B": holes(random_bars(52, 60), "volume", 9, np.nan), "C": random_bars(53, 3)})
    wanted, selection = requests("sma_20", "obv"), Selection(date(2000, 2, 1), None, True)
    computed = plan(con, wanted, "bars", keep=["close", "volume"], selection=selection)
    expected = con.sql(f"FROM ({computed.query(con)}) ORDER BY symbol, date")
    rows, types = expected.fetchall(), expected.types
    with monkeypatch.context() as blocked:
        for name in ("pyarrow", "pandas", "polars"):
            blocked.setitem(sys.modules, name, None)
        computed.view(con, "stored")
    stored = con.sql("FROM stored ORDER BY symbol, date")
    assert (stored.fetchall(), stored.types) == (rows, types)
    assert len(rows) > 50
