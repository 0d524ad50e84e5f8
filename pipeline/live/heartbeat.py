"""The heartbeat of a stream in a container: a file that the event loop touches, and the check that it is recent.

A process whose event loop is stuck still runs, and its socket stays open. The health check of the container is
`python -m stockstream.pipeline.live.heartbeat`: it fails if `STOCKSTREAM_HEARTBEAT` was not touched for a minute.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

SETTING = "STOCKSTREAM_HEARTBEAT"
SECONDS = 5.0
"""Time between two beats."""
MAX_AGE = 60.0
"""Age in seconds from which the process counts as stuck."""


@asynccontextmanager
async def beating(path: str | None) -> AsyncIterator[None]:
    """Touch a file every few seconds while the event loop runs what is inside `async with`; None: do nothing.

    Raises:
        OSError: the file cannot be written.
    """
    if path is None:
        yield
        return
    Path(path).touch()
    task = asyncio.create_task(_beat(Path(path)))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _beat(path: Path) -> None:
    while True:
        await asyncio.sleep(SECONDS)
        path.touch()


def fault(path: str | None) -> str | None:
    """Return in one line why the process that touches a file is not healthy; None if it is."""
    if path is None:
        return f"{SETTING} is not set"
    try:
        age = time.time() - Path(path).stat().st_mtime
    except OSError as error:
        return f"{path}: {error.strerror}"
    return f"{path} was touched {age:.0f} s ago" if age > MAX_AGE else None


if __name__ == "__main__":
    sys.exit(fault(os.environ.get(SETTING)))
