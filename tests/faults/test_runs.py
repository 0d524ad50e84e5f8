"""Runs lose nothing: killed at random times, two at once, on damaged lakes.

Kills at every write are in `tests/faults/test_kills.py`.
"""

from __future__ import annotations

import json
import random
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from stockstream.pipeline.lake import parquet
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.store import open_store
from stockstream.sql.session import LakeWarning, connect
from tests.injected import Injected
from tests.kill_at import Ended, Runner
from tests.s3_server import S3Server

SESSIONS = [session.date() for session in MARKETS["US"].schedule(2024).loc["2024-02-01":].index[:20]]
FIRST, SECOND = SESSIONS[17], SESSIONS[19]
SYMBOLS = ("AAA", "BBB", "CCC", "DDD")
COLUMNS = "symbol, date, open, high, low, close, volume, adjusted_close, dividend, split_ratio, source, price_basis"
Bar = tuple[Any, ...]

pytestmark = [pytest.mark.faults, pytest.mark.filterwarnings("error::stockstream.sql.session.LakeWarning")]


@pytest.fixture(scope="session")
def runner(s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    lean = {"STOCKSTREAM_RESAMPLE": '["3d"]'}
    with Runner(tmp_path_factory.mktemp("runner"), {**s3_server.environment, **lean}) as started:
        yield started


@pytest.fixture
def bars_of(tmp_path: Path) -> dict[Any, Path]:
    """Return the source's file per day; the second day has two corrections and two new sessions."""
    files = {}
    for day in (FIRST, SECOND):
        lines = ["symbol,date,open,high,low,close,volume"]
        for symbol in SYMBOLS:
            for number, session in enumerate(session for session in SESSIONS if session <= day):
                corrected = 0.25 if day == SECOND and symbol in "AAA DDD" and number == 15 else 0
                close = 10 + number + ord(symbol[0]) % 7 / 8 + corrected
                lines.append(f"{symbol},{session},{close - 1},{close + 1},{close - 2},{close},{1000 + number}")
        files[day] = tmp_path / f"bars-{day}.csv"
        files[day].write_text("\n".join(lines) + "\n")
    return files


def command(lake: str, file: Path, day: Any, *more: str, batch_size: int = 2) -> list[str]:
    return [
        *("run", "--lake", lake, "--market", "US", "--source", f"files:{file}", "--date", str(day)),
        *("--batch-size", str(batch_size), "--json", *more),
    ]


def bars(lake: str, view: str = "bars") -> list[Bar]:
    with connect(lake) as con:
        return con.sql(f"SELECT {COLUMNS} FROM {view} ORDER BY symbol, date").fetchall()


def assert_all_still_there(lake: str, acknowledged: list[Bar]) -> None:
    with connect(lake) as con:
        for view in ("bars_adjusted", "gaps", "symbol_changes", "lake_status()"):
            con.sql(f"FROM {view}").fetchall()  # readable, whatever happened
        keys = con.sql("SELECT symbol, date FROM bars").fetchall()
    assert len(keys) == len(set(keys)), "a bar is there twice"
    assert {bar[:2] for bar in acknowledged} <= set(keys), "a bar is lost"


def names(lake: str) -> set[str]:
    """Return the keys of a lake without the unique part of the names of silver files."""
    return {re.sub(r"-[0-9a-f]{8}\.parquet$", "", name) for name in snapshot(lake)}


def snapshot(lake: str) -> dict[str, Any]:
    """Return the version and bytes of all files of a lake by name, hidden files included."""
    if lake.startswith("s3://"):
        return dict(open_store(lake).list(""))
    files = (path for path in Path(lake).rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(lake)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def copy(lake: str, to: str) -> str:
    source, target = open_store(lake), open_store(to)
    for key in source.list(""):
        stored = source.get(key)
        assert stored is not None
        target.put(key, stored.data, replaces=None)
    return to


def assert_complete(*ended: Ended) -> None:
    for one in ended:
        assert one.code == 0, one
        assert json.loads(one.out)["status"] == "complete"


def assert_a_rerun_changes_nothing(runner: Runner, argv: list[str], lake: str) -> None:
    before = snapshot(lake)
    assert_complete(*runner.run(argv))
    assert snapshot(lake) == before


@pytest.mark.faults
def test_killed_at_any_time_under_load_nothing_is_lost(
    runner: Runner, lake_uri: str, bars_of: dict[Any, Path], injected: Injected
) -> None:
    """Two concurrent runs are killed at random moments, and right after that two more."""
    first, second = f"{lake_uri}-first", f"{lake_uri}-second"
    assert_complete(*runner.run(command(first, bars_of[FIRST], FIRST)))
    assert_complete(*runner.run(command(copy(first, second), bars_of[SECOND], SECOND)))
    acknowledged, expected, killed = bars(first), bars(second), 0
    for turn in range(1 if lake_uri.startswith("s3://") else 3):
        lake = copy(first, f"{lake_uri}-{turn}")
        argv = command(lake, bars_of[SECOND], SECOND, batch_size=1)
        for _ in range(2):
            ended = runner.run(argv, argv, kill_after=[random.uniform(0.05, 0.6) for _ in range(2)])
            for _ in (one for one in ended if one.killed):
                killed += 1
                injected("run, run", f"{'s3' if lake.startswith('s3:') else 'folder'}: kill {killed}", "kill")
        assert_all_still_there(lake, acknowledged)
        assert_complete(*runner.run(argv))
        assert bars(lake) == expected
        assert_a_rerun_changes_nothing(runner, argv, lake)
    assert killed


def test_two_runs_at_once_with_different_symbols_lose_nothing(
    runner: Runner, lake_uri: str, bars_of: dict[Any, Path], injected: Injected
) -> None:
    """Both have a batch 0, and so the same name for its file."""
    single = f"{lake_uri}-single"
    assert_complete(*runner.run(command(single, bars_of[FIRST], FIRST)))
    expected = bars(single)
    injected("run, run", "different symbols", "race")
    both = [command(lake_uri, bars_of[FIRST], FIRST, "--symbols", of) for of in ("AAA,CCC", "BBB,DDD")]
    assert_complete(*runner.run(*both, meet="raw-data/"))
    assert bars(lake_uri) == expected
    after = snapshot(lake_uri)
    assert_complete(*runner.run(*both))
    assert snapshot(lake_uri) == after


def test_two_runs_at_once_with_the_same_symbols_store_each_bar_once(
    runner: Runner, lake_uri: str, bars_of: dict[Any, Path], injected: Injected
) -> None:
    single = f"{lake_uri}-single"
    assert_complete(*runner.run(command(single, bars_of[FIRST], FIRST)))
    expected = bars(single)
    injected("run, run", "the same symbols", "race")
    argv = command(lake_uri, bars_of[FIRST], FIRST)
    assert_complete(*runner.run(argv, argv, meet="raw-data/"))
    assert bars(lake_uri) == expected
    with connect(lake_uri) as con:
        assert con.sql("SELECT count(*) FROM raw_bars").fetchall() == [(len(expected),)]
    assert names(lake_uri) == names(single)


def test_a_run_with_fewer_symbols_takes_nothing_away(
    runner: Runner, lake_uri: str, bars_of: dict[Any, Path], tmp_path: Path
) -> None:
    assert_complete(*runner.run(command(lake_uri, bars_of[FIRST], FIRST)))
    acknowledged = bars(lake_uri)
    assert_complete(*runner.run(command(lake_uri, bars_of[FIRST], FIRST, "--symbols", "DDD")))  # batch 0 was A and B
    assert bars(lake_uri) == acknowledged
    assert_complete(*runner.run(command(lake_uri, bars_of[SECOND], SECOND, "--symbols", "DDD")))
    assert [bar for bar in bars(lake_uri) if bar[0] != "DDD"] == [bar for bar in acknowledged if bar[0] != "DDD"]
    assert_all_still_there(lake_uri, acknowledged)
    fewer = tmp_path / "fewer.csv"  # two companies have left the source, and their bars with them
    fewer.write_text("".join(line for line in bars_of[SECOND].open() if line[0] not in "AB"))
    assert_complete(*runner.run(command(lake_uri, fewer, SECOND, "--accept-smaller")))
    assert_all_still_there(lake_uri, acknowledged)
    assert_complete(*runner.run(command(lake_uri, bars_of[SECOND], SECOND)))
    assert len(bars(lake_uri)) == len(SYMBOLS) * len(SESSIONS)


@pytest.mark.parametrize("damage", ["empty", "truncated", "no-bars", "no-number", "no-date"])
def test_a_damaged_file_costs_nobody_elses_bars(
    runner: Runner, lake_uri: str, bars_of: dict[Any, Path], damage: str
) -> None:
    store = open_store(lake_uri)
    assert_complete(*runner.run(command(lake_uri, bars_of[FIRST], FIRST)))
    acknowledged = bars(lake_uri)
    whole = store.get(f"raw-data/{FIRST}-batch-0.parquet")
    assert whole is not None
    with duckdb.connect() as con:
        damaged = {
            "empty": b"",
            "truncated": whole.data[: len(whole.data) // 2],
            "no-bars": parquet(con, "SELECT 1 AS id, 'x' AS what"),
            "no-number": parquet(con, "SELECT 'AAA' AS symbol, DATE '2024-03-01' AS date, 'ten' AS close"),
            "no-date": parquet(con, "SELECT 'AAA' AS symbol, 'yesterday' AS date, 10.0 AS close, 'many' AS volume"),
        }[damage]
    # In the place of a file that the next run would like to call its own, and beside that.
    keys = [f"raw-data/{SECOND}-batch-0.parquet", f"raw-data/{FIRST}.parquet"]
    for key in keys:
        store.put(key, damaged, replaces=None)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", LakeWarning)
        assert bars(lake_uri) == acknowledged
    named = [str(warning.message) for warning in caught if warning.category is LakeWarning]
    assert all(any(key in message for message in named) for key in keys)

    (ended,) = runner.run(command(lake_uri, bars_of[SECOND], SECOND))
    result = json.loads(ended.out)
    for key in keys:
        assert store.get(key).data == damaged, "what could not be read was overwritten"  # type: ignore[union-attr]
    # The bars of all companies are stored and published; the check of the files names the damaged ones.
    assert (ended.code, result["missing"]) == (1, []), ended
    assert result["refused"].startswith("check files__schema: ")
    assert result["consolidate"]["generation"]
    # The name is taken, so the batch's file is another part.
    assert f"raw-data/{SECOND}-batch-0-part-1.parquet" in result["files"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LakeWarning)
        assert_all_still_there(lake_uri, acknowledged)
        stored = [bar for bar in bars(lake_uri) if bar[1] > FIRST]
    assert {bar[0] for bar in stored} == set(SYMBOLS)
