"""The sessions of `on_schedule`, and the universe as of a day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import pytest
from duckdb import DuckDBPyConnection

from stockstream import analytics
from stockstream.analytics.backtest import Action, Data, Portfolio, Result, Strategy, backtest
from stockstream.sql.errors import UsageError
from tests.analytics.backtest._bars import FREE, SRC, day, fills, number, table

HOLIDAYS = {date(2024, 1, 1), date(2024, 1, 15), date(2024, 2, 19), date(2024, 3, 29)}
WEEKDAYS = [date(2023, 12, 1) + timedelta(days=n) for n in range(130)]
SESSIONS = [day for day in WEEKDAYS if day.weekday() < 5 and day not in HOLIDAYS]
"""December 2023 to 8 April 2024; 29 March is Good Friday."""
DAYS = [number(day) for day in SESSIONS if date(2024, 1, 1) <= day < date(2024, 4, 1)]


@pytest.fixture(scope="module")
def con() -> Iterator[DuckDBPyConnection]:
    with analytics.connect("no-lake") as connection:
        values = ", ".join(f"(DATE '{day}')" for day in SESSIONS)
        connection.execute(f"CREATE OR REPLACE TEMP VIEW sessions AS FROM (VALUES {values}) AS s (date)")
        yield connection


class Scheduled(Strategy):
    """Records the rules and days of its calls, and buys a share at each."""

    def __init__(self, schedule: str | Sequence[str]) -> None:
        self.schedule = schedule
        self.calls: list[tuple[str, str]] = []

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None:
        """Return no action."""

    def on_schedule(self, rule: str, date: date, portfolio: Portfolio) -> Action:
        self.calls.append((rule, f"{date:%m-%d}"))
        return Action.buy(1, symbol="AAA")


def run(con: DuckDBPyConnection, strategy: Strategy, days: Sequence[int] = DAYS, **settings: object) -> Result:
    con.register(SRC, table("\n".join(f"{day} 10 10 10 10 100" for day in days)))
    result = backtest(strategy, con=con, src=SRC, **{**FREE, **settings})
    assert result.error is None, result.error
    return result


def called(con: DuckDBPyConnection, rule: str, days: Sequence[int] = DAYS) -> list[str]:
    strategy = Scheduled(rule)
    run(con, strategy, days)
    return [text for _, text in strategy.calls]


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        ("month_start", ["01-02", "02-01", "03-01"]),
        ("month_end", ["01-31", "02-29", "03-28"]),
        ("month_start+2", ["01-04", "02-05", "03-05"]),
        ("month_end-1", ["01-30", "02-28", "03-27"]),
        ("quarter_start", ["01-02"]),
        ("quarter_end", ["03-28"]),
        ("year_start+5", ["01-09"]),
        ("week_end", ["01-05", "01-12", "01-19", "01-26"]),
        ("week_start", ["01-02", "01-08", "01-16", "01-22", "01-29"]),
        ("monday", ["01-02", "01-08", "01-16", "01-22", "01-29"]),
        ("wednesday", ["01-03", "01-10", "01-17", "01-24", "01-31"]),
        ("every 7", ["01-02", "01-11", "01-23"]),
    ],
)
def test_the_sessions_of_a_rule(con: DuckDBPyConnection, rule: str, days: list[str]) -> None:
    """1 and 15 January are holidays, so that the Tuesday after counts; every 7 sessions from the first, 2 January."""
    calls = called(con, rule)
    assert calls[: len(days)] == days
    assert all(text > "01-31" for text in calls[len(days) :])


def test_a_rule_whose_day_has_no_session_in_the_run_counts_in_the_next(con: DuckDBPyConnection) -> None:
    """The bars of 31 January and of 1 and 2 February are missing."""
    days = [day for day in DAYS if day not in (31, 32, 33)]
    assert called(con, "month_end", days)[0] == "02-05"


def test_orders_of_a_rule_are_executed_in_the_next_session(con: DuckDBPyConnection) -> None:
    result = run(con, Scheduled("month_end-1"))
    assert fills(result)[0] == (31, 1, 10)


def test_several_rules_are_called_in_their_order(con: DuckDBPyConnection) -> None:
    strategy = Scheduled(["monday", "month_start", "every 100"])
    run(con, strategy)
    assert strategy.calls[:4] == [
        ("monday", "01-02"), ("month_start", "01-02"), ("every 100", "01-02"), ("monday", "01-08"),
    ]  # fmt: skip


def test_a_rule_that_is_due_before_the_first_session_does_not_count(con: DuckDBPyConnection) -> None:
    assert called(con, "month_start", [day for day in DAYS if day > 10])[0] == "02-01"


def test_an_unplanned_closure_is_not_known_before() -> None:
    """On Monday 10 September 2001 it was not known to be the last session of its week; Monday 17 is the next one."""
    first = date(2001, 9, 3)
    closed = {first + timedelta(days=n) for n in (8, 9, 10, 11)}
    weekdays = [first + timedelta(days=n) for n in range(40) if n % 7 < 5]
    sessions = [day for day in weekdays if day not in closed]
    with analytics.connect("no-lake") as own:
        values = ", ".join(f"(DATE '{day}')" for day in sessions)
        own.execute(f"CREATE OR REPLACE TEMP VIEW sessions AS FROM (VALUES {values}) AS s (date)")
        strategy = Scheduled("week_end")
        run(own, strategy, [number(day) for day in sessions[:15]])
    assert [text for _, text in strategy.calls] == ["09-07", "09-17", "09-21"]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("month_middle", "schedule 'month_middle': write month_start"),
        ("every 0", "schedule 'every 0': write month_start"),
        ("month_end+1", "an end sessions before it (-)"),
        ("week_start-1", "a start has sessions after it (+)"),
    ],
)
def test_a_rule_that_cannot_be_read_is_an_error(con: DuckDBPyConnection, rule: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        run(con, Scheduled(rule))
    assert message in str(raised.value)


def test_a_schedule_without_a_calendar_is_an_error() -> None:
    with analytics.connect("no-lake") as bare:
        with pytest.raises(UsageError, match="schedule month_end: the lake has no calendar"):
            run(bare, Scheduled("month_end"))
        strategy = Scheduled("every 30")
        run(bare, strategy)
        assert [text for _, text in strategy.calls] == ["01-02", "02-14", "03-28"]


def test_a_calendar_that_ends_too_soon_is_an_error(con: DuckDBPyConnection) -> None:
    with pytest.raises(UsageError, match="the lake's calendar ends on 2024-04-08, before 2024-04-10"):
        run(con, Scheduled("month_end"), [*DAYS, number(date(2024, 4, 10))])


def test_rules_and_the_method_need_each_other(con: DuckDBPyConnection) -> None:
    class NoMethod(Strategy):
        schedule = "month_end"

        def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None: ...

    with pytest.raises(UsageError, match="NoMethod: there is no on_schedule"):
        run(con, NoMethod())
    with pytest.raises(UsageError, match="Scheduled: schedule is empty"):
        run(con, Scheduled(()))


class Universe(Strategy):
    """Records the listed symbols per day: those that trade, and all."""

    columns = ("is_listed", "listed_symbols")

    def __init__(self) -> None:
        self.listed: dict[date, list[str]] = {}
        self.all: dict[date, tuple[str, ...]] = {}

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None:
        assert self.all.setdefault(date, data.listed_symbols) is data.listed_symbols, "one object per day"
        if data.is_listed:
            self.listed.setdefault(date, []).append(symbol)


def test_the_universe_of_a_day_is_that_of_symbols_on() -> None:
    """BBB is listed from day 3 on; AAA leaves after day 4, which its bars do not say yet. DDD has no bars."""
    lines = [f"{symbol} {n} 10 10 10 10 100" for symbol in ("AAA", "BBB", "CCC") for n in range(2, 7)]
    with analytics.connect("no-lake") as con:
        con.register(SRC, table("\n".join(lines)))
        columns = dict.fromkeys(("name", "sector", "type", "exchange", "currency", "figi", "source"), "VARCHAR")
        columns |= {"renamed_from": "VARCHAR", "renamed_to": "VARCHAR", "listing_date": "DATE"}
        nulls = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in columns.items())
        con.execute(
            f"CREATE OR REPLACE TEMP VIEW metadata AS SELECT *, {nulls} FROM (VALUES "
            f"('AAA', DATE '{day(1)}', DATE '{day(9)}', DATE '{day(4)}'), ('BBB', DATE '{day(3)}', NULL, NULL), "
            f"('DDD', NULL, DATE '{day(5)}', NULL)) "
            "AS m (symbol, valid_from, valid_to, delisting_date)"
        )
        strategy = Universe()
        assert backtest(strategy, con=con, src=SRC, **FREE).error is None
        assert {number(day): symbols for day, symbols in strategy.listed.items()} == {
            2: ["AAA"], 3: ["AAA", "BBB"], 4: ["AAA", "BBB"], 5: ["BBB"], 6: ["BBB"],
        }  # fmt: skip
        for listed_on, symbols in strategy.listed.items():
            rows = con.execute(f"SELECT symbol FROM symbols_on('{listed_on}') ORDER BY symbol").fetchall()
            assert strategy.all[listed_on] == tuple(symbol for (symbol,) in rows)
            assert symbols == [symbol for (symbol,) in rows if symbol != "DDD"]
