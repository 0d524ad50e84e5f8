"""The table macros with arguments: wrong arguments are errors, and numbers that are none count as NULL."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import duckdb
import pytest
from duckdb import DuckDBPyConnection
from hypothesis import given, settings
from hypothesis import strategies as st

from stockstream.sql.loader import load
from stockstream.sql.session import connect, quoted

COLUMNS = ("open", "high", "low", "close", "volume", "dividend", "split_ratio")
STRANGE = ("NaN", "Infinity", "-Infinity")


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBPyConnection]:
    """Return a connection to a lake with a calendar and without bars, with a table `own` of 60 days of two symbols."""
    folder = tmp_path_factory.mktemp("lake")
    (folder / "state").mkdir()
    duckdb.execute(
        f"""COPY (
            SELECT CAST(day AS DATE) AS date, day + INTERVAL 14 HOUR AS open_utc, day + INTERVAL 21 HOUR AS close_utc
            FROM range(TIMESTAMP '2023-12-01', TIMESTAMP '2024-06-01', INTERVAL 1 DAY) AS days (day)
            WHERE isodow(day) < 6
        ) TO '{folder}/state/sessions.parquet'"""
    )
    with connect(str(folder)) as con:
        con.execute(f"CREATE TABLE own AS {BARS} FROM range(60) AS days (i), (VALUES ('A'), ('B')) AS names (symbol)")
        yield con


BARS = """SELECT symbol, DATE '2024-01-01' + CAST(i AS INTEGER) AS date, 50.0::DOUBLE + i AS open,
    60.0::DOUBLE + i AS high, 40.0::DOUBLE + i AS low, 55.0::DOUBLE + i AS close, 100.0::DOUBLE + i AS volume,
    CASE WHEN i = 30 THEN 1 ELSE 0 END::DOUBLE AS dividend, CASE WHEN i = 20 THEN 2 ELSE 1 END::DOUBLE AS split_ratio"""
INTERVAL = r"the interval is .*: a number of sessions is needed, as 5 or '5d', or 'weekly' or 'monthly'"
DAY = r"the day is .*: a DATE or a text as '2026-11-20' is needed"
WRONG: dict[str, str] = {
    **{
        f"{macro}{value})": INTERVAL
        for macro in ("resample('own', ", "session_buckets(", "bars_resampled(")
        for value in (
            "'foo'",
            "0",
            "'0d'",
            "NULL",
            "-3",
            "2.5",
            "''",
            "' 5'",
            "'5 d'",
            "true",
            "[5]",
            "1e30",
            "'nan'::DOUBLE",
        )
    },
    **{
        f"{macro}({value})": DAY
        for macro in ("symbols_on", "bars_since")
        for value in ("NULL", "'foo'", "20260101", "''", "true", "'2026-02-30'")
    },
    "read_symbols(NULL)": r"the files are NULL: a list of paths",
    "read_symbols('a.csv')": r"the files are a\.csv: a list of paths",
    "resample('nothing', 5)": r"nothing does not exist",
    "resample(NULL, 5)": r"NULL",
    "forward_factors('nothing')": r"nothing does not exist",
    "forward_factors(NULL)": r"NULL",
    "bars_resampled('10d')": r"no resampled bars of the interval 10d: the lake has none yet.*STOCKSTREAM_RESAMPLE",
    "psar('own', -1)": r"acceleration of psar is -1",
    "psar('own', 0.02, NULL)": r"maximum of psar is NULL",
    "supertrend('own', 10, 'nan'::DOUBLE)": r"multiplier of supertrend is nan",
    "supertrend('own', 2.5)": r"period n of supertrend is 2.5",
}


@pytest.mark.parametrize("call", WRONG)
def test_a_wrong_argument_is_an_error_that_names_it(con: DuckDBPyConnection, call: str) -> None:
    with pytest.raises(duckdb.Error, match=rf"(?s){WRONG[call]}"):
        con.execute(f"FROM {call}").fetchall()


@pytest.mark.parametrize(
    "words",
    [("5", "'5'", "'5d'", "'5D'", "5.0", "'005'"), ("'week'", "'weekly'", "'Weekly'"), ("'month'", "'monthly'")],
)
def test_all_words_for_an_interval_return_the_same(con: DuckDBPyConnection, words: tuple[str, ...]) -> None:
    first, *others = (con.execute(f"FROM resample('own', {word}) ORDER BY symbol, date").fetchall() for word in words)
    assert 4 <= len(first) < 40
    assert all(other == first for other in others)
    assert con.execute("FROM resample('own', ?) ORDER BY symbol, date", [words[0].strip("'")]).fetchall() == first


@pytest.mark.parametrize("interval", ["week", "weekly", "month", "'3d'", "3"])
def test_resampled_bars_of_a_lake_without_any_have_no_rows(con: DuckDBPyConnection, interval: str) -> None:
    text = interval if interval[0] in "'3" else f"'{interval}'"
    assert con.execute(f"FROM bars_resampled({text})").fetchall() == []


def bars_with(con: DuckDBPyConnection, value: str | None) -> None:
    """Make the table `strange`: per column, bar and strange value a symbol that has it, or `value` instead."""
    cells = [(column, at, one) for column in COLUMNS for at in (0, 19, 20, 29, 30, 59) for one in STRANGE]
    names = ", ".join(f"('{column} {at} {one}')" for column, at, one in cells)
    con.execute(
        f"CREATE OR REPLACE TABLE strange AS {BARS} FROM range(60) AS days (i), (VALUES {names}) AS names (symbol)"
    )
    for column, at, one in cells:
        where = f"symbol = '{column} {at} {one}' AND date = DATE '2024-01-01' + {at}"
        con.execute(f"UPDATE strange SET {column} = {value or quoted(one)} WHERE {where}")


@pytest.mark.parametrize(
    "call", ["resample('strange', 5)", "resample('strange', 'month')", "forward_factors('strange')"]
)
def test_nan_and_infinity_count_as_null(con: DuckDBPyConnection, call: str) -> None:
    results = []
    for value in ("NULL", None):
        bars_with(con, value)
        results.append(con.execute(f"FROM {call} ORDER BY symbol, date").fetchall())
    assert results[0] == results[1]
    numbers = [cell for row in results[1] for cell in row if isinstance(cell, float)]
    assert len(numbers) > 1_000
    assert all(map(math.isfinite, numbers))


@pytest.mark.parametrize("ratio", ["0", "-2", "NULL"])
def test_a_split_ratio_that_is_none_is_no_split(con: DuckDBPyConnection, ratio: str) -> None:
    results = []
    for text in (ratio, "1"):
        con.execute("CREATE OR REPLACE TABLE strange AS FROM own")
        con.execute(f"UPDATE strange SET split_ratio = {text} WHERE date = DATE '2024-02-10'")
        results.append(con.execute("FROM forward_factors('strange') ORDER BY symbol, date").fetchall())
    assert results[0] == results[1]


CON = duckdb.connect()
"""A connection without a lake, with the macro forward_factors."""
CON.execute(load("views/forward_factors").text)

Bar = tuple[int | None, int, int]
"""Close (None: missing), dividend and split ratio."""
CASES = st.lists(
    st.tuples(st.none() | st.integers(20, 90), st.sampled_from([0, 0, 0, 1, 5]), st.sampled_from([1, 1, 1, 2, 3, 0])),
    min_size=1,
    max_size=25,
)


def factors(bars: list[Bar]) -> list[tuple[Fraction, Fraction]]:
    """Return price_factor and split_factor per bar: a shareholder reinvests each dividend at the close before it."""
    price, shares = Fraction(1), Fraction(1)
    close: Fraction | None = None
    result = []
    for now, dividend, ratio in bars:
        ratio = ratio or 1
        close = close and close / ratio
        price *= ratio
        shares *= ratio
        if close and dividend < close:
            price /= 1 - dividend / close
        result.append((price, shares))
        close = Fraction(now) if now is not None else close
    return result


@settings(max_examples=60, deadline=None)
@given(bars=CASES)
def test_forward_factors_of_bars_without_a_close_and_with_splits_of_0(bars: list[Bar]) -> None:
    rows = ", ".join(
        f"('A', DATE '2024-01-01' + {at}, {'NULL' if close is None else close}, {dividend}, {ratio})"
        for at, (close, dividend, ratio) in enumerate(bars)
    )
    CON.execute(
        "CREATE OR REPLACE TABLE splits AS SELECT symbol, date, close::DOUBLE AS open, close::DOUBLE AS high, "
        "close::DOUBLE AS low, close::DOUBLE AS close, 1 AS volume, dividend::DOUBLE AS dividend, "
        f"split_ratio::DOUBLE AS split_ratio FROM (VALUES {rows}) AS t (symbol, date, close, dividend, split_ratio)"
    )
    query = "SELECT price_factor, split_factor FROM forward_factors('splits') ORDER BY date"
    computed = CON.execute(query).fetchall()
    for (price, shares), exact in zip(computed, factors(bars), strict=True):
        assert price == pytest.approx(float(exact[0]), rel=1e-12)
        assert shares == float(exact[1])
