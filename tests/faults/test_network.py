"""S3 fails for one request, or from some request on: a step retries or reports it; nothing is lost or stored twice."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from stockstream.pipeline.errors import StockStreamError
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.pipeline.steps.resample import run as resample
from tests.faults._lake import INTERVAL, SECOND, assert_one_line, content, copy, litter, look, objects, write_csv
from tests.kill_at import Runner
from tests.s3_server import S3Server

Wsgi = Callable[..., Iterable[bytes]]
STEPS: dict[str, tuple[str, Callable[[Lake], Any]]] = {
    "consolidate": ("fetched", lambda lake: consolidate({}, lake)),
    "resample": ("consolidated", lambda lake: resample({"intervals": [INTERVAL]}, lake)),
}
REFUSALS = {"500": "InternalError", "503": "SlowDown", "400": "ExpiredToken"}


@contextmanager
def breaking(server: S3Server, how: str, first: int, last: int) -> Iterator[Counter[str]]:
    """Break the requests with the numbers `first` to `last`.

    `how` is a status to refuse them with, or: `cut`, the request is carried out, and its answer ends in the middle;
    `lost`, it is carried out, and the connection is closed without an answer; `dropped`, the connection is closed and
    nothing is carried out.
    """
    whole: Wsgi = server._server.app  # type: ignore[assignment]
    seen: Counter[str] = Counter()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        seen["asked"] += 1
        if not first <= seen["asked"] <= last:
            return whole(environ, start_response)
        seen["broken"] += 1
        if how in REFUSALS:
            body = f"<?xml version='1.0'?><Error><Code>{REFUSALS[how]}</Code><Message>as asked</Message></Error>"
            start_response(f"{how} asked", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
            return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body.encode()]
        if how == "cut":

            def started(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
                kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
                return start_response(status, [*kept, ("Content-Length", "100000"), ("Connection", "close")], *rest)

            return [b"".join(whole(environ, started))[:7]]
        if how == "lost":
            b"".join(whole(environ, lambda *_: lambda _: None))
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        start_response("500 Closed", [("Content-Length", "0")])
        return [b""]

    server._server.app = app  # type: ignore[assignment]
    try:
        yield seen
    finally:
        server._server.app = whole  # type: ignore[assignment]


@pytest.mark.parametrize("how", ["500", "503", "cut", "lost", "dropped"])
@pytest.mark.parametrize("step", STEPS)
def test_one_request_fails(
    step: str, how: str, states: dict[str, str], s3: S3Server, sweep: bool, tried: Counter[str]
) -> None:
    """The SDK and DuckDB repeat the request; if they may not, the step says what happened. Every n-th request fails."""
    state, run = STEPS[step]
    bucket = s3.new_bucket()
    undisturbed = copy(states[state], f"s3://{bucket}/undisturbed", s3)
    before = look(undisturbed)
    run(Lake(undisturbed))
    expected, complete = content(undisturbed), {before, look(undisturbed)}
    for number in count(1, 7) if sweep else count(5, 29):
        lake = copy(states[state], f"s3://{bucket}/{number}", s3)
        said = ""
        with breaking(s3, how, number, number) as seen:
            try:
                run(Lake(lake))
            except StockStreamError as error:
                said = str(error)
        if not seen["broken"]:
            break
        assert "\n" not in said
        tried[f"a request failed ({how}): {step} (s3)"] += 1
        assert look(lake) in complete
        run(Lake(lake))
        assert content(lake) == expected
        assert said or not litter(objects(lake, s3)), "something was put twice"
    assert number > 14, "there were too few requests to try faults"


@pytest.mark.parametrize("how", ["400", "dropped"])
@pytest.mark.parametrize("command", ["consolidate", "run"])
def test_all_requests_fail_from_some_moment_on(
    command: str,
    how: str,
    states: dict[str, str],
    s3: S3Server,
    runner: Runner,
    tmp_path: Path,
    sweep: bool,
    tried: Counter[str],
) -> None:
    """Credentials expire (400), or the network is down: the command line reports it, and loses nothing."""
    source = f"files:{write_csv(tmp_path, SECOND)}"
    state, argv = {
        "consolidate": ("fetched", ["consolidate"]),
        "run": ("first", ["run", "--market", "US", "--source", source, "--date", str(SECOND), "--json"]),
    }[command]
    bucket = s3.new_bucket()
    undisturbed = copy(states[state], f"s3://{bucket}/undisturbed", s3)
    with breaking(s3, how, 0, 0) as seen:
        assert runner.run([*argv, "--lake", undisturbed])[0].code == 0
    expected, whole = content(undisturbed), seen["asked"]
    for number in range(2, whole, 10) if sweep and how != "dropped" else [whole // 2]:
        lake = copy(states[state], f"s3://{bucket}/{number}", s3)
        with breaking(s3, how, number, 10**9):
            (ended,) = runner.run([*argv, "--lake", lake])
        tried[f"all requests failed from some moment on ({how}): {command} (s3)"] += 1
        words = ["expired"] if how == "400" else []
        if ended.out:  # a run reports what it has done nevertheless
            assert (ended.code, json.loads(ended.out)["status"]) == (1, "failed"), ended
            assert all(word in ended.out for word in words)
            assert "Traceback" not in ended.err + ended.out
        else:
            assert_one_line(ended, f"s3://{bucket}", *words)
        assert runner.run([*argv, "--lake", lake])[0].code == 0
        assert content(lake) == expected
