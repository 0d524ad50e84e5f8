"""`stockstream stream --source replay:FILE`: from the file to the views, with stops and restarts."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from stockstream.analytics import connect
from stockstream.analytics.cli.application import app
from stockstream.sql.errors import StockStreamError
from tests.pipeline.live.feed import CLOSES, DAY, OPENS, expected, frames, seconds, unreliable
from tests.pipeline.live.test_fold import second
from tests.s3_server import S3Server

Bars = dict[str, tuple[float, float, float, float, float]]
BATCH = """
    symbol VARCHAR, date DATE, open DOUBLE, high DOUBLE, low DOUBLE, close DOUBLE, volume BIGINT, dividend DOUBLE,
    split_ratio DOUBLE, price_basis DATE
"""


def record(path: Path, events: list[dict[str, Any]], size: int = 50) -> str:
    path.write_bytes(b"".join(frame + b"\n" for frame in frames(events, size)))
    return f"replay:{path}"


def command(source: str, lake: str, *options: str) -> list[str]:
    main = "from stockstream.analytics.cli import main; main()"
    return [sys.executable, "-c", main, "stream", "--source", source, "--lake", lake, "--market", "US", *options]


def run(source: str, lake: str | Path, *options: str) -> tuple[int, str, str]:
    """Run the command in this process; return its exit code, standard output and error message."""
    arguments = ["stream", "--source", source, "--lake", str(lake), "--market", "US", *options]
    result = CliRunner().invoke(app, arguments)
    error = result.exception
    if isinstance(error, StockStreamError):
        return error.exit_code, result.stdout, str(error)
    if error is not None and not isinstance(error, SystemExit):
        raise error
    return result.exit_code, result.stdout, result.stderr


def stream(source: str, lake: str | Path, *options: str, code: int = 0) -> dict[str, Any]:
    ended, out, message = run(source, lake, "--json", *options)
    assert ended == code, message
    return json.loads(out)  # type: ignore[no-any-return]


def live(lake: str | Path) -> Bars:
    with connect(lake) as con:
        return bars_of(con)


def bars_of(con: duckdb.DuckDBPyConnection) -> Bars:
    return {
        row[0]: row[1:] for row in con.execute("SELECT symbol, open, high, low, close, volume FROM live").fetchall()
    }


def add_batch(lake: Path, name: str, rows: list[tuple[Any, ...]]) -> None:
    """Add a batch file: symbol, day, close, split_ratio."""
    (lake / "raw-data").mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE bars ({BATCH})")
        for symbol, day, close, split in rows:
            values = (symbol, day, close, close, close, close, 1000, 0.0, split, day)
            con.execute(f"INSERT INTO bars VALUES ({', '.join('?' * 10)})", values)
        con.execute(f"COPY bars TO '{lake}/raw-data/{name}.parquet'")


def test_a_generated_day_equals_an_independent_aggregation(tmp_path: Path) -> None:
    events = [*seconds(40, 200), second(sym="AAA", v=9, s=CLOSES + 1000)]
    source = record(tmp_path / "day.jsonl", unreliable(events, random.Random(3)))
    status = stream(source, tmp_path / "lake")
    assert live(tmp_path / "lake") == expected(events)
    assert (status["status"], status["missed"], status["symbols"]) == ("complete", 0, 40)
    assert status["not_used"].keys() == {"duplicate", "outside the session"}
    again = stream(source, tmp_path / "lake")  # continues behind the last frame
    assert again["events"] == 0
    assert live(tmp_path / "lake") == expected(events)
    stream(source, tmp_path / "lake", "--restart")
    assert live(tmp_path / "lake") == expected(events)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGTERM, 143),
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.large),
        pytest.param(signal.SIGKILL, -9, marks=pytest.mark.large),
    ],
)
def test_a_stream_that_is_stopped_continues_where_it_was(number: int, code: int, tmp_path: Path) -> None:
    events = seconds(20, 120)
    source = record(tmp_path / "day.jsonl", events)
    lake = tmp_path / "lake"
    stopped = subprocess.Popen(
        command(source, str(lake), "--speed", "20", "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    states = lake / "live" / str(DAY) / "bars"
    deadline = time.monotonic() + 60
    while not any(b'"events":' in file.read_bytes() for file in states.glob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)  # the first state of all has no bars
    stopped.send_signal(number)
    out, _ = stopped.communicate(timeout=30)
    assert stopped.returncode == code
    before = live(lake)  # readable, after whatever ended the process
    assert before
    assert before != expected(events)
    if number != signal.SIGKILL:
        status = json.loads(out)
        assert status["status"] == "stopped"
        assert sum(bar[4] for bar in before.values()) == status["volume"]
    after = stream(source, lake)
    assert 0 < after["events"] < len(events)
    assert live(lake) == expected(events)


def test_the_views_can_be_read_on_one_connection_while_the_stream_runs(tmp_path: Path) -> None:
    events, lake = seconds(5, 60), tmp_path / "lake"
    source = record(tmp_path / "day.jsonl", events[:100])
    stream(source, lake)
    with connect(lake) as con:
        assert bars_of(con) == expected(events[:100])
        record(tmp_path / "day.jsonl", events)
        stream(source, lake, "--restart")
        assert bars_of(con) == expected(events)


@pytest.mark.slow
def test_a_stream_into_s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = seconds(5, 60)
    with S3Server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        lake = f"s3://{server.new_bucket()}/lake"
        stream(record(tmp_path / "day.jsonl", events), lake)
        assert live(lake) == expected(events)
        with connect(lake) as con:
            rows = con.execute("SELECT count(*), count(*) FILTER (is_live) FROM bars_live").fetchall()
    assert rows == [(5, 5)]


def test_bars_live_hands_over_to_the_batch_bar(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    days = [date(2026, 11, day) for day in (19, 20, 23, 24)]
    add_batch(lake, "2026-11-24", [(name, day, 10.0, 1.0) for name in ("AAA", "BBB") for day in days])
    stream(record(tmp_path / "day.jsonl", [second(sym=name, c=11.0, h=11.0) for name in ("AAA", "BBB")]), lake)
    query = "SELECT symbol, is_live, count(*), count(DISTINCT date), max(date) FROM bars_live GROUP BY ALL ORDER BY ALL"
    with connect(lake) as con:
        assert con.execute(query).fetchall() == [
            ("AAA", False, 4, 4, days[-1]),
            ("AAA", True, 1, 1, DAY),
            ("BBB", False, 4, 4, days[-1]),
            ("BBB", True, 1, 1, DAY),
        ]
        change = con.execute("SELECT change, round(change_percent, 9) FROM live WHERE symbol = 'AAA'").fetchall()
        assert change == [(1.0, 10.0)]
        assert con.execute(
            "SELECT sma FROM sma('bars_live', 5) WHERE symbol = 'AAA' AND date = '2026-11-25'"
        ).fetchall() == [(10.2,)]
        week = "SELECT close, bars, is_open FROM resample('bars_live', 'weekly') WHERE symbol = 'AAA'"
        assert con.execute(f"{week} AND ends_on = '2026-11-27'").fetchall() == [(11.0, 3, True)]
    add_batch(lake, "2026-11-25", [("AAA", DAY, 12.0, 1.0)])
    with connect(lake) as con:
        rows = con.execute(
            f"SELECT symbol, close, is_live FROM bars_live WHERE date = '{DAY}' ORDER BY symbol"
        ).fetchall()
    assert rows == [("AAA", 12.0, False), ("BBB", 11.0, True)]


@pytest.mark.parametrize("knows", ["option", "pending row"])
def test_on_an_ex_date_the_bars_before_are_in_the_shares_of_the_session(knows: str, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    before = [("AAA", date(2026, 11, 23), 98.0, 1.0), ("AAA", date(2026, 11, 24), 100.0, 1.0)]
    add_batch(lake, "2026-11-24", before)
    if knows == "pending row":
        add_batch(lake, "2026-11-25", [("AAA", DAY, None, 10.0)])
    options = ["--split", "AAA=10"] if knows == "option" else []
    stream(record(tmp_path / "day.jsonl", [second(sym="AAA", o=10.0, h=10.5, l=9.9, c=10.2)]), lake, *options)
    with connect(lake) as con:
        bars = con.execute("SELECT close, volume, split_ratio FROM bars_live ORDER BY date").fetchall()
        change = con.execute("SELECT previous_close, round(change_percent, 9), split_ratio FROM live").fetchall()
    assert change == [(10.0, 2.0, 10.0)]
    assert bars == [(pytest.approx(9.8), 10_000, 1.0), (pytest.approx(10.0), 10_000, 1.0), (10.2, 100, 10.0)]
    add_batch(lake, "2026-11-25-batch-1", [("AAA", DAY, 10.3, 10.0)])
    with connect(lake) as con:
        assert con.execute("SELECT close, is_live FROM bars_live ORDER BY date").fetchall() == [
            (pytest.approx(9.8), False),
            (pytest.approx(10.0), False),
            (10.3, False),
        ]


def test_symbols_outside_the_lists_of_the_lake_are_counted(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    add_batch(lake, "2026-11-24", [("AAA", date(2026, 11, 24), 10.0, 1.0)])
    source = record(tmp_path / "day.jsonl", [second(sym="AAA"), second(sym="ZZZ")])
    status = stream(source, lake)
    assert (status["not_used"], status["unknown_symbols"]) == ({"unknown symbol": 1}, ["ZZZ"])
    code, _, message = run(source, lake, "--symbols", "AAB")
    assert (code, message) == (2, "AAB: neither in the list of companies nor in the bars; did you mean AAA?")


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("replay:nope.jsonl", [], "replay:nope.jsonl: there is no such file"),
        ("replay:", [], "write replay:FILE"),
        ("poligon", [], "did you mean polygon?"),
        ("replay:{file}", ["--session", "2026-11-26"], "US has no session on 2026-11-26"),
        ("replay:{file}", ["--split", "NVDA"], "--split NVDA: write a symbol"),
        ("replay:{file}", ["--channel", "Q"], "--channel Q: there are A (seconds)"),
        ("replay:{empty}", [], "no line of the file has an event"),
    ],
)
def test_wrong_options_end_with_one_line(source: str, options: list[str], message: str, tmp_path: Path) -> None:
    record(tmp_path / "day.jsonl", [second()])
    (tmp_path / "empty.jsonl").write_text('[{"ev":"status","status":"connected"}]\nnonsense\n')
    source = source.format(file=tmp_path / "day.jsonl", empty=tmp_path / "empty.jsonl")
    code, _, line = run(source, tmp_path / "lake", *options)
    assert code == 2
    assert message in line
    assert "\n" not in line


def test_another_recording_of_the_session_is_not_mixed_with_the_first(tmp_path: Path) -> None:
    stream(record(tmp_path / "one.jsonl", [second()]), tmp_path / "lake")
    other = record(tmp_path / "two.jsonl", [second(s=OPENS + 1000)])
    code, _, message = run(other, tmp_path / "lake")
    assert code == 2
    assert "are from replay:" in message
    assert stream(other, tmp_path / "lake", "--restart")["events"] == 1


def test_missed_events_and_unreadable_frames_make_the_result_partial(tmp_path: Path) -> None:
    source = record(tmp_path / "day.jsonl", [second(av=500)])
    status = stream(source, tmp_path / "lake", code=3)
    assert (status["status"], status["missed"], status["symbols_with_missed"]) == ("partial", 400.0, 1)
