"""Helpers: synthetic and real bars for the tests of indicators, and the three ways to compute an indicator."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from duckdb import DuckDBPyConnection

from stockstream.sql.catalogue import catalogue
from stockstream.sql.compiler import Request, benchmarks_of, parse, plan, query

Bars = dict[str, np.ndarray]
"""The bars of one symbol: open, high, low, close and volume as float64 with NaN for NULL; date if a test needs it."""

Columns = dict[str, np.ndarray]
"""The indicators of one symbol: values per column, NaN for NULL."""

Oracle = Callable[..., Columns]
"""(bars of one symbol, *parameters) -> the columns that an indicator should return."""

PRICES = ("open", "high", "low", "close")
BENCHMARK = "SPY"
"""The default benchmark of the shipped indicators; `fetch` adds its bars for indicators that read one."""
WAYS = ("macro", "partitioned", "arrays")


@cache
def demo_bars() -> dict[str, Bars]:
    """Return the real bars of the demo: AAPL, FB, GOOG, IBM, MSFT, 2000 to 2013; skip the test without them."""
    package = importlib.util.find_spec("bokeh_sampledata")
    if package is None or package.origin is None:
        pytest.skip("the demo extra is not installed")
    file = Path(package.origin).parent / "_data" / "stocks.csv.gz"
    return read(f"SELECT *, Ticker AS symbol FROM read_csv('{file}')")


def asx_bars(shared: Path, *symbols: str) -> dict[str, Bars]:
    """Return real bars of symbols of the ASX, 1988 to 2016, including days without trades, jumps and gaps."""
    names = ", ".join(f"'{symbol}.AX'" for symbol in symbols)
    complete = " AND ".join(f"{column} IS NOT NULL" for column in (*PRICES, "volume"))
    file = shared / "ohlcv" / "asx_yahoo_1988_2016_42sym.parquet"
    return read(f"SELECT * FROM '{file}' WHERE symbol IN ({names}) AND {complete}")


def random_bars(seed: int, rows: int, start: float = 50) -> Bars:
    """Return a random walk as bars: prices have two decimals, so that some are equal; some volumes are 0."""
    rng = np.random.default_rng(seed)
    close = np.round(np.maximum(start * np.exp(np.cumsum(rng.normal(0, 0.02, rows))), 0.05), 2)
    open_ = np.round(close * np.exp(rng.normal(0, 0.01, rows)), 2)
    high = np.round(np.maximum(open_, close) * (1 + np.abs(rng.normal(0, 0.005, rows))), 2)
    low = np.round(np.minimum(open_, close) * (1 - np.abs(rng.normal(0, 0.005, rows))), 2)
    volume = np.maximum(rng.integers(-200, 10_000, rows), 0).astype(np.float64)
    return {"open": open_, "high": high, "low": low, "close": close, "volume": volume}


def flat_bars(close: np.ndarray, volume: float = 1000) -> Bars:
    """Return bars whose open is their close, and whose high and low are a tenth of a per cent away from it."""
    return {
        "open": close, "high": close * 1.001, "low": close * 0.999, "close": close,
        "volume": np.full(len(close), volume),
    }  # fmt: skip


def rolling(function: Callable[..., np.ndarray], values: np.ndarray, n: int) -> np.ndarray:
    """Return `function` of the last n values per bar, in longdouble; NaN where there are fewer."""
    result = np.full(len(values), np.nan, dtype=np.longdouble)
    if len(values) >= n:
        result[n - 1 :] = function(np.lib.stride_tricks.sliding_window_view(values.astype(np.longdouble), n), axis=-1)
    return result


def days(rows: int) -> np.ndarray:
    """Return `rows` consecutive days from 2000-01-01 on."""
    return np.datetime64("2000-01-01") + np.arange(rows)


@cache
def _benchmark() -> np.ndarray:
    """Return a close of the benchmark per day since 1950-01-01, for 300 years."""
    return np.asarray(100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, 110_000))))


def benchmark_of(bars: Bars) -> np.ndarray:
    """Return the benchmark's closes on the days of a symbol's bars."""
    day = bars.get("date", days(len(bars["close"]))) - np.datetime64("1950-01-01")
    return np.asarray(_benchmark()[day.astype(np.int64)])


def add_benchmark(con: DuckDBPyConnection) -> None:
    """Add the benchmark's bars to the table `bars`, on all days of the other symbols, unless it has them."""
    if con.execute(f"SELECT 1 FROM bars WHERE symbol = '{BENCHMARK}' LIMIT 1").fetchall():
        return
    days_of_bars = con.execute("SELECT DISTINCT date FROM bars ORDER BY date").fetchnumpy()["date"]
    close = benchmark_of({"date": np.asarray(days_of_bars).astype("datetime64[D]"), "close": days_of_bars})
    con.register("arrow", pa.table({"date": days_of_bars.astype("datetime64[D]"), "close": close}))
    con.execute(
        f"INSERT INTO bars BY NAME SELECT '{BENCHMARK}' AS symbol, date, close AS open, close AS high, close AS low, "
        "close, 1000 AS volume FROM arrow"
    )
    con.unregister("arrow")


def connection(symbols: Mapping[str, Bars]) -> DuckDBPyConnection:
    """Return a connection with the macros of the indicators and a table `bars` of the symbols' bars."""
    con = _macros().cursor()
    name = f"bars_{next(_NUMBERS)}"
    con.execute(f"ATTACH ':memory:' AS {name}")
    con.execute(f"SET search_path = '{name}.main,memory.main'")
    put(con, symbols)
    return con


_NUMBERS = itertools.count()


@cache
def _macros() -> DuckDBPyConnection:
    """Return a connection with the macros; all connections share it, because to create them takes 0.15 s."""
    con = duckdb.connect()
    catalogue().install(con)
    return con


def put(con: DuckDBPyConnection, symbols: Mapping[str, Bars]) -> None:
    """Replace the table `bars`: the rows are in random order, with NULL for NaN."""
    tables = []
    for symbol, bars in symbols.items():
        rows = len(bars["close"])
        columns = {"symbol": pa.array([symbol] * rows, pa.string()), "date": bars.get("date", days(rows))}
        columns |= {name: pa.array(bars[name], pa.float64(), from_pandas=True) for name in PRICES}
        columns["volume"] = pa.array(bars["volume"], pa.float64(), from_pandas=True).cast(pa.int64())
        tables.append(pa.table(columns))
    arrow = pa.concat_tables(tables)
    con.register("arrow", arrow)
    con.execute("CREATE OR REPLACE TABLE bars AS FROM arrow ORDER BY hash(symbol, date)")
    con.unregister("arrow")


def requests(*texts: str) -> list[Request]:
    """Return the requests in texts, one per column."""
    return parse(texts, catalogue())


def fetch(con: DuckDBPyConnection, texts: Iterable[str | Request], way: str, where: str = "true") -> dict[str, Columns]:
    """Compute indicators of the table `bars` in one of `WAYS`; return columns and `date` per symbol, sorted by date.

    `where` filters the result. The way "macro" can compute only indicators that leave out the same rows together.
    """
    columns = [one for text in texts for one in (requests(text) if isinstance(text, str) else [text])]
    if benchmarks_of(columns):
        add_benchmark(con)
    where = f"{where} AND symbol <> '{BENCHMARK}'"
    if way == "macro":
        result: dict[str, Columns] = {}
        for call in dict.fromkeys(one.call("bars") for one in columns):
            same = [one for one in columns if one.call("bars") == call]
            for symbol, values in _fetch(con, _by_macro(same), where).items():
                result.setdefault(symbol, {}).update(values)
        return result
    if way == "partitioned":
        return _fetch(con, query(columns, "bars"), where)
    computed = plan(con, columns, "bars")
    return _fetch(con, computed.query(con), where)


def header_number(con: DuckDBPyConnection, request: Request, key: str) -> int:
    """Return the value of a header field that is an expression of the parameters: `warmup` or `lookback`."""
    text = getattr(request.indicator.header, key)
    arguments = [f"{text} AS {name}" for name, text in request.arguments if name in request.indicator.periods]
    return int(con.execute(f"SELECT {text} FROM (SELECT {', '.join(arguments) or 1})").fetchall()[0][0])


def _by_macro(same: list[Request]) -> str:
    columns = ", ".join(f'{one.column} AS "{one.name}"' for one in same)
    return f"SELECT symbol, date, {columns} FROM {same[0].call('bars')}"


def _fetch(con: DuckDBPyConnection, text: str, where: str) -> dict[str, Columns]:
    rows = con.execute(f"SELECT * FROM ({text}) WHERE {where} ORDER BY symbol, date").fetchnumpy()
    columns = {name: filled(values) for name, values in rows.items() if name != "symbol"}
    return _split(np.asarray(rows["symbol"]), columns)


def read(text: str) -> dict[str, Bars]:
    """Return the bars in the result of a query, per symbol."""
    names = ", ".join(f"CAST({name} AS DOUBLE) AS {name}" for name in (*PRICES, "volume"))
    rows = duckdb.sql(f"SELECT symbol, date AS date, {names} FROM ({text}) ORDER BY symbol, date").fetchnumpy()
    return _split(np.asarray(rows.pop("symbol")), {name: filled(values) for name, values in rows.items()})


def filled(values: np.ndarray) -> np.ndarray:
    """Return a column of DuckDB as dates, or as float64 with NaN for NULL."""
    if values.dtype.kind == "M":
        return np.asarray(values).astype("datetime64[D]")
    return np.asarray(np.ma.filled(values.astype(np.float64), np.nan))


def _split(symbols: np.ndarray, columns: Mapping[str, np.ndarray]) -> dict[str, Columns]:
    starts = np.flatnonzero(symbols[1:] != symbols[:-1]) + 1 if len(symbols) else np.array([], dtype=int)
    parts = {name: np.split(values, starts) for name, values in columns.items()}
    firsts = [symbols[at] for at in (0, *starts)] if len(symbols) else []
    return {str(symbol): {name: part[at] for name, part in parts.items()} for at, symbol in enumerate(firsts)}
