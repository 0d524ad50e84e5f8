from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.analytics.serving.server import Server, start


@pytest.fixture(scope="session")
def lake(demo_lake: str) -> str:
    """The demo's lake; no test changes it."""
    return demo_lake


@pytest.fixture(scope="session")
def server(lake: str) -> Iterator[Server]:
    """A server without keys on the demo's lake."""
    started = start(lake, "--rate", "100000", "--burst", "100000", "--sql")
    yield started
    started.stop()
