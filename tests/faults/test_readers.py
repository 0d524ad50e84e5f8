"""Readers on S3 while a file is replaced: DuckDB opens a file with one request and reads it with another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.pipeline.steps.resample import run as resample
from tests.faults._lake import INTERVAL, copy, look
from tests.injected import Injected
from tests.s3_server import S3Server


@pytest.mark.parametrize(("times", "by_pointer"), [(1, False), (2, False), (1, True)])
def test_the_pointer_is_replaced_while_it_is_read(
    times: int,
    by_pointer: bool,
    states: dict[str, str],
    s3: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    injected: Injected,
) -> None:
    """One or two generations are published between the request for its size and the one for its bytes.

    A reader that needs one request for the pointer lists the batch files next.
    """
    lake = copy(states["fetched"], f"s3://{s3.new_bucket()}/lake", s3)
    whole: Callable[..., Iterable[bytes]] = s3._server.app  # type: ignore[assignment]
    steps = [lambda: consolidate({}, Lake(lake)), lambda: resample({"intervals": [INTERVAL]}, Lake(lake))][:times]

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        is_read = environ["PATH_INFO"].endswith("current.json") and "HTTP_RANGE" in environ
        if by_pointer:
            is_read = "raw-data" in environ["QUERY_STRING"]
        if is_read and steps and not busy:
            busy.append(True)  # a step reads the pointer, too
            steps.pop(0)()
            busy.clear()
            injected("query", "s3: the pointer", f"replaced {times} times while it is read")
        return whole(environ, start_response)

    busy: list[bool] = []
    with monkeypatch.context() as patched:
        patched.setattr(s3._server, "app", app)
        seen = look(lake, by_pointer)
    assert not steps
    assert seen == look(lake)
