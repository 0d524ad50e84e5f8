"""A stream into S3 whose requests fail: it retries, or ends with one line, and the next one continues to equal bars."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.retries.standard import ExponentialBackoff

from stockstream.pipeline.live import stream as streaming
from tests.faults._network import CONFLICT, FAULTS, breaking
from tests.pipeline.live.feed import expected, seconds
from tests.pipeline.live.test_stream import live, record, run
from tests.s3_server import S3Server

EVENTS = seconds(4, 30)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """Return a server for streams that save all the time."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda self, context: 0.01)
    monkeypatch.setattr(streaming, "BATCH", 4)
    monkeypatch.setattr(streaming, "SYNC_SECONDS", 0.0)
    monkeypatch.setattr(streaming, "RENEWAL", 0.0)
    monkeypatch.setitem(streaming.SAVE_SECONDS, "s3", 0.0)
    with S3Server() as started:
        for name, value in started.environment.items():
            monkeypatch.setenv(name, value)
        yield started


def attempt(server: S3Server, file: Path, how: str, first: int, last: int) -> bool:
    """Run a stream with broken requests, and then another one; return whether a request was broken."""
    lake = f"s3://{server.new_bucket()}/lake"
    source = record(file, EVENTS, 3)
    with breaking(server, how, first, last) as seen:
        code, _, message = run(source, lake)
    assert code in (0, 1), message
    assert "\n" not in message or code == 0
    if code:
        assert message
        server.age(lake, 1)  # what a stream without the lake could not end: its leases
        code, _, message = run(source, lake)
        assert code == 0, message
    assert live(lake) == expected(EVENTS)
    return seen["broken"] > 0


@pytest.mark.faults
@pytest.mark.parametrize("how", [how for how in FAULTS if how != "timeout"])
def test_one_request_fails(how: str, server: S3Server, tmp_path: Path) -> None:
    number = 1
    while attempt(server, tmp_path / "day.jsonl", how, number, number):
        number += 2
    assert number > 10


@pytest.mark.faults
@pytest.mark.parametrize("how", ["500", "400"])
def test_all_requests_fail_from_one_on(how: str, server: S3Server, tmp_path: Path) -> None:
    number = 1
    while attempt(server, tmp_path / "day.jsonl", how, number, 1 << 30):
        number += 3
    assert number > 10


@pytest.mark.slow
@pytest.mark.parametrize(("how", "last"), [("400", 1 << 30), ("lost", 12), (CONFLICT, 6)])
def test_requests_that_fail_amid_a_stream_lose_nothing(how: str, last: int, server: S3Server, tmp_path: Path) -> None:
    assert attempt(server, tmp_path / "day.jsonl", how, 12 if how != CONFLICT else 6, last)
