from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.analytics.serving.recording import lake_with_feed, wait_for
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


@pytest.fixture(scope="session")
def live(lake: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without keys whose recording has ended; its live bars stay."""
    copy, file = lake_with_feed(lake, tmp_path_factory.mktemp("live"))
    limits = ("--max-streams", "4", "--max-streams-per-caller", "3", "--rate", "100000", "--burst", "100000")
    started = start(copy, "--live", f"replay:{file}", *limits)
    wait_for(started, "ended 2026-11-25")
    yield started
    started.stop()
