"""Rows are judged at the door: no view has a number that cannot be; each is in quarantine, the rest is published."""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from duckdb import DuckDBPyConnection
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.events import VacuumEvent
from stockstream.pipeline.generations import head
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.runner import run
from stockstream.pipeline.sources import open_source
from stockstream.pipeline.sources.base import Answer, Window
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.pipeline.steps.fetch_batch import run as fetch_batch
from stockstream.pipeline.steps.rollback import run as rollback
from stockstream.pipeline.steps.summarise import quarantine_lines, summarised
from stockstream.pipeline.steps.vacuum import run as vacuum
from tests.judging import PRICES, judged
from tests.pipeline.test_invariants import BLANK, BOUNDS, NUMBERS, SESSIONS, SYMBOLS, US, Row, Told, stored

DAY = SESSIONS[0]
VALUES = (*NUMBERS, "volume", "dividend", "split_ratio")


class Files(Told):
    """A source of which the absence of a row says nothing, with text that could not be read."""

    name = "told"
    basis_is_declared = True

    def __init__(self, rows: Sequence[Row], cells: Sequence[str] = ()) -> None:
        super().__init__(rows)
        self._cells = cells

    def fetch(self, con: DuckDBPyConnection, windows: Sequence[Window]) -> Iterator[Answer]:
        (answer,) = super().fetch(con, windows)
        cells = ", ".join(
            f"('AAA', DATE '{DAY}', 'high', '{text}', 'not a number', 'a.csv', 7)" for text in self._cells
        )
        columns = "symbol, date, column_name, text, reason, file, line"
        unread = con.sql(f"FROM (VALUES {cells}) AS c ({columns})") if cells else None
        yield Answer(answer.symbols, answer.bars, cells=unread)


def bar(symbol: str = "AAA", day: date = DAY, close: float | None = 10.0, **other: Any) -> Row:
    return {**BLANK, **dict.fromkeys(PRICES, close), "symbol": symbol, "date": day, "volume": 5, **other}


def fetch(lake: Lake, number: int, rows: Sequence[Row], *cells: str, declared: bool = False) -> dict[str, Any]:
    now = datetime(2024, 3, 12, 12, tzinfo=UTC) + timedelta(hours=number)
    event = {"symbols": list(SYMBOLS), "batchNumber": 0, "date": str(now.date())}
    event |= {"start": str(SESSIONS[0]), "end": str(SESSIONS[-1])}
    source = Files(rows, cells) if declared or cells else Told(rows)
    return fetch_batch(event, lake, source, US, now)


def quarantined(lake: Lake) -> list[tuple[Any, ...]]:
    with lake.session() as con:
        return con.sql(
            "SELECT symbol, date, column_name, text FROM quarantine ORDER BY symbol, date, column_name, text"
        ).fetchall()


def names(lake: Lake) -> set[str]:
    return {*lake.store.list("raw-data/"), *lake.store.list("quarantine/")}


def test_a_zero_beside_a_close_means_none(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    result = fetch(lake, 0, [bar(open=0.0, high=0.0, low=0.0), bar("BBB")])
    found = stored(lake)
    assert [found["AAA", DAY][name] for name in PRICES] == [None, None, None, 10.0]
    assert quarantined(lake) == [("AAA", DAY, name, "0.0") for name in ("high", "low", "open")]
    groups = [(one["column_name"], one["values"], one["is_loss"]) for one in result["quarantined"]]
    assert groups == [("high", 1, False), ("low", 1, False), ("open", 1, False)]
    assert "AAA" in result["quarantined"][0]["first"]
    assert [row["open"] for row in raw(lake) if row["symbol"] == "AAA"] == [0.0]


def raw(lake: Lake) -> list[Row]:
    with lake.session() as con:
        rows = con.sql("FROM raw_bars ORDER BY fetch_timestamp, symbol, date")
        return [dict(zip(rows.columns, row, strict=True)) for row in rows.fetchall()]


def test_one_impossible_row_does_not_stop_the_others(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    result = fetch(lake, 0, [bar(close=0.0), bar("BBB", volume=-1), bar("CCC", volume=2**31 - 1)])
    assert consolidate({}, lake)["rows"] == 3
    assert {(key[0], row["volume"]) for key, row in stored(lake).items()} == {("BBB", None), ("CCC", None)}
    assert [row[2:] for row in quarantined(lake) if row[0] != "AAA"] == [("volume", "-1"), ("volume", "2147483647")]
    assert [one["column_name"] for one in result["quarantined"] if one["is_loss"]] == ["close"]
    assert stored(lake, "pending").keys() == {("AAA", DAY)}


@pytest.mark.parametrize("declared", [pytest.param(False, marks=pytest.mark.large), True])
@pytest.mark.parametrize("consolidated", [False, True])
def test_a_later_answer_withdraws_a_row_that_was_held_back(declared: bool, consolidated: bool, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    fetch(lake, 0, [bar(close=0.0, volume=0), bar("BBB")], declared=declared)
    if consolidated:
        consolidate({}, lake)
    assert quarantined(lake)
    fetch(lake, 1, [bar("BBB")], declared=declared)
    assert bool(quarantined(lake)) == declared  # a person's file that lacks a day says nothing about it
    fetch(lake, 2, [bar(close=None, volume=0), bar("BBB")], declared=declared)
    assert (quarantined(lake), stored(lake, "pending")) == ([], {})
    before = names(lake)
    assert fetch(lake, 3, [bar(close=None, volume=0), bar("BBB")], declared=declared)["rows"] == 0
    assert names(lake) == before
    consolidate({}, lake)
    assert stored(lake).keys() == {("BBB", DAY)}
    fetch(lake, 4, [bar(close=11.0)], declared=declared)
    assert stored(lake)["AAA", DAY]["close"] == 11.0


def test_a_bar_is_never_withdrawn(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    fetch(lake, 0, [bar()])
    for number, rows in enumerate(([], [bar(close=None, volume=0)], [bar(close=0.0)]), start=1):
        fetch(lake, number, rows)
        assert stored(lake)["AAA", DAY]["close"] == 10.0
    assert [row[2] for row in quarantined(lake)] == ["close", "high", "low", "open"]
    fetch(lake, 4, [bar()])
    assert quarantined(lake) == []


def test_text_that_could_not_be_read_is_kept_once(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    result = fetch(lake, 0, [bar(high=None)], "12,5o")
    assert [(one["values"], one["is_loss"]) for one in result["quarantined"]] == [(1, True)]
    assert result["quarantined"][0]["first"] == f"AAA {DAY} '12,5o' in a.csv, line 7"
    before = names(lake)
    again = fetch(lake, 1, [bar(high=None)], "12,5o")
    assert (again["rows"], again["quarantined"], names(lake)) == (0, result["quarantined"], before)
    assert quarantined(lake) == [("AAA", DAY, "high", "12,5o")]
    fetch(lake, 2, [bar(high=None)], declared=True)  # the file was corrected: the cell is empty
    assert quarantined(lake) == []


def test_rows_of_a_day_that_differ(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    rows = [bar(high=11.0), bar(high=12.0), bar("BBB"), bar("BBB"), bar("CCC", close=9.0), bar("CCC", close=9.5)]
    rows.append(bar("BBB", close=None, volume=7))
    result = fetch(lake, 0, rows)
    found = stored(lake)
    assert found.keys() == {("AAA", DAY), ("BBB", DAY)}
    assert [found["AAA", DAY][name] for name in PRICES] == [10.0, None, 10.0, 10.0]
    assert found["BBB", DAY]["volume"] == 5
    lost = {(row[0], row[2], row[3]) for row in quarantined(lake)}
    assert ("AAA", "high", "11.0; 12.0") in lost
    assert ("CCC", "close", "9.0; 9.5") in lost
    assert not any(symbol == "BBB" for symbol, *_ in lost)
    assert {one["reason"] for one in result["quarantined"]} == {"2 rows of this day differ"}
    assert all(one["is_loss"] for one in result["quarantined"])
    before = names(lake)
    assert fetch(lake, 1, rows[::-1])["rows"] == 0
    assert names(lake) == before


ZEROS = """symbol,date,open,high,low,close,volume
3PL,2022-05-02,1.53,1.55,1.47,1.55,533459
3PL,2022-05-04,0,0,0,1.55,591990
3PL,2022-05-05,1.53,1.545,1.53,1.545,334
3PL,2022-05-06,1.545,1.545,1.545,1.545,361353
3PL,2022-05-09,0,0,0,1.545,300000
3PL,2022-05-10,1.545,1.545,1.545,1.545,32
3PL,2022-05-11,0,0,0,1.545,294008
3PL,2022-05-13,1.545,1.545,1.545,1.545,473
"""


def test_a_file_with_zeros_through_the_whole_pipeline(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(ZEROS)
    source = open_source(f"files:{tmp_path}/x.csv", MARKETS["ASX"], settings(), prices="as-traded")
    lake = Lake(str(tmp_path / "lake"))
    result = run(lake, source, MARKETS["ASX"], start=date(1900, 1, 1), end=date.max)
    assert (result["status"], sum(one["values"] for one in result["quarantined"])) == ("complete", 9)
    with lake.session() as con:
        lows = con.sql("SELECT low FROM bars_weekly ORDER BY date").fetchall()
        ranges = con.sql("SELECT atr FROM atr('bars', 2) WHERE date = DATE '2022-05-06'").fetchall()
    assert lows == [(1.47,), (1.545,)]
    assert ranges == [(pytest.approx(0.01),)]


def test_a_summary_adds_up_the_values_of_all_batches(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    batches: Any = [fetch(lake, 0, [bar(high=None)], "12,5o"), fetch(lake, 1, [bar(low=0.0)], "12,5o", "x")]
    before: Any = {key: value for key, value in batches[0].items() if key != "quarantined"}  # of an earlier version
    summary = summarised([*batches, before], None, lake, "told", US, str(DAY), {}, {}, ["a.csv: Bid is not used"])
    groups = [(one["column_name"], one["values"], one["is_loss"]) for one in summary["quarantined"]]
    assert (summary["status"], summary["notes"]) == ("partial", ["a.csv: Bid is not used"])
    assert groups == [("high", 3, True), ("low", 1, False)]
    assert quarantine_lines(summary["quarantined"]) == [
        f"3 high not stored: not a number; the first: AAA {DAY} '12,5o' in a.csv, line 7",
        f"1 low left empty: not above 0; the first: AAA {DAY} '0.0'",
    ]


def test_a_vacuum_keeps_the_quarantine(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    fetch(lake, 0, [bar(high=None), bar("BBB", low=0.0)], "12,5o")
    consolidate({}, lake)
    before = quarantined(lake)
    event: VacuumEvent = {"delete": True, "raw": "archive", "raw_older_than_days": 0.0, "retention_hours": 1.0}
    assert vacuum(event, lake)["raw"]["files"] == 1
    assert quarantined(lake) == before
    assert len(before) == 2
    with lake.session() as con:
        assert con.sql("SELECT low FROM raw_bars WHERE symbol = 'BBB'").fetchall() == [(0.0,)]


def test_days_that_were_not_requested_are_not_judged(tmp_path: Path) -> None:
    result = fetch(Lake(str(tmp_path)), 0, [bar(day=date(2024, 1, 2), close=0.0), bar("XXX", close=0.0)])
    assert result["quarantined"] == []


def test_a_rollback_takes_judged_rows_out_of_quarantine(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    fetch(lake, 0, [bar()])
    consolidate({}, lake)
    fetch(lake, 1, [bar(day=SESSIONS[1], high=0.0)])
    assert len(quarantined(lake)) == 1
    rollback({"generation": head(lake).generation}, lake)
    assert quarantined(lake) == []


def test_silver_of_an_earlier_version_is_judged_by_the_next_consolidation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(str(tmp_path))
    fetch(lake, 0, [bar(high=0.0), bar("BBB")])
    consolidate({}, lake)
    generation = head(lake).generation
    consolidate({}, lake)
    assert head(lake).generation == generation  # the same rules: there is nothing to do
    monkeypatch.setattr("stockstream.pipeline.steps.consolidate.rules_version", lambda: "others")
    assert consolidate({}, lake)["compacted"]
    assert (head(lake).generation, head(lake).table("bars").sql["rules"]) == (generation + 1, "others")
    assert stored(lake)["AAA", DAY]["high"] is None


number = st.one_of(
    st.sampled_from([None, math.nan, math.inf, 0.0, -1.0, 99999.0, 2147483647.0, 9.995, 10.0, 10.01, 10.5, 0.1]),
    st.floats(9, 11, width=32),
    st.decimals(9, 11, places=2).map(float),
)
hostile = st.fixed_dictionaries(
    {
        "symbol": st.sampled_from(SYMBOLS[:2]),
        "date": st.sampled_from(SESSIONS[:2]),
        **dict.fromkeys(PRICES, number),
        "adjusted_close": st.sampled_from([None, -1.0, 10.0]),
        "volume": st.sampled_from([None, -5, 0, 7, 2**31 - 1, 2**63 - 1]),
        "dividend": st.sampled_from([None, -0.5, 0.0, 0.5]),
        "split_ratio": st.sampled_from([None, -2.0, 0.0, 1.0]),
        "price_basis": st.just(SESSIONS[-1]),
    }
)


FEW = examples(BOUNDS, max_examples=max(5, BOUNDS.max_examples // 4))


@given(st.lists(st.lists(hostile, max_size=6, unique_by=lambda row: (row["symbol"], row["date"])), max_size=3))
@FEW
def test_no_view_has_what_cannot_be_and_each_is_in_quarantine(answers: list[list[Row]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(folder)
        for number, rows in enumerate(answers):
            fetch(lake, 2 * number, rows)
            before = names(lake)
            fetch(lake, 2 * number + 1, rows[::-1])
            assert names(lake) == before, "the same answer again has written something"
            if number == 1:
                consolidate({}, lake)
            for row in stored(lake, "latest_bars").values():
                assert judged(row) == row
            impossible = {
                (row["symbol"], row["date"], name)
                for row in rows
                for name in VALUES
                if judged(row)[name] is None and row[name] is not None and not math.isnan(row[name])
                if any(row[one] is not None and not math.isnan(row[one]) for one in PRICES) or row["volume"]
            }
            # A row whose close cannot be is held back: then the values of the row that stays are there, too.
            with lake.session() as con:
                held = con.sql("SELECT symbol, date, column_name, fetch_timestamp, file FROM quarantine").fetchall()
            assert len(held) == len(set(held)), "a value is in quarantine twice"
            assert impossible <= {row[:3] for row in held}
            closes = {(row["symbol"], row["date"]): judged(row)["close"] for row in rows}
            found = stored(lake)
            for key, close in itertools.chain(closes.items()):
                assert close is None or found[key]["close"] == close
