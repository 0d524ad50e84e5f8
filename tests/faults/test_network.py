"""S3 that fails now and then, or refuses from some moment on: a step succeeds or says so, and nothing is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pipeline.errors import StockStreamError
from pipeline.lake import Lake
from pipeline.steps.consolidate import consolidate
from pipeline.steps.resample import resample
from tests.faults._lake import INTERVAL, content, copy, look
from tests.s3_server import S3Server

Wsgi = Callable[..., Iterable[bytes]]
STEPS: dict[str, tuple[str, Callable[[Lake], Any]]] = {
    "consolidate": ("fetched", lambda lake: consolidate({}, lake)),
    "resample": ("consolidated", lambda lake: resample({"intervals": [INTERVAL]}, lake)),
}
ERRORS = {"500": "InternalError", "503": "SlowDown", "400": "ExpiredToken"}


@contextmanager
def failing(server: S3Server, which: Callable[[int], bool], how: str) -> Iterator[list[int]]:
    """Let the requests that `which` tells by their number fail: with a status, or cut off in the middle."""
    whole: Wsgi = server._server.app  # type: ignore[assignment]
    seen: list[int] = [0, 0]  # requests, and those that failed

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        seen[0] += 1
        if not which(seen[0]):
            return whole(environ, start_response)
        seen[1] += 1
        if how == "cut":
            # The server has done what was asked; the answer is promised longer than it comes.
            def started(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
                longer = [(name, value) for name, value in headers if name.lower() != "content-length"]
                return start_response(status, [*longer, ("Content-Length", "100000"), ("Connection", "close")], *rest)

            return [b"".join(whole(environ, started))[:7]]
        body = f"<?xml version='1.0'?><Error><Code>{ERRORS[how]}</Code><Message>as asked</Message></Error>".encode()
        start_response(f"{how} as asked", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    server._server.app = app  # type: ignore[assignment]
    try:
        yield seen
    finally:
        server._server.app = whole  # type: ignore[assignment]


def undisturbed(step: str, states: dict[str, str], s3: S3Server) -> tuple[str, dict[str, Any], set[Any]]:
    """Give the state before a step, what it makes of it, and what a reader may see meanwhile."""
    state, run = STEPS[step]
    lake = copy(states[state], f"s3://{s3.new_bucket()}/undisturbed", s3)
    before = look(lake)
    run(Lake(lake))
    return state, content(lake), {before, look(lake)}


@pytest.mark.parametrize("how", ["500", "503", "cut"])
@pytest.mark.parametrize("step", STEPS)
def test_one_request_fails(step: str, how: str, states: dict[str, str], s3: S3Server, tried: Counter[str]) -> None:
    """Each seventh request in turn; the SDK and DuckDB ask again."""
    state, expected, complete = undisturbed(step, states, s3)
    number = 1
    while True:
        lake = copy(states[state], f"s3://{s3.new_bucket()}/{number}", s3)
        said = ""
        with failing(s3, lambda n, at=number: n == at, how) as seen:  # type: ignore[misc]
            try:
                STEPS[step][1](Lake(lake))
            except StockStreamError as error:
                said = str(error)
        if not seen[1]:
            break
        assert "\n" not in said
        tried[f"a request failed ({how}): {step} (s3)"] += 1
        assert look(lake) in complete
        STEPS[step][1](Lake(lake))
        assert content(lake) == expected
        number += 7
    assert number > 9, "hardly anything was asked for: nothing was tried"


@pytest.mark.parametrize("step", STEPS)
def test_credentials_expire_in_the_middle(step: str, states: dict[str, str], s3: S3Server, tried: Counter[str]) -> None:
    state, expected, complete = undisturbed(step, states, s3)
    number = 1
    while True:
        lake = copy(states[state], f"s3://{s3.new_bucket()}/{number}", s3)
        said = ""
        with failing(s3, lambda n, at=number: n >= at, "400") as seen:  # type: ignore[misc]
            try:
                STEPS[step][1](Lake(lake))
            except StockStreamError as error:
                said = str(error)
        if not seen[1]:
            break
        assert "expired" in said
        assert "\n" not in said
        tried[f"credentials expired: {step} (s3)"] += 1
        assert look(lake) in complete
        STEPS[step][1](Lake(lake))
        assert content(lake) == expected
        number += 9
    assert number > 9
