"""Consolidation: the views return the same rows, each once, in whatever order batches are fetched and merged."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from stockstream.pipeline.generation_history import history
from stockstream.pipeline.generations import head
from stockstream.pipeline.lake import CURRENT, Lake, manifest_key
from stockstream.pipeline.manifest import Manifest
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.steps import consolidate as module
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.pipeline.steps.fetch_batch import run as fetch_batch
from stockstream.pipeline.steps.resample import run as resample
from stockstream.sql.session import LakeWarning
from tests.pipeline.test_invariants import BLANK, NUMBERS, SYMBOLS, Row, Told

US = MARKETS["US"]
DAYS = [session.date() for session in US.schedule(2024).loc["2024-01-08":].index[:16]]
INTERVALS = ["3d", "5d", "weekly"]
BOUNDS = examples(
    deadline=None,
    max_examples=examples.default.max_examples // 15,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(autouse=True)
def _short_tail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start a base after a few days, and compact it soon."""
    monkeypatch.setattr(module, "TAIL", 6)
    monkeypatch.setattr(module, "OPEN", 2)
    monkeypatch.setattr(module, "LARGEST_DELTA", 1.0)
    monkeypatch.setattr(module, "LARGEST_RESTATED", 1.0)


def fetch(lake: Lake, number: int, rows: list[Row], through: date = date(2024, 2, 12)) -> None:
    """Store rows, of any days, as run number `number` on the evening of `through`."""
    now = datetime(through.year, through.month, through.day, 22, tzinfo=UTC) + timedelta(seconds=number)
    event = {"symbols": list(SYMBOLS), "batchNumber": number % 3, "date": str(now.date())}
    if lake.market() is None:
        lake.prepare(US, now.date())
    fetch_batch({**event, "start": "2020-01-01", "end": str(through)}, lake, Told(rows), US, now)


def row(symbol: str, day: date, close: float | None, split: float = 1.0) -> Row:
    prices = dict.fromkeys(NUMBERS, close)
    return {**BLANK, **prices, "symbol": symbol, "date": day, "volume": 100, "split_ratio": split, "price_basis": day}


def table(lake: Lake, query: str) -> list[tuple[Any, ...]]:
    with lake.session() as con:
        return con.sql(f"{query} ORDER BY ALL").fetchall()


BARS = "FROM latest_bars"
NUMBERED = """
    SELECT symbol, date, count(close) OVER before AS bar_no, last_value(close IGNORE NULLS) OVER before AS prev_close
    FROM latest_bars
    WINDOW before AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
"""
STORED_NUMBERS = "SELECT symbol, date, bar_no, prev_close FROM silver_bars"


def silver(lake: Lake) -> list[list[tuple[Any, ...]]]:
    """Return the rows of every silver table, after checking the numbers of the bars."""
    with lake.session() as con:
        numbered, stored = (con.sql(f"{query} ORDER BY ALL").fetchall() for query in (NUMBERED, STORED_NUMBERS))
        assert stored == numbered
        tables = ["silver_bars", *(f"bars_resampled('{name}')" for name in INTERVALS)]
        return [con.sql(f"FROM {name} ORDER BY ALL").fetchall() for name in tables]


told = st.lists(
    st.builds(
        row,
        st.sampled_from(SYMBOLS),
        st.sampled_from(DAYS),
        st.one_of(st.none(), st.sampled_from([10.0, 12.5, 20.0])),
        st.sampled_from([1.0, 1.0, 1.0, 2.0]),
    ),
    max_size=10,
    unique_by=lambda row: (row["symbol"], row["date"]),
)
days_of_all = st.builds(
    lambda day, close: [row(symbol, day, close + at) for at, symbol in enumerate(SYMBOLS)],
    st.sampled_from(DAYS),
    st.sampled_from([10.0, 11.0]),
)
history_first = [row(symbol, day, 10.0 + at) for symbol in SYMBOLS for at, day in enumerate(DAYS[:12])]


@given(st.lists(st.one_of(told, days_of_all), min_size=2, max_size=6), st.data())
@BOUNDS
def test_incremental_equals_full_and_views_are_right_between(runs: list[list[Row]], data: st.DataObject) -> None:
    """Random days, corrections, splits and answers without a close; silver is refreshed at random moments."""
    with tempfile.TemporaryDirectory() as folder:
        often, never = Lake(f"{folder}/often"), Lake(f"{folder}/never")
        for number, rows in enumerate([history_first, *runs]):
            for lake in (often, never):
                fetch(lake, number, rows)
            if number == 0 or data.draw(st.booleans()):
                consolidate({}, often)
                if data.draw(st.booleans()):
                    resample({"intervals": INTERVALS}, often)
            assert table(often, BARS) == table(never, BARS)
        for lake in (often, never):
            consolidate({}, lake)
            resample({"intervals": INTERVALS}, lake)
        held = silver(often)
        assert held == silver(never)
        assert consolidate({}, often)["generation"] is None
        assert resample({"intervals": INTERVALS}, often)["generation"] is None
        consolidate({"full": True}, often)
        resample({"intervals": INTERVALS}, often)
        assert silver(often) == held


def test_a_new_day_leaves_base_alone(lake_uri: str) -> None:
    lake = Lake(lake_uri)
    fetch(lake, 0, history_first)
    consolidate({}, lake)
    base = head(lake).table("bars").base
    assert [file.last_date for file in base] == [DAYS[5]]
    fetch(lake, 1, [row(symbol, DAYS[12], 30.0) for symbol in SYMBOLS])
    result = consolidate({}, lake)
    assert (result["compacted"], result["restated"], result["inputs"]) == (False, 0, 1)
    bars = head(lake).table("bars")
    assert (bars.base, bars.restated) == (base, ())
    assert table(lake, "SELECT bar_no, prev_close FROM silver_bars WHERE symbol = 'AAA'")[-1] == (12, 21.0)
    assert table(lake, "SELECT count(*), sum(close) FROM bars") == [(39, 3 * (sum(range(10, 22)) + 30.0))]


@pytest.mark.parametrize("what", ["corrected", "inserted", "split"])
def test_a_changed_past_moves_its_symbol_only(lake_uri: str, what: str) -> None:
    lake = Lake(lake_uri)
    fetch(lake, 0, [r for r in history_first if (r["symbol"], r["date"]) != ("BBB", DAYS[1])])
    consolidate({}, lake)
    new = {
        "corrected": row("BBB", DAYS[2], 99.0),
        "inserted": row("BBB", DAYS[1], 99.0),
        "split": row("BBB", DAYS[12], 5.0, split=2.0),
    }[what]
    fetch(lake, 1, [new])
    consolidate({}, lake)
    bars = head(lake).table("bars")
    assert bars.restated == ("BBB",)
    assert bars.delta[0].first_date == DAYS[0]
    assert table(lake, STORED_NUMBERS) == table(lake, NUMBERED)
    assert table(lake, "SELECT count(*) FROM bars WHERE close = " + str(new["close"])) == [(1,)]


def test_delta_that_has_outgrown_is_taken_into_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_DELTA", 0.2)
    lake = Lake(str(tmp_path))
    fetch(lake, 0, history_first)
    consolidate({}, lake)
    written = []
    for at, day in enumerate(DAYS[12:], start=1):
        fetch(lake, at, [row(symbol, day, 30.0) for symbol in SYMBOLS])
        result = consolidate({}, lake)
        written.append("all" if result["compacted"] else "a tier" if result["sealed"] else "delta")
    assert written == ["delta", "a tier", "delta", "all"]
    assert head(lake).table("bars").through == DAYS[-7]
    assert table(lake, STORED_NUMBERS) == table(lake, NUMBERED)


def test_an_answer_fetched_before_what_is_consolidated_does_not_win(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    fetch(lake, 5, [row("AAA", DAYS[0], 20.0)])
    consolidate({}, lake)
    late = Lake(str(tmp_path / "late"))  # another machine fetched earlier, and its file arrives only now
    fetch(late, 1, [row("AAA", DAYS[0], 10.0), row("AAA", DAYS[1], 11.0)])
    (key,) = late.store.list("raw-data/")
    lake.store.put(key, late.store.get(key).data, replaces=None)  # type: ignore[union-attr]
    for _ in range(2):
        assert table(lake, "SELECT close FROM bars") == [(11.0,), (20.0,)]
        consolidate({}, lake)


def test_a_file_that_cannot_be_read_is_not_taken_as_consolidated(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    fetch(lake, 0, history_first)
    lake.store.put("raw-data/2024-02-01-batch-7.parquet", b"PAR1 no parquet", replaces=None)
    with pytest.warns(LakeWarning, match="batch-7"):
        assert consolidate({}, lake)["inputs"] == 1
    assert "2024-02-01-batch-7.parquet" not in head(lake).consolidated
    with pytest.warns(LakeWarning, match="batch-7"):
        assert consolidate({}, lake)["generation"] is None


def test_consolidators_at_once_publish_each_batch_once(lake_uri: str) -> None:
    lake = Lake(lake_uri)
    fetch(lake, 0, history_first)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda full: consolidate({"full": full}, Lake(lake_uri)), [False, False, True, False]))
    published = sorted(result["generation"] for result in results if result["generation"])
    assert published == list(range(1, len(published) + 1))
    assert sum(result["inputs"] for result in results) == 1
    assert [manifest.generation for manifest in history(lake)] == published[::-1]
    assert table(lake, "SELECT count(*), count(DISTINCT (symbol, date)) FROM bars") == [(36, 36)]


def test_a_commit_whose_pointer_was_not_moved_is_found(lake_uri: str) -> None:
    """A writer died between its last two writes; readers see the generation before until the next writer."""
    lake = Lake(lake_uri)
    fetch(lake, 0, history_first)
    consolidate({}, lake)
    pointer = lake.store.get(CURRENT)
    fetch(lake, 1, [row("AAA", DAYS[12], 30.0)])
    consolidate({}, lake)
    lake.store.put(CURRENT, pointer.data, replaces=lake.store.get(CURRENT))  # type: ignore[union-attr]
    assert table(lake, "SELECT count(*) FROM bars") == [(37,)]
    assert consolidate({}, lake)["generation"] is None
    pointer, manifest = (lake.store.get(key).data for key in (CURRENT, manifest_key(2)))  # type: ignore[union-attr]
    assert Manifest.model_validate_json(pointer) == Manifest.model_validate_json(manifest)
    assert table(lake, "SELECT count(*) FROM silver_bars") == [(37,)]
