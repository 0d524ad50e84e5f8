"""Rows at the limits of each check: the last one that is bad, and the first one that is not.

`make mutate` runs these rows, and PLANTS of test_checks.py, against changed copies of each check.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from duckdb import DuckDBPyConnection

from stockstream.pipeline.checks import FOLDER, described, find, run_checks
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.sql.loader import HOME
from stockstream.sql.session import set_silver, set_variable, silver_of
from tests.sql.test_checks import (
    DAYS,
    FIRST,
    LATER,
    NEW,
    PLANTED,
    ROW,
    Plant,
    bar,
    clean,
    filled,
    fresh,
    silver,
    silver_with,
    store,
)

__all__ = ["clean", "filled"]


@dataclass(frozen=True)
class Boundary:
    """Rows for a check, and what it must find in them, which may be nothing."""

    name: str
    plant: Plant
    bad: Sequence[str]
    set_up: Callable[[DuckDBPyConnection], Any] | None = None
    """What a step would do on the connection before it runs the check."""


WITHOUT = "FROM silver_bars WHERE NOT (symbol = '{}' AND date = DATE '{}')"
THIRD = f"AAA {DAYS[2]}"
STORED = f"{THIRD} raw-data/2024-01-19-batch-0.parquet close 10.0 of {FIRST}"
NULLABLE = ("volume", "open", "high", "low", "adjusted_close", "dividend", "split_ratio", "source")


def cut(day: date, *restated: str) -> Callable[[DuckDBPyConnection], None]:
    """Return a function that sets what a consolidation sets: the last day of base, and the restated symbols."""

    def set_up(con: DuckDBPyConnection) -> None:
        base, delta, _ = silver_of(con, "bars")
        set_silver(con, {"bars": (base, delta, restated)})
        set_variable(con, "cut", day)

    return set_up


def nulls_and(column: str, value: str) -> Plant:
    """Return a function that consolidates a row with NULL in all columns, and plants a value in silver."""

    def plant(lake: Lake) -> None:
        store(lake, [bar("NUL", DAYS[2], **dict.fromkeys(NULLABLE))], "2024-01-22-batch-0")
        consolidate({}, lake)
        silver_with(column, value, "NUL")(lake)

    return plant


def files_of_dates(lake: Lake) -> None:
    for number, kind in enumerate(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")):
        store(lake, [ROW], f"2024-02-01-batch-{number}", f"* REPLACE (date::{kind} AS date)")


NULLS = "raw-data/2024-01-22-batch-0.parquet"
BOUNDARIES = [
    # An impossible bar: 0 is no negative number, and each price is looked at.
    Boundary("bars__price_sanity", fresh(bar("AAA", NEW, 0.5, open=0.0, high=0.0, low=0.0, volume=0)), []),
    *(
        Boundary("bars__price_sanity", silver_with(column, "'nan'"), [f"{THIRD} a price is no finite number"])
        for column in ("open", "high", "low")
    ),
    *(
        Boundary("bars__price_sanity", silver_with(column, "0.0"), [f"{THIRD} {column} is 0.0"])
        for column in ("open", "high", "low")
    ),
    Boundary("bars__price_sanity", fresh(bar("AAA", NEW, 0.5)), []),
    # Days before the first session of the calendar and after its last one are not known to be without session.
    Boundary("bars__no_session", fresh(bar("AAA", date(1949, 6, 11)), bar("AAA", date(2099, 6, 13))), []),
    # The smallest ratio that is judged is 3:2.
    Boundary(
        "bars__split_step",
        fresh(bar("SPL", DAYS[0], 10.0), bar("SPL", DAYS[1], 10.0, price_basis=DAYS[0]), bar("SPL", DAYS[2], 5.0)),
        [],
    ),
    Boundary(
        "bars__split_step",
        fresh(bar("SPL", DAYS[0], 200.0, price_basis=DAYS[1]), bar("SPL", DAYS[1], 100.0, split_ratio=2.0)),
        [
            f"SPL {DAYS[1]} the close of {DAYS[0]} is 2 times that of {DAYS[1]} in today's shares, about the step of a "
            "split 2: older prices are not restated"
        ],
    ),
    # A suspicious bar: on the limits, and outside of each alone.
    Boundary("bars__price_suspicious", fresh(bar("AAA", NEW, 99.0), bar("BBB", NEW, 1.01)), []),
    Boundary(
        "bars__price_suspicious",
        fresh(bar("AAA", NEW, 105.0)),
        [
            f"AAA {NEW} adjusted close 105 is 10 times the 10.5 before",
        ],
    ),
    # Numbers of bars: NULL is wrong, a pending row has no number, and rows up to the cut are not visible.
    Boundary(
        "bars__numbering",
        silver_with("bar_no", "NULL"),
        [
            f"{THIRD} bar_no NULL, not 2; prev_close 10.0, not 10.0",
            f"AAA {DAYS[3]} bar_no 3, not 0; prev_close 10.0, not 10.0",
        ],
    ),
    Boundary(
        "bars__numbering", silver_with("prev_close", "NULL"), [f"{THIRD} bar_no 2, not 2; prev_close NULL, not 10.0"]
    ),
    Boundary(
        "bars__numbering",
        silver_with("close", "NULL"),
        [f"AAA {DAYS[3]} bar_no 3, not 2; prev_close 10.0, not 10.0"],
    ),
    *(
        Boundary("bars__numbering", silver(WITHOUT.format("AAA", DAYS[0])), bad, set_up)
        for first in [f"AAA {DAYS[1]} bar_no 1, not 0; prev_close 10.0, not NULL"]
        for bad, set_up in (
            ([], cut(DAYS[0])),
            ([], cut(date(1, 1, 2))),
            ([first], cut(date(1, 1, 1))),
            ([first], cut(DAYS[0], "AAA")),
            ([], cut(DAYS[0], "BBB")),
        )
    ),
    Boundary(
        "bars__numbering",
        silver_with("prev_close", "9.5"),
        [f"{THIRD} bar_no 2, not 2; prev_close 9.5, not 10.0"],
        cut(DAYS[0]),
    ),
    # Silver against raw: each column decides, and NULL is less than any value.
    *(
        Boundary("bars__silver_against_raw", silver_with(column, "NULL"), [f"{STORED} is in silver as 10.0 of {FIRST}"])
        for column in ("volume", "price_basis", *NULLABLE[1:])
    ),
    Boundary(
        "bars__silver_against_raw", silver_with("fetch_timestamp", "NULL"), [f"{STORED} is in silver as 10.0 of "]
    ),
    *(
        Boundary(
            "bars__silver_against_raw",
            nulls_and(column, "'a'" if column == "source" else "5"),
            [f"NUL {DAYS[2]} {NULLS} close 10.0 of {FIRST} is in silver as 10.0 of {FIRST}"],
        )
        for column in NULLABLE
    ),
    Boundary(
        "bars__silver_against_raw",
        silver(WITHOUT.format("CCC", DAYS[8])),
        [f"CCC {DAYS[8]} raw-data/2024-01-20-batch-1.parquet close NULL of {LATER} is not in silver"],
    ),
    # Missing sessions: half of the symbols are not most of them; the last year begins after the day a year before.
    Boundary(
        "bars__missing_sessions",
        fresh(bar("BBB", DAYS[8]), *(bar(symbol, NEW) for symbol in ("AAA", "BBB", "CCC", "TEN"))),
        [f"{symbol} {DAYS[8]} 1 sessions without a bar, the last {DAYS[8]}" for symbol in ("CCC", "TEN")],
    ),
    Boundary(
        "bars__missing_sessions",
        fresh(bar("NEW", NEW), bar("NEW", date(2024, 1, 24))),
        ["2024-01-23 1 of 1 symbols have no bar"],
    ),
    Boundary(
        "bars__missing_sessions",
        fresh(bar("NEW", date(2024, 1, 24)), bar("ERA", date(2023, 1, 23)), bar("ERA", date(2023, 1, 25))),
        [],
    ),
    # Columns of files: an archive, a nested type, and all types of a date that read_raw converts.
    Boundary("files__schema", files_of_dates, []),
    Boundary(
        "files__schema",
        silver(f"SELECT * REPLACE (date::TIMESTAMP AS date) FROM read_parquet('{HOME}/schema/archive.parquet')", "raw"),
        [f"{PLANTED.format('raw')} date DATE is declared, TIMESTAMP found"],
    ),
    Boundary(
        "files__schema",
        silver("SELECT * REPLACE ({'price': open} AS open) FROM silver_bars"),
        [f"{PLANTED.format('bars')} open DOUBLE is declared, a nested type found"],
    ),
]


@pytest.mark.parametrize("one", BOUNDARIES, ids=lambda one: f"{one.name}, {', '.join(one.bad)[:40] or 'nothing'}")
def test_check_finds_the_last_bad_row_and_not_the_first_good_one(one: Boundary, clean: Lake) -> None:
    one.plant(clean)
    with clean.session(None, f"checks/{one.name}") as con:
        if one.set_up is not None:
            one.set_up(con)
        (finding,) = run_checks(con, find([FOLDER / f"{one.name}.sql"]))
    assert [described(row).replace(f"{clean.uri}/", "") for row in finding.rows] == list(one.bad)
