"""`stockstream doctor`: what is wrong is named with what to do, and no secret; the exit code is that of the gravest."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from stockstream.analytics.cli import temporary
from tests.analytics.test_cli import CSV, Ran, _empty_folder, process, run_cli
from tests.s3_server import S3Server

__all__ = ["_empty_folder"]  # a fixture

SECRETS = {
    "POLYGON_API_KEY": "polygon-key-7f3a",
    "ALERT_WEBHOOK_URL": "https://hooks.example/services/path-19c2?token=query-55e1",
    "ALERT_WEBHOOK_SECRET": "webhook-secret-b041",
}


@dataclass
class Clock:
    """A server whose clock is wrong by some seconds; `url` has a password."""

    url: str
    offset: float = 0.0


@pytest.fixture(scope="module")
def clock() -> Iterator[Clock]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(404)
            self.end_headers()

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(time.time() + served.offset)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Clock(f"http://user:url-password-c6d8@127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield served
    server.shutdown()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lake through 2026-11-17, which is built once."""
    folder = tmp_path_factory.mktemp("doctor")
    (folder / "bars.csv").write_text(CSV)
    ran = run_cli("run", "--source", f"files:{folder / 'bars.csv'}", "--lake", str(folder / "lake"))
    assert ran.code == 0, ran
    return folder / "lake"


@pytest.fixture
def lake(template: Path, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> str:
    clock.offset = 0.0
    monkeypatch.setenv("STOCKSTREAM_YAHOO_URL", clock.url)
    monkeypatch.setattr(temporary, "leftovers", lambda: [])  # of other tests, which kill processes
    return str(shutil.copytree(template, tmp_path / "lake"))


def doctor(*arguments: str) -> tuple[Ran, dict[tuple[str, str], list[dict[str, Any]]]]:
    """Return what the command printed, and its findings by check and state."""
    ran = run_cli("doctor", "--json", *arguments)
    answer = json.loads(ran.out)
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in answer["findings"]:
        found.setdefault((one["check"], one["state"]), []).append(one)
    states = [one["state"] for one in answer["findings"]]
    assert (answer["failed"], answer["warnings"]) == (states.count("failed"), states.count("warning"))
    assert ran.code == (1 if answer["failed"] else 3 if answer["warnings"] else 0)
    assert all(one["action"] for one in found.get(("clock", "failed"), []) + found.get(("lake", "warning"), []))
    return ran, found


def test_an_old_lake_is_the_only_warning(lake: str) -> None:
    ran, found = doctor("--lake", lake)
    assert ran.code == 3, ran
    assert {check for check, state in found if state == "ok"} == {
        "versions",
        "settings",
        "source",
        "alerts",
        "clock",
        "disk",
        "lake",
    }
    ((key, (old,)),) = [item for item in found.items() if item[0][1] != "ok"]
    assert key == ("lake", "warning")
    assert old["text"].startswith("no bar after 2026-11-17, and the next session is final since 2026-11-18 05:30 UTC")
    assert "`stockstream run`" in old["action"]
    text = run_cli("doctor", "--lake", lake)
    assert "ok        lake         generation 1 of " in text.out
    assert text.out.endswith("0 failed, 1 warnings\n")


@pytest.mark.parametrize(
    ("offset", "state", "text"),
    [(30, "ok", "s behind 127.0.0.1"), (-120, "warning", "ahead of"), (3600, "failed", "behind 127.0.0.1: requests")],
)
def test_a_clock_that_is_wrong(offset: float, state: str, text: str, lake: str, clock: Clock) -> None:
    clock.offset = offset
    _, found = doctor("--lake", str(Path(lake).parent / "none"))
    ((_, (one,)),) = [item for item in found.items() if item[0][0] == "clock"]
    assert (one["state"], text in one["text"]) == (state, True), one
    assert abs(int(one["text"].split()[0]) - abs(offset)) < 30  # on a machine that is busy
    assert bool(one["action"]) == (state != "ok")


def test_a_server_that_does_not_answer_is_a_warning(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKSTREAM_YAHOO_URL", "http://127.0.0.1:9")
    _, found = doctor("--lake", str(Path(lake).parent / "none"))
    ((one),) = found["clock", "warning"]
    assert one["text"] == "not compared: 127.0.0.1 does not answer (ConnectionError)"


def test_no_lake_yet(lake: str) -> None:
    ran, found = doctor("--lake", "new")
    assert ran.code == 3
    ((one),) = found["lake", "warning"]
    assert "is no lake" in one["text"]
    assert (
        one["action"] == f"`stockstream run --lake {Path('new').absolute()}` makes one" or "run --lake" in one["action"]
    )
    assert not Path("new").exists()


def test_what_is_damaged_is_named(lake: str) -> None:
    (silver,) = Path(lake, "silver", "bars").iterdir()
    silver.write_bytes(silver.read_bytes()[:-1])
    Path(lake, "state", "current.json").unlink()
    ran, found = doctor("--lake", lake)
    assert ran.code == 1
    texts = [one["text"] for one in found["lake", "failed"]]
    words = f"files of generation 1 are gone or cut: silver/bars/{silver.name}"
    assert any(text.startswith("1 of ") and text.endswith(words) for text in texts), texts
    assert "the pointer is gone: readers look for the newest manifest" in [
        one["text"] for one in found["lake", "warning"]
    ]
    assert not Path(lake, "state", "current.json").exists(), "it changes nothing"


def test_a_wrong_setting_stops_no_other_part(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKSTREAM_RESAMPEL", "[]")
    ran, found = doctor("--lake", lake)
    assert (ran.code, ran.err) == (1, "")
    assert "did you mean STOCKSTREAM_RESAMPLE?" in found["settings", "failed"][0]["text"]
    assert ("lake", "ok") in found
    monkeypatch.setenv("STOCKSTREAM_START", "tomorrow")
    ran, found = doctor("--lake", lake)
    assert any("STOCKSTREAM_START: write a day" in one["text"] for one in found["settings", "failed"])
    assert ("lake", "ok") not in found
    assert ("versions", "ok") in found


def test_a_source_without_its_key(lake: str) -> None:
    us = Path("us-lake", "state")
    us.mkdir(parents=True)
    (us / "lake.json").write_text('{"market": "US"}')
    ran, found = doctor("--lake", "us-lake", "--source", "polygon")
    assert ran.code == 1
    assert found["source", "failed"][0]["text"].startswith("set POLYGON_API_KEY in the environment")
    assert [one["text"] for one in found["clock", "ok"]] == [
        "not compared: neither the lake nor the source is on a server"
    ]


def test_no_secret_is_shown(lake: str, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKSTREAM_POLYGON_URL", clock.url)
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    for source in ("yahoo", "polygon"):
        ran, found = doctor("--lake", lake, "--source", source)
        assert "POLYGON_API_KEY" in found["settings", "ok"][0]["text"], "names are shown"
        assert found["alerts", "ok"][0]["text"] == "configured: webhook"
        for secret in ("7f3a", "19c2", "55e1", "b041", "c6d8"):
            assert secret not in ran.out + ran.err


@pytest.mark.slow
def test_a_lake_on_s3(template: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = s3.new_bucket()
    files = (path for path in template.rglob("*") if path.is_file())
    s3.fill(f"s3://{bucket}/lake", {str(path.relative_to(template)): path.read_bytes() for path in files})
    ran = process("doctor", "--lake", f"s3://{bucket}/lake", "--json", env={**os.environ, **s3.environment})
    found = json.loads(ran.stdout)["findings"]
    texts = {one["check"]: one["text"] for one in found if one["state"] == "ok"}
    assert texts["credentials"] == "AWS: a key, from env", ran
    assert texts["clock"].endswith("127.0.0.1")
    assert texts["lake"].startswith(f"s3://{bucket}/lake (ASX): 4 bars of 2 symbols through 2026-11-17")

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    code, found_without = doctor("--lake", f"s3://{bucket}/lake")
    assert code.code == 1
    (one,) = found_without["credentials", "failed"]
    assert (one["text"], one["action"][:21]) == ("there are no AWS credentials", "set AWS_ACCESS_KEY_ID")
