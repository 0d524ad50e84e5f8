"""Two minutes of a recorded feed, for servers with live bars."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from tests.analytics.serving.server import Server
from tests.pipeline.live.feed import frames, seconds

SYMBOLS = ("AAPL", "FB", "IBM")
EVENTS = seconds(SYMBOLS, 120)


def lake_with_feed(lake: str, folder: Path) -> tuple[Path, Path]:
    """Return a copy of a lake, and a recording."""
    copy, file = folder / "lake", folder / "day.jsonl"
    shutil.copytree(lake, copy)
    file.write_bytes(b"\n".join(frames(EVENTS, 5)))
    return copy, file


def wait_for(server: Server, text: str) -> None:
    """Wait until `/health` says something about the live bars."""
    until = time.monotonic() + 120
    while text not in (last := str(server.json("/health"))):
        assert time.monotonic() < until, last
        time.sleep(0.1)
