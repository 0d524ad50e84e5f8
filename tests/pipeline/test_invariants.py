"""Properties of any sequence of fetches: one row per bar, the newest answer, no loss, no NaN, idempotent."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from duckdb import DuckDBPyConnection
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.sources.base import Answer, Source, Window
from stockstream.pipeline.steps.fetch_batch import run as fetch_batch
from tests.judging import judged

US = MARKETS["US"]
SESSIONS = [session.date() for session in US.schedule(2024).loc["2024-03-04":].index[:6]]
SYMBOLS = ("AAA", "BBB", "CCC")
NUMBERS = ("open", "high", "low", "close", "adjusted_close")
Key = tuple[str, date]
Row = dict[str, Any]
BLANK: Row = dict.fromkeys((*NUMBERS, "volume", "dividend", "split_ratio")) | {"price_basis": SESSIONS[-1]}
# Not shrunk: a failure is reported in seconds, and not after hundreds of runs.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
BOUNDS = examples(
    deadline=None,
    max_examples=examples.default.max_examples // 10,
    phases=PHASES,
    suppress_health_check=[HealthCheck.too_slow],
)


class Told(Source):
    """A source that returns its rows in one relation, also for symbols that were not requested."""

    name = "told"

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def fetch(self, con: DuckDBPyConnection, windows: Sequence[Window]) -> Iterator[Answer]:
        types = dict.fromkeys((*NUMBERS, "dividend", "split_ratio"), "DOUBLE")
        types |= {"symbol": "VARCHAR", "date": "DATE", "volume": "BIGINT", "price_basis": "DATE"}
        columns = ", ".join(f"CAST(row ->> '{name}' AS {kind}) AS {name}" for name, kind in types.items())
        told = json.dumps([{name: None if v is None else str(v) for name, v in row.items()} for row in self._rows])
        text = told.replace("'", "''")
        bars = con.sql(f"SELECT {columns} FROM (SELECT unnest(CAST('{text}' AS JSON[])) AS row)")
        yield Answer(tuple(window.symbol for window in windows), bars)


@dataclass
class Model:
    """The expected content of the lake: per bar the last answer with a close, otherwise the last one without.

    A row without a close that the next answer does not have is withdrawn.
    """

    rows: dict[Key, Row] = field(default_factory=dict)

    def tell(self, rows: Sequence[Row]) -> None:
        accepted = {(told["symbol"], told["date"]): told for told in rows if not is_silent(told)}
        self.rows = {key: row for key, row in self.rows.items() if row["close"] is not None or key in accepted}
        for key, told in accepted.items():
            row = judged(told)
            before = self.rows.get(key, {})
            if row["close"] is None and before.get("close") is not None:
                continue
            for name in ("dividend", "split_ratio"):  # a source that does not know them does not make us forget
                row[name] = before.get(name) if row[name] is None else row[name]
            if row["adjusted_close"] is None and row["close"] == before.get("close"):
                row["adjusted_close"] = before.get("adjusted_close")
            self.rows[key] = row

    @property
    def bars(self) -> dict[Key, Row]:
        return {key: row for key, row in self.rows.items() if row["close"] is not None}

    @property
    def pending(self) -> set[Key]:
        values = (*NUMBERS, "volume", "dividend", "split_ratio")
        return {
            key
            for key, row in self.rows.items()
            if row["close"] is None and any(row[name] is not None for name in values)
        }


def is_silent(told: Row) -> bool:
    row = {name: None if isinstance(x, float) and math.isnan(x) else x for name, x in told.items()}
    return (
        not any(row[name] is not None for name in ("open", "high", "low", "close"))
        and not row["volume"]
        and not row["dividend"]
        and row["split_ratio"] in (None, 1.0)
    )


def fetch(lake: Lake, number: int, rows: Sequence[Row]) -> dict[str, Any]:
    """Fetch as run number `number`, an hour after the run before, on the evening of the last session or later."""
    now = datetime(2024, 3, 12, 12, tzinfo=UTC) + timedelta(hours=number)
    event = {
        "symbols": list(SYMBOLS),
        "batchNumber": number % 2,
        "date": str(now.date()),
        "start": str(SESSIONS[0]),
        "end": str(SESSIONS[-1]),
    }
    return fetch_batch(event, lake, Told(rows), US, now)


def stored(lake: Lake, view: str = "bars") -> dict[Key, Row]:
    with lake.session() as con:
        rows = con.sql(f"FROM {view}")
        found = [dict(zip(rows.columns, row, strict=True)) for row in rows.fetchall()]
    assert len({(row["symbol"], row["date"]) for row in found}) == len(found), f"{view} has a bar twice"
    for row in found:
        assert all(math.isfinite(value) for value in row.values() if isinstance(value, float)), (view, row)
    return {(row["symbol"], row["date"]): row for row in found}


def assert_told(lake: Lake, expected: dict[Key, Row]) -> None:
    found = stored(lake)
    assert found.keys() == expected.keys()
    for key, row in expected.items():
        told = {name: value for name, value in row.items() if name != "price_basis"}
        assert {name: found[key][name] for name in told} == told


def files(lake: Lake) -> dict[str, str]:
    return lake.store.list("raw-data/")


price = st.one_of(st.none(), st.sampled_from([math.nan, math.inf, -math.inf, 10.0, 12.5]), st.floats(1, 1e6))
bar = st.fixed_dictionaries(
    {
        "symbol": st.sampled_from(SYMBOLS),
        "date": st.sampled_from(SESSIONS),
        **dict.fromkeys(NUMBERS, price),
        "volume": st.one_of(st.none(), st.integers(0, 10**12)),
        "dividend": st.sampled_from([None, math.nan, 0.0, 0.5]),
        "split_ratio": st.sampled_from([None, math.nan, 1.0]),
        "price_basis": st.just(SESSIONS[-1]),
    }
)
answer = st.lists(bar, max_size=12, unique_by=lambda row: (row["symbol"], row["date"]))


@given(st.lists(answer, min_size=1, max_size=5))
@BOUNDS
def test_the_lake_holds_what_was_told_last_and_forgets_nothing(answers: list[list[Row]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake, model = Lake(folder), Model()
        for number, rows in enumerate(answers):
            fetch(lake, number, rows)
            model.tell(rows)  # which never takes a bar away
            assert_told(lake, model.bars)
        assert stored(lake, "pending").keys() == model.pending
        for view in ("bars_adjusted", "bars_as_traded"):
            assert stored(lake, view).keys() == model.bars.keys()


@given(st.lists(st.lists(bar, max_size=12), min_size=1, max_size=3), st.randoms(use_true_random=False))
@BOUNDS
def test_the_same_fetch_again_writes_nothing(answers: list[list[Row]], shuffled: Any) -> None:
    """Also if a source returns two rows for a day, in any order."""
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(folder)
        for number, rows in enumerate(answers):
            fetch(lake, 2 * number, rows)
            before, held = files(lake), stored(lake)
            reordered = list(rows)
            shuffled.shuffle(reordered)
            result = fetch(lake, 2 * number + 1, reordered)
            assert (result["key"], result["rows"]) == (None, 0)
            assert files(lake) == before
            assert stored(lake) == held


@pytest.mark.parametrize(
    ("splits", "ratio", "told_late"),
    [
        pytest.param([3], 2.0, True, marks=pytest.mark.large),
        pytest.param([2, 3], 4.0, False, marks=pytest.mark.large),
        ([1, 4], 0.1, True),
    ],
)
def test_a_restated_history_is_the_last_told(splits: list[int], ratio: float, told_late: bool, tmp_path: Path) -> None:
    """After each split the source restates all earlier bars; if late, it lists the split only on the day after."""
    lake, number, listed = Lake(str(tmp_path)), 0, set[int]()
    for last in range(len(SESSIONS)):
        happened = {split for split in splits if split <= last}
        for known in (listed, happened) if told_late and happened != listed else (happened,):
            rows = [
                {
                    "symbol": "AAA",
                    "date": day,
                    **{
                        name: (100.0 + at) / ratio ** sum(split > at for split in happened)
                        for name in ("open", "high", "low", "close")
                    },
                    "adjusted_close": None,
                    "volume": 1000 + at,
                    "dividend": 0.0,
                    "split_ratio": ratio if at in known else 1.0,
                    "price_basis": SESSIONS[last],
                }
                for at, day in enumerate(SESSIONS[: last + 1])
            ]
            fetch(lake, number, rows)
            assert_told(lake, {("AAA", row["date"]): row for row in rows})
            number += 1
        listed = happened
        again = fetch(lake, number, rows)
        number += 1
        assert (again["key"], again["rows"]) == (None, 0)
    adjusted = stored(lake, "bars_adjusted")
    assert [adjusted["AAA", row["date"]]["close"] for row in rows] == pytest.approx([row["close"] for row in rows])


@given(st.lists(st.lists(st.sampled_from(SYMBOLS), unique=True), min_size=2, max_size=5))
@BOUNDS
def test_fewer_symbols_or_days_take_nothing_away(runs: list[list[str]]) -> None:
    """Each run adds one session, for some symbols only, without the sessions before."""
    with tempfile.TemporaryDirectory() as folder:
        lake, keys = Lake(folder), set[Key]()
        for number, symbols in enumerate(runs):
            day = SESSIONS[number]
            fetch(lake, number, [{**BLANK, "symbol": symbol, "date": day, "close": 10.0} for symbol in symbols])
            keys |= {(symbol, day) for symbol in symbols}
        assert stored(lake).keys() == keys


def test_a_correction_of_any_one_column_is_stored(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    row = {**BLANK, **dict.fromkeys(NUMBERS, 10.0), "symbol": "AAA", "date": SESSIONS[0], "volume": 5}
    fetch(lake, 0, [row])
    corrections = {"high": 12.5, "open": 11.0, "close": 11.5, "low": 9.5, "adjusted_close": 12.5}
    corrections |= {"volume": 6, "dividend": 12.5, "split_ratio": 12.5}
    for number, (column, value) in enumerate(corrections.items(), start=1):
        row[column] = value
        assert fetch(lake, number, [row])["rows"] == 1, column
        assert_told(lake, {("AAA", SESSIONS[0]): row})


@pytest.mark.large
def test_of_two_rows_for_a_day_the_same_wins_in_either_order(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for number, column in enumerate((*NUMBERS, "volume", "dividend", "split_ratio")):
        one = {**BLANK, **dict.fromkeys(NUMBERS, 10.0), "symbol": "AAA", "date": SESSIONS[number % 6], "volume": 5}
        two = {**one, column: 6}
        fetch(lake, 3 * number, [one, two])
        assert fetch(lake, 3 * number + 1, [two, one])["rows"] == 0, column
        assert fetch(lake, 3 * number + 2, [one, two])["rows"] == 0, column


def test_the_session_still_open_and_days_not_asked_for_are_not_stored(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    now = datetime(2024, 3, 6, 20, 59, tzinfo=UTC)  # New York closes at 21:00 UTC; SESSIONS[2] is that day
    rows = [{**BLANK, "symbol": "AAA", "date": day, "close": 10.0} for day in SESSIONS]
    event = {"symbols": ["AAA"], "date": "2024-03-06", "start": str(SESSIONS[1])}
    result = fetch_batch(event, lake, Told(rows), US, now)
    assert list(stored(lake)) == [("AAA", SESSIONS[1])]
    assert result["open_session"] == 4
    result = fetch_batch(event, lake, Told(rows), US, now + timedelta(hours=1))
    assert (result["last_date"], result["open_session"]) == (str(SESSIONS[2]), 3)
    assert max(stored(lake)) == ("AAA", SESSIONS[2])


def test_a_run_for_a_past_day_does_not_shorten_the_calendar(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.prepare(US, date.today())
    calendar = stored_calendar(lake)
    lake.prepare(US, date(2013, 3, 1))
    assert stored_calendar(lake) == calendar
    assert calendar[-1].year == date.today().year + 1


def stored_calendar(lake: Lake) -> list[date]:
    with lake.session() as con:
        return [day for (day,) in con.sql("SELECT date FROM sessions ORDER BY date").fetchall()]
