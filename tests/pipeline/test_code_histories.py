"""A code that one company after the other has had: no split or dividend crosses from one to the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from duckdb import DuckDBPyConnection

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.sources.base import Answer, Source, Window
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.pipeline.steps.fetch_batch import run as fetch_batch
from stockstream.pipeline.steps.fetch_metadata import run as fetch_metadata

US = MARKETS["US"]
EARLIER, LATER = (date(2015, 3, 2), date(2015, 3, 3)), (date(2019, 3, 4), date(2019, 3, 5), date(2019, 3, 6))
SPLIT, DIVIDEND = LATER[1], LATER[2]


class AsTraded(Source):
    """Bars of 100, 4 for 1 on the second day of the later ones, and a dividend of 5 on the third."""

    name = "vendor"

    def __init__(self, days: Sequence[date]) -> None:
        self.days = days

    def fetch(self, con: DuckDBPyConnection, windows: Sequence[Window]) -> Iterator[Answer]:
        for window in windows:
            rows = [
                f"('{window.symbol}', DATE '{day}', {25.0 if day >= SPLIT and self.days != EARLIER else 100.0}, 1000, "
                f"{4.0 if day == SPLIT else 1.0}, {5.0 if day == DIVIDEND else 0.0}, DATE '{day}')"
                for day in self.days
            ]
            names = "symbol, date, close, volume, split_ratio, dividend, price_basis"
            yield Answer((window.symbol,), con.sql(f"FROM (VALUES {', '.join(rows)}) AS t ({names})"))


def lake_of(folder: Path, days: Sequence[date], silver: bool) -> Lake:
    lake = Lake(str(folder))
    lake.prepare(US, days[-1])
    event: Any = {"symbols": ["X", "Y"], "date": "2022-03-08", "batchNumber": 0, "start": "2010-01-01"}
    fetch_batch(event, lake, AsTraded(days), US, datetime(2022, 3, 9, tzinfo=UTC))
    if silver:
        consolidate({}, lake)
    return lake


def closes(lake: Lake, view: str, symbol: str = "X") -> list[float]:
    with lake.session() as con:
        return [
            row[0] for row in con.sql(f"SELECT close FROM {view} WHERE symbol = '{symbol}' ORDER BY date").fetchall()
        ]


@pytest.mark.parametrize("silver", [False, True], ids=["batch files", "silver"])
def test_two_years_without_a_bar_end_a_history(tmp_path: Path, silver: bool) -> None:
    lake = lake_of(tmp_path, [*EARLIER, *LATER], silver)
    with lake.session() as con:
        assert con.sql("FROM code_histories WHERE symbol = 'X' ORDER BY history_from").fetchall() == [
            ("X", date(1, 1, 1), date(2019, 1, 1)),
            ("X", date(2019, 1, 1), date(9999, 12, 31)),
        ]
    assert closes(lake, "bars_split_adjusted") == [100.0, 100.0, 25.0, 25.0, 25.0]
    assert closes(lake, "bars_adjusted") == pytest.approx([100.0, 100.0, 20.0, 20.0, 25.0], rel=1e-12)
    assert closes(lake, "bars_as_traded") == [100.0, 100.0, 100.0, 25.0, 25.0]


def test_a_shorter_gap_ends_none(tmp_path: Path) -> None:
    lake = lake_of(tmp_path, [date(2017, 3, 2), *LATER], silver=False)
    with lake.session() as con:
        assert con.sql("FROM code_histories").fetchall() == []
    assert closes(lake, "bars_split_adjusted") == [25.0] * 4


@pytest.mark.parametrize(("name", "is_other"), [("New Corp", True), ("Old Ltd", False)])
def test_the_lists_of_companies_decide(tmp_path: Path, name: str, is_other: bool) -> None:
    """X leaves the lists in 2018 and returns a year later; Y stays."""
    lake = lake_of(tmp_path, [date(2018, 3, 2), *LATER], silver=False)
    for day, company in (("2018-01-02", "Old Ltd"), ("2018-06-01", None), ("2019-02-01", name)):
        rows = ["symbol,name,sector,market_cap", "Y,Same,,", *([f"X,{company},,"] if company else [])]
        lake.store.put(f"symbols/{day}-symbols.csv", ("\n".join(rows) + "\n").encode(), replaces=None)
    consolidate({}, lake)
    fetch_metadata({}, lake, None, US)
    with lake.session() as con:
        histories = con.sql("SELECT history_from FROM code_histories ORDER BY ALL").fetchall()
    assert histories == ([(date(1, 1, 1),), (date(2018, 6, 1),)] if is_other else [])
    assert closes(lake, "bars_split_adjusted") == [100.0 if is_other else 25.0, 25.0, 25.0, 25.0]
    assert closes(lake, "bars_split_adjusted", "Y") == [25.0] * 4


def test_an_answer_for_the_later_company_does_not_reach_back(tmp_path: Path) -> None:
    """Bars of the earlier company whose prices are of the time of the later one: its later splits are not theirs."""
    lake = lake_of(tmp_path, [*EARLIER, *LATER], silver=False)
    with lake.session() as con:
        assert con.sql(
            "SELECT count(*) FROM split_factors WHERE symbol = 'X' AND history_from = DATE '0001-01-01'"
        ).fetchall() == [(0,)]
