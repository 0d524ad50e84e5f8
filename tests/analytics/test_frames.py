"""Bars as frames, on the demo's lake: `bars`, `resample`, `wide`, and what is refused of a frame of the user's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import duckdb
import jedi
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from stockstream import analytics
from stockstream.analytics.frames import PRICES, table_of
from stockstream.sql.errors import ArgumentError, UsageError

DAYS = [date(2024, 1, 2), date(2024, 1, 3)]
BARS = pl.DataFrame(
    {"symbol": ["AAA"] * 2 + ["BBB"] * 2, "date": DAYS * 2, **{name: [1.0, 2.0, 3.0, 4.0] for name in PRICES}}
)


@pytest.fixture(scope="module")
def con(demo_lake: str) -> duckdb.DuckDBPyConnection:
    return analytics.connect(demo_lake)


@pytest.mark.parametrize(
    ("timeframe", "adjustment", "query"),
    [
        ("1d", "raw", "SELECT symbol, date, open, high, low, close, volume FROM bars_as_traded"),
        ("1d", "all", "SELECT symbol, date, open, high, low, close, volume FROM bars_adjusted"),
        ("weekly", "split", "FROM bars_weekly"),
        ("week", "all", "FROM resample('bars_adjusted', 'weekly')"),
        (5, "split", "FROM bars_5d"),
        ("7D", "split", "FROM resample('bars_split_adjusted', 7)"),
    ],
)
def test_bars_are_those_of_the_view(
    timeframe: str | int, adjustment: Any, query: str, demo_lake: str, con: duckdb.DuckDBPyConnection
) -> None:
    frame = analytics.bars("aapl,IBM", "2005-01-03", "2005-06-30", timeframe, adjustment, lake=demo_lake)
    days = "date BETWEEN '2005-01-03' AND '2005-06-30' AND symbol IN ('AAPL', 'IBM')"
    expected = con.sql(f"FROM ({query}) WHERE {days} ORDER BY symbol, date").pl()
    assert frame.height > 20
    assert_frame_equal(frame, expected, rel_tol=1e-12)


def test_without_symbols_bars_are_of_all_and_of_none_without_a_name(demo_lake: str) -> None:
    day = analytics.bars(start="2013-03-01", lake=demo_lake)
    assert day["symbol"].to_list() == ["AAPL", "FB", "GOOG", "IBM", "MSFT"]
    assert analytics.bars([], lake=demo_lake).height == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"symbols": "APPL"}, "no bars of APPL in bars; did you mean AAPL?"),
        ({"timeframe": "hourly"}, "timeframe: 'hourly' is none: write 1d, a number of sessions (5 or 5d), weekly"),
        ({"timeframe": 0}, "timeframe: 0 is none"),
        ({"adjustment": "full"}, "adjustment: 'full' is none: write raw, split, all"),
        ({"timeframe": 5, "adjustment": "raw"}, "adjustment=raw is for timeframe=1d"),
        ({"start": "2013-02-01", "end": "2013-01-01"}, "the range ends (2013-01-01) before it starts (2013-02-01)"),
    ],
)
def test_a_wrong_argument_of_bars_is_named(arguments: dict[str, Any], message: str, demo_lake: str) -> None:
    with pytest.raises(UsageError) as error:
        analytics.bars(**arguments, lake=demo_lake)
    assert str(error.value).startswith(message)


def test_indicators_stand_beside_the_bars(demo_lake: str) -> None:
    beside = analytics.indicators(["rsi_14", "bb_upper"], demo_lake, symbols="FB", with_bars=True)
    alone = analytics.indicators(["rsi_14", "bollinger_upper AS bb_upper"], demo_lake, symbols="FB")
    assert beside.columns == ["symbol", "date", "open", "high", "low", "close", "volume", "rsi_14", "bb_upper"]
    assert_frame_equal(beside.select(alone.columns), alone)
    assert_frame_equal(beside.drop("rsi_14", "bb_upper"), analytics.bars("FB", adjustment="all", lake=demo_lake))


def test_names_of_other_programs_are_aliases(demo_lake: str) -> None:
    """TA-Lib's and pandas-ta's names of the same numbers."""
    pairs = {
        "bbands_lower_10_2": "bollinger_lower_10_2",
        "kc_upper": "keltner_upper",
        "stoch_k": "stochastic_v2",
        "willr_10": "williams_r_10",
        "ma_20": "sma_20",
        "chandelier_exit_long": "chandelier_long",
    }
    frame = analytics.indicators([*pairs, *pairs.values()], demo_lake, symbols="IBM", start="2012-01-01")
    for alias, name in pairs.items():
        assert frame[alias].equals(frame[name if name in frame.columns else alias]), alias
        assert frame[alias].null_count() == 0


def test_a_wide_frame_has_a_column_per_symbol(demo_lake: str) -> None:
    long = analytics.bars(["IBM", "FB"], "2012-05-16", "2012-05-18", lake=demo_lake)
    frame = analytics.wide(long, "volume")
    assert frame.columns == ["date", "FB", "IBM"]
    assert frame["date"].to_list() == [date(2012, 5, day) for day in (16, 17, 18)]
    assert frame["FB"].to_list()[:2] == [None, None]  # its first day is the 18th
    assert frame["IBM"].to_list() == long.filter(pl.col("symbol") == "IBM")["volume"].to_list()
    with pytest.raises(ArgumentError, match="no column clos; did you mean close"):
        analytics.wide(long, "clos")
    with pytest.raises(ArgumentError, match="two rows of FB on 2012-05-18"):
        analytics.wide(pl.concat([long, long]))


def test_a_frame_is_resampled_as_the_lake_is(demo_lake: str) -> None:
    daily = analytics.bars("AAPL,FB", adjustment="all", lake=demo_lake)
    for frame in (
        daily,
        daily.lazy(),
        daily.to_arrow(),
        daily.to_pandas(),
        daily.to_pandas().set_index(["symbol", "date"]),
    ):
        resampled = analytics.resample(frame, 4, lake=demo_lake)
        expected = analytics.bars("AAPL,FB", timeframe=4, adjustment="all", lake=demo_lake)
        assert_frame_equal(resampled, expected, rel_tol=1e-12)


def test_a_frame_as_yfinance_returns_it_is_understood() -> None:
    import pandas as pd

    index = pd.DatetimeIndex(["2024-01-02", "2024-01-03"], tz="America/New_York", name="Date")
    frame = pd.DataFrame({"Open": 1.0, "High": 2, "Low": 1.0, "Close": [1.5, 2.5], "Volume": 7, "symbol": "AAA"}, index)
    table = table_of("df", frame, PRICES)
    assert table.column("date").to_pylist() == DAYS
    assert table.column("close").to_pylist() == [1.5, 2.5]
    assert frame.columns[0] == "Open", "the user's frame is unchanged"


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "no frame": (lambda: [1, 2], "df: a list is no frame: write one of polars, pandas or Arrow"),
    "no column": (lambda: BARS.rename({"close": "clsoe"}), "df: it has no column close; did you mean clsoe?"),
    "no symbol": (lambda: BARS.drop("symbol"), "df: it has no column symbol; add one"),
    "no rows": (lambda: BARS.clear(), "df: it has no rows"),
    "two columns": (lambda: BARS.with_columns(Close=1.0), "df: two columns are called close"),
    "duplicates": (lambda: BARS.vstack(BARS), "df: 2 rows are of AAA on 2024-01-02: keep one of them"),
    "unordered": (lambda: BARS.reverse(), "df: 2024-01-02 of AAA comes after 2024-01-03: sort the frame"),
    "NULL": (lambda: BARS.with_columns(close=pl.lit(None)), "df: the close of AAA on 2024-01-02 is missing"),
    "NaN": (
        lambda: BARS.with_columns(low=pl.when(pl.col("symbol") == "BBB").then(float("nan")).otherwise(1.0)),
        "df: the low of BBB on 2024-01-02 is nan (2 such rows): a finite number is needed: fill it, or drop",
    ),
    "NaN of pandas": (lambda: BARS.to_pandas().assign(volume=float("nan")), "df: the volume of AAA on 2024-01-02"),
    "infinity": (lambda: BARS.with_columns(open=float("inf")), "df: the open of AAA on 2024-01-02 is inf"),
    "text": (lambda: BARS.with_columns(high=pl.lit("x")), "df: the high of AAA on 2024-01-02 is x"),
    "a list": (lambda: BARS.with_columns(high=pl.lit([1.0])), "df: the high of AAA on 2024-01-02 is [1.0]"),
    "a number for a day": (
        lambda: BARS.with_columns(date=1.5),
        "df: the date of AAA is 1.5 (4 such rows): a day, such as 2026-01-31, is needed",
    ),
    "a day": (lambda: BARS.with_columns(date=pl.lit("soon")), "df: the date of AAA is soon"),
    "no day": (lambda: BARS.with_columns(date=pl.lit(None)), "df: the date of AAA is missing"),
    "minutes": (
        lambda: BARS.with_columns(date=datetime(2024, 1, 2, 10, 30)),
        "df: the date of AAA is 2024-01-02 10:30:00 (4 such rows): a day without a time is needed",
    ),
    "no name": (lambda: BARS.with_columns(symbol=pl.lit(" ")), "df: the symbol on 2024-01-02 is"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_frame_that_cannot_be_bars_is_refused_with_the_reason(case: str) -> None:
    frame, message = REFUSED[case][0](), REFUSED[case][1]
    with pytest.raises(ArgumentError) as error:
        table_of("df", frame, PRICES)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_all_names_are_listed_and_nothing_is_imported_for_it() -> None:
    code = (
        "import sys; from stockstream import analytics\n"
        "print(*dir(analytics))\n"
        "print(*{'duckdb', 'polars', 'sqlglot', 'numpy', 'requests', 'altair'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    names, imported = done.stdout.split("\n")[:2]
    assert {*analytics.__all__} <= {*names.split()}
    assert imported == ""
    assert {*analytics.backtest.__all__, "BuyAndHold", "MovingAverageCrossover"} <= {*dir(analytics.backtest)}
    for name in analytics.__all__:
        assert getattr(analytics, name) is not None


def test_an_editor_completes_what_is_imported_at_its_first_use() -> None:
    """Jedi completes from the text of the modules, as language servers do."""
    script = "from stockstream import analytics\nanalytics."
    names = {name.name for name in jedi.Script(script).complete(2, len("analytics."))}
    assert {*analytics.__all__} <= names
    script = "from stockstream import analytics\nanalytics.bars("
    (signature,) = jedi.Script(script).get_signatures(2, len("analytics.bars("))
    assert [parameter.name for parameter in signature.params][:5] == [
        "symbols", "start", "end", "timeframe", "adjustment"
    ]  # fmt: skip
