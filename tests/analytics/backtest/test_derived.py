"""Lags and histories of columns, and columns of weekly, monthly and n-session bars, which count only once finished."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import pytest
from duckdb import DuckDBPyConnection

from stockstream import analytics
from stockstream.analytics.backtest import Data, Portfolio, Strategy, backtest
from stockstream.sql.errors import UsageError
from tests.analytics.backtest._bars import FREE, SRC, day, number, of, play, table

BARS = """
1 10 10 10 10 100
2 11 11 11 11 200
3 12 12 12 12 -
4 13 13 13 13 400
"""
WEEKS = "\n".join(f"{n} {10 * n} {10 * n + 5} {10 * n - 5} {10 * n} 100" for n in (1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 15))
"""Three weeks from Monday, 2024-01-01: the close is ten times the day's number."""


class Recorder(Strategy):
    """Records its columns per symbol and day number."""

    def __init__(self, *columns: str, query: str | None = None) -> None:
        self.columns = columns
        self.query = query  # type: ignore[misc]
        self.rows: dict[tuple[str, int], list[Any]] = {}

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None:
        self.rows[symbol, number(date)] = [_plain(data[name]) for name in self.columns]


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def record(bars: str, *columns: str, **settings: Any) -> dict[int, list[Any]]:
    """Return the columns of AAA per day number."""
    strategy = Recorder(*columns, query=settings.pop("query", None))
    play(strategy, bars, **settings)
    return {day: values for (symbol, day), values in strategy.rows.items() if symbol == "AAA"}


@pytest.fixture(scope="module")
def con() -> Iterator[DuckDBPyConnection]:
    """Yield a connection with a calendar of Mondays to Fridays in January 2024."""
    with analytics.connect("no-lake") as connection:
        connection.execute(
            "CREATE OR REPLACE TEMP VIEW sessions AS SELECT CAST(d AS DATE) AS date, d AS open_utc, d AS close_utc "
            "FROM generate_series(TIMESTAMP '2024-01-01', TIMESTAMP '2024-01-31', INTERVAL 1 DAY) AS days (d) "
            "WHERE isodow(d) < 6"
        )
        yield connection


def weeks(con: DuckDBPyConnection, bars: str, columns: Sequence[str], **settings: Any) -> dict[int, list[Any]]:
    con.register(SRC, table(bars))
    strategy = Recorder(*columns)
    assert backtest(strategy, con=con, src=SRC, **{**FREE, **settings}).error is None
    return {day: values for (symbol, day), values in strategy.rows.items() if symbol == "AAA"}


def test_a_lag_is_the_value_of_an_earlier_bar() -> None:
    assert record(BARS, "lag(close, 1)", "lag(volume, 2)", "lag(sma(2), 1) AS before") == {
        1: [None, None, None], 2: [10, None, None], 3: [11, 100, 10.5], 4: [12, 200, 11.5],
    }  # fmt: skip


def test_a_history_has_the_last_values_with_that_of_the_day_at_its_end() -> None:
    rows = record(BARS, "history(close, 3)", "history(volume, 2)")
    assert [row[0] for row in rows.values()] == [[10], [10, 11], [10, 11, 12], [11, 12, 13]]
    assert rows[2][1] == [100, 200]
    assert math.isnan(rows[3][1][1]), "an unknown volume"


def test_they_are_attributes_and_cannot_be_changed() -> None:
    class Attributes(Strategy):
        columns = ("history(close, 2)", "lag(rsi_2, 1)")

        def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None:
            assert data.history_close_2[-1] == data.close
            assert data.lag_rsi_2_1 is None or 0 <= data.lag_rsi_2_1 <= 100
            with pytest.raises(ValueError, match="read-only"):
                data.history_close_2[0] = 0

    play(Attributes(), BARS)


def test_they_use_the_bars_before_the_start() -> None:
    rows = record(BARS, "lag(close, 2)", "history(close, 3)", start=day(3))
    assert rows == {3: [10, [10, 11, 12]], 4: [11, [11, 12, 13]]}


def test_they_follow_the_symbol_and_not_the_row_before() -> None:
    assert record(BARS + of("BBB", BARS.replace("1", "7")), "lag(close, 1)")[2] == [10]


def test_a_split_is_no_price_drop() -> None:
    """On day 3 two shares replace one: the closes before it count half, the volumes twice."""
    bars = "1 10 10 10 10 100 \n 2 10 10 10 10 100 \n 3 5 5 5 5 200 split=2 \n 4 5 5 5 5 200"
    rows = record(bars, "lag(close, 1)", "history(close, 3)", "lag(volume, 1)", "lag(sma(2), 1)")
    assert rows[2] == [10, [10, 10], 100, None]
    assert rows[3] == [5, [5, 5, 5], 200, 5]


def test_a_lag_of_a_column_of_the_query() -> None:
    query = f"SELECT symbol, date, close * 2 AS twice FROM {SRC}"
    assert record(BARS, "lag(twice, 1)", query=query)[3] == [22]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("lag(typo, 1)", "lag(typo, 1): there is no column typo among adjusted_close, close"),
        ("lag(close, 0)", "lag(close, 0): the number of bars must be at least 1"),
        ("history(bollinger, 3)", "history(bollinger, 3): there is no column bollinger among"),
        ("weekly(bollinger)", "weekly(bollinger): bollinger has the columns bollinger_"),
        ("weekly(close)", "weekly(close): the lake has no calendar of sessions"),
    ],
)
def test_a_column_that_cannot_be_derived_is_an_error(column: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        record(BARS, column)
    assert message in str(raised.value)


def test_two_derived_columns_of_one_name_are_an_error() -> None:
    with pytest.raises(UsageError, match="two columns would be called lag_close_1"):
        record(BARS, "lag(close, 1)", "lag(open, 1) AS lag_close_1")


def test_a_week_counts_from_the_close_of_its_last_session_on(con: DuckDBPyConnection) -> None:
    rows = weeks(con, WEEKS, ["weekly(close)", "weekly(high)", "weekly(sma(2))"])
    assert rows == {
        1: [None, None, None], 2: [None, None, None], 3: [None, None, None], 4: [None, None, None],
        5: [50, 55, None], 8: [50, 55, None], 9: [50, 55, None], 10: [50, 55, None], 11: [50, 55, None],
        12: [120, 125, 85], 15: [120, 125, 85],
    }  # fmt: skip


def test_a_week_without_a_bar_on_its_last_session_counts_from_the_next_bar_on(con: DuckDBPyConnection) -> None:
    """On day 4, the last bar of the week, it is not known that day 5 has none."""
    bars = WEEKS.replace("5 50 55 45 50 100\n", "") + "\n" + of("BBB", WEEKS)
    rows = weeks(con, bars, ["weekly(close)"])
    assert (rows[4], rows[8]) == ([None], [40])


def test_bars_of_n_sessions_and_months(con: DuckDBPyConnection) -> None:
    """The sessions of the calendar count in threes from its first one: 1-3, 4-8, 9-11."""
    rows = weeks(con, WEEKS, ["3d(close)", "monthly(close)", "3d(open) AS first"])
    assert (rows[2], rows[3], rows[5]) == ([None] * 3, [30, None, 10], [30, None, 10])
    assert (rows[8], rows[10], rows[11]) == ([80, None, 40], [80, None, 40], [110, None, 90])


def test_a_lag_of_a_week_counts_in_bars(con: DuckDBPyConnection) -> None:
    rows = weeks(con, WEEKS, ["weekly(close)", "lag(weekly(close), 5) AS week_before"])
    assert (rows[11], rows[12]) == ([50, None], [120, 50])


def test_weeks_are_on_the_price_scale_of_the_day(con: DuckDBPyConnection) -> None:
    """A split of day 8: the close of 50 of the first week is 25 from then on."""
    halves = "\n".join(f"{n} {5 * n} {5 * n} {5 * n} {5 * n} 200" for n in (8, 9, 10, 11, 12)).replace(
        "40 200", "40 200 split=2"
    )
    rows = weeks(con, "\n".join(WEEKS.splitlines()[:5]) + "\n" + halves, ["weekly(close)", "weekly(volume)"])
    assert (rows[5], rows[8], rows[12]) == ([50, 500], [25, 1000], [60, 1000])


def test_no_value_depends_on_a_later_bar(con: DuckDBPyConnection) -> None:
    columns = ["weekly(close)", "weekly(sma(2))", "2d(high)", "lag(close, 2)", "history(low, 3)"]
    full = weeks(con, WEEKS, columns)
    lines = WEEKS.splitlines()
    for count in range(1, len(lines)):
        cut = weeks(con, "\n".join(lines[:count]), columns)
        assert cut == {day: full[day] for day in cut}
