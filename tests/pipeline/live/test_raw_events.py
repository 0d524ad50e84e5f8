"""Raw events: what came, each once, in the view of every shell; without any, with arrivals only, and arranged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from stockstream.analytics import connect
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.live import arranging
from stockstream.pipeline.live.arranging import arrange
from stockstream.pipeline.live.raw_events import RawEvent, arrival_key, prepare, put_arrivals
from stockstream.pipeline.markets import MARKETS
from tests.pipeline.live.cloud import kinesis_record
from tests.pipeline.live.feed import DAY, OPENS, frames, seconds
from tests.pipeline.live.test_fold_events import invoke, lake
from tests.pipeline.live.test_publish_live import publish

__all__ = ["lake"]
EVENTS = seconds(8, 40)


def rows(uri: str, condition: str = "true") -> list[Any]:
    with connect(uri) as con:
        query = f"SELECT symbol, date, kind, epoch_ms(r.at), event FROM raw_events AS r WHERE {condition} ORDER BY ALL"
        return con.execute(query).fetchall()


def put(lake: Lake, day: str, number: int, events: list[dict[str, Any]]) -> None:
    prepare(lake.store)
    raw = [
        RawEvent(event["sym"], "A", event["s"], OPENS, f"{number:012d}-{n}", json.dumps(event))
        for n, event in enumerate(events)
    ]
    put_arrivals(lake.store, arrival_key(day, OPENS, "shardId-000000000000", str(number), str(number)), raw)


def expected(events: list[dict[str, Any]]) -> list[Any]:
    return sorted((event["sym"], DAY, "A", event["s"], json.dumps(event)) for event in events)


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arranging, "SETTLED", -arranging.SETTLED)


def test_the_view_has_no_rows_without_raw_events(lake_uri: str) -> None:
    Lake(lake_uri).prepare(MARKETS["US"], DAY)
    assert rows(lake_uri) == []
    prepare(Lake(lake_uri).store)
    assert rows(lake_uri) == []


def test_arrivals_and_arranged_events_are_the_same_rows_each_once(lake_uri: str, quiet: None, monkeypatch: Any) -> None:
    lake = Lake(lake_uri)
    lake.prepare(MARKETS["US"], DAY)
    for number in range(4):  # each overlaps the one before, as a batch with other borders
        put(lake, str(DAY), number, EVENTS[60 * number : 60 * number + 90])
    events = EVENTS[: 3 * 60 + 90]
    assert rows(lake_uri) == expected(events)
    monkeypatch.setattr(arranging, "MAX_BYTES", 1)
    keys = []
    while key := arrange(lake, str(DAY)):
        keys.append(key)
        assert rows(lake_uri) == expected(events)
    assert keys == [f"raw_events/days/date={DAY}/{n:06d}.parquet" for n in range(1, 5)]
    put(lake, str(DAY), 9, EVENTS[200:])  # late
    assert rows(lake_uri) == expected(EVENTS)
    monkeypatch.setattr(arranging, "MAX_BYTES", 1 << 30)
    assert arrange(lake, str(DAY)) == f"raw_events/days/date={DAY}/000005.parquet"
    lake.store.delete([key for key in lake.store.list("raw_events/arrivals/") if "0001-01-01" not in key])
    assert rows(lake_uri) == expected(EVENTS)
    assert rows(lake_uri, "symbol = 'AAA' AND date = '2026-11-25'") == [
        one for one in expected(EVENTS) if one[0] == "AAA"
    ]
    assert rows(lake_uri, "date = '2026-11-24'") == []


def test_an_arranged_file_is_in_the_order_of_symbols(tmp_path: Path, quiet: None) -> None:
    lake = Lake(str(tmp_path))
    lake.prepare(MARKETS["US"], DAY)
    put(lake, str(DAY), 1, EVENTS)
    key = arrange(lake, str(DAY))
    with duckdb.connect() as con:
        symbols = [row[0] for row in con.execute(f"SELECT symbol FROM '{tmp_path}/{key}'").fetchall()]
    assert symbols == sorted(symbols)
    assert len(symbols) == len(EVENTS)


def test_a_condition_on_the_day_reads_the_files_of_that_day_only(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.prepare(MARKETS["US"], DAY)
    put(lake, "2026-11-24", 1, EVENTS[:9])
    put(lake, str(DAY), 2, EVENTS[9:])
    (broken,) = (tmp_path / "raw_events/arrivals/date=2026-11-24").rglob("*.gz")
    broken.write_bytes(b"this is no gzip")
    assert rows(str(tmp_path), f"date = '{DAY}'") == expected(EVENTS[9:])


def test_a_session_that_is_over_is_arranged_when_it_is_quiet(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    invoke(*(kinesis_record(n, frame) for n, frame in enumerate(frames(EVENTS, 10))))
    invoke(kinesis_record(99, b"poison"))
    over = "2026-11-25T21:31:00Z"
    assert publish()["arranged"] is None  # the session runs
    assert publish(over)["arranged"] is None  # the last arrival was a moment ago
    monkeypatch.setattr(arranging, "SETTLED", -arranging.SETTLED)
    assert publish(over)["arranged"] == f"raw_events/days/date={DAY}/000001.parquet"
    assert publish(over)["arranged"] is None
    assert rows(lake.uri, "symbol IS NOT NULL") == expected(EVENTS)
    assert rows(lake.uri, "symbol IS NULL") == [(None, DAY, "malformed frame", None, "poison")]
