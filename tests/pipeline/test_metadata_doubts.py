"""The views `reused_symbols` and `unlinked_symbols`: what lists of companies do not show, and what they do."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from stockstream.pipeline.lake import Lake, no_files
from stockstream.sql.loader import views_for
from stockstream.sql.session import connect
from tests.pipeline.test_metadata import ALPHA, BETA, DAYS, Companies, Entry, merged, put
from tests.pipeline.test_metadata_command import lake as lake
from tests.pipeline.test_metadata_command import run

BHP = {"BHP": Entry("BHP GROUP LIMITED")}


def rows(lake: Lake, sql: str) -> list[tuple[Any, ...]]:
    files = views_for("views/reused_symbols", "views/unlinked_symbols")
    with connect(lake.uri, file_filter=no_files, only=files) as con:
        return con.sql(sql).fetchall()


def history(folder: Path, *lists: Companies) -> Lake:
    lake = Lake(str(folder))
    for day, companies in zip(DAYS, lists, strict=False):
        put(lake, day, {**BHP, **companies})
    merged(lake)
    return lake


REUSED = "SELECT symbol, date, name, previous_name, previous_until, evidence FROM reused_symbols ORDER BY symbol"


def test_a_code_that_another_company_takes_over_is_two_histories(tmp_path: Path) -> None:
    lake = history(
        tmp_path,
        {
            "GAP": Entry("FIRST LTD"),
            "OLD": Entry("MOVER LTD"),
            "IPO": Entry("THIRD LTD", listing_date=date(2000, 1, 3)),
        },
        {"NEW": Entry("MOVER LIMITED"), "IPO": Entry("FOURTH LTD", listing_date=DAYS[1])},
        {"NEW": Entry("MOVER LIMITED"), "GAP": Entry("SECOND NL"), "OLD": Entry("TAKER LTD")},
    )
    assert rows(lake, REUSED) == [
        ("GAP", DAYS[2], "SECOND NL", "FIRST LTD", DAYS[1], "gap"),
        ("IPO", DAYS[1], "FOURTH LTD", "THIRD LTD", DAYS[1], "listing date"),
        ("OLD", DAYS[2], "TAKER LTD", "MOVER LTD", DAYS[1], "code change"),
    ]


def test_a_company_that_stays_is_one_history(tmp_path: Path) -> None:
    """Another name from one list to the next, a suspension under the same name, a correction of the listing date."""
    lake = history(
        tmp_path,
        {"A": Entry("OLD NAME LTD"), "B": Entry("BETA LTD"), "C": Entry("GAMMA", listing_date=date(2000, 1, 3))},
        {"A": Entry("NEW NAME LTD"), "C": Entry("GAMMA LTD", listing_date=date(2000, 1, 4))},
        {"A": Entry("NEW NAME LTD"), "B": Entry("BETA LIMITED."), "C": Entry("GAMMA", "Energy")},
    )
    assert rows(lake, REUSED) == []


def test_a_code_change_to_a_holding_company_is_linked_by_the_name(tmp_path: Path) -> None:
    """Lists without listing dates, as those of most exchanges, have nothing but the name."""
    lake = history(tmp_path, {"ZIP": Entry("ZIP CO LIMITED")}, {"Z1P": Entry("ZIP Holdings Ltd.")})
    assert rows(lake, "SELECT symbol, renamed_to FROM metadata WHERE renamed_to IS NOT NULL") == [("ZIP", "Z1P")]
    assert rows(lake, "FROM unlinked_symbols") == []


def test_symbols_that_may_be_code_changes_are_listed(tmp_path: Path) -> None:
    lake = history(
        tmp_path,
        {"A": Entry("ONE"), "B": Entry("TWO"), "C": Entry("THREE", listing_date=date(2000, 1, 3)), "E": Entry("FIVE")},
        {
            "X": Entry("UNO"),
            "B": Entry("TWO"),
            "C": Entry("THREE", listing_date=date(2000, 1, 3)),
            "F": Entry("FIVE"),
        },
        {"X": Entry("UNO"), "Y": Entry("SIX", listing_date=DAYS[2]), "B": Entry("TWO"), "F": Entry("FIVE")},
        {
            "X": Entry("UNO"),
            "Y": Entry("SIX", listing_date=DAYS[2]),
            "B": Entry("TWO"),
            "F": Entry("FIVE"),
            "Z": Entry("NEW"),
        },
    )
    assert rows(lake, "SELECT symbol, date, name, may_be FROM unlinked_symbols") == [("X", DAYS[1], "UNO", ["A"])]


def test_the_command_says_what_is_not_certain(lake: Lake) -> None:
    put(lake, DAYS[0], {**BHP, "A": ALPHA, "B": BETA})
    put(lake, DAYS[1], {**BHP, "C": Entry("SOMETHING ELSE"), "B": BETA})
    put(lake, DAYS[2], {**BHP, "C": Entry("SOMETHING ELSE"), "A": Entry("ANOTHER")})
    shown = run().stdout
    assert (
        "2 symbols appeared when others disappeared, and the lists do not show whether these are code changes" in shown
    )
    assert "1 symbols were taken over by another company: FROM reused_symbols" in shown
