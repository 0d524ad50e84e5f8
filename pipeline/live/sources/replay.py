"""`replay`: a recorded or generated feed, from a file of JSON lines, each a frame as the vendor sends it."""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from stockstream.pipeline.errors import SourceError, UsageError
from stockstream.pipeline.live.events import Status, decode
from stockstream.pipeline.live.sources.base import Feed, Plan

_PAUSE = 64
"""Number of frames after which other tasks get their turn."""

_FIRST = 1000
"""Number of events from which the session of a recording is known: one of them may be of another day."""


@dataclass
class Replay(Feed):
    """A replay of `path`; a name that ends with .gz is that of a compressed file."""

    name = "replay"
    is_replay = True
    path: Path = Path()

    @classmethod
    def open(cls, argument: str, plan: Plan) -> Self:
        """Return the replay of a file."""
        if not argument:
            raise UsageError("--source replay needs a file: write replay:FILE")
        path = Path(argument).expanduser()
        if not path.is_file():
            raise UsageError(f"--source replay:{argument}: there is no such file")
        return cls(plan, path=path)

    async def frames(self, skip: int = 0) -> AsyncIterator[bytes]:
        """Yield the lines of the file, each at the time of its first event, if the plan has a speed."""
        began = time.monotonic()
        first: int | None = None
        for number, line in enumerate(self._lines()):
            if number < skip:
                continue
            if self.plan.speed > 0 and (at := self._time(line)) is not None:
                first = at if first is None else first
                wait = began + (at - first) / 1000 / self.plan.speed - time.monotonic()
                await asyncio.sleep(max(0.0, wait))
            elif number % _PAUSE == 0:
                await asyncio.sleep(0)
            yield line

    def _time(self, line: bytes) -> int | None:
        """Return the time of the first event of a line that is of the session's day; None if it has none."""
        session = self.plan.session
        times = event_times(line)
        return next((at for at in times if session is None or session.day_from <= at < session.day_until), None)

    def first_times(self) -> list[int]:
        """Return the times of the first events, in milliseconds.

        Raises:
            UsageError: no line has an event.
        """
        times: list[int] = []
        for line in self._lines():
            times += event_times(line)
            if len(times) >= _FIRST:
                break
        if not times:
            raise UsageError(f"--source replay:{self.path}: no line of the file has an event")
        return times[:_FIRST]

    def _lines(self) -> Iterator[bytes]:
        try:
            with self._opened() as file:
                for line in file:
                    yield line.rstrip(b"\r\n")
        except (OSError, EOFError, zlib.error) as error:
            raise SourceError(f"cannot read {self.path}: {getattr(error, 'strerror', None) or error}") from None

    def _opened(self) -> BinaryIO:
        return gzip.open(self.path) if self.path.suffix == ".gz" else self.path.open("rb")  # type: ignore[return-value]


def event_times(frame: bytes) -> list[int]:
    """Return the times of a frame's events in milliseconds."""
    return [event.at for event in decode(frame, Counter()) if not isinstance(event, Status)]
