"""`replay`: a recorded or generated feed, from a file of JSON lines, each a frame as the vendor sends it."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from stockstream.pipeline.errors import SourceError, UsageError
from stockstream.pipeline.live.events import Event, Status, decode
from stockstream.pipeline.live.sources.base import Feed, Plan

_PAUSE = 64
"""Number of frames after which other tasks get their turn."""


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
            if self.plan.speed > 0 and (at := first_time(line)) is not None:
                first = at if first is None else first
                wait = began + (at - first) / 1000 / self.plan.speed - time.monotonic()
                await asyncio.sleep(max(0.0, wait))
            elif number % _PAUSE == 0:
                await asyncio.sleep(0)
            yield line

    def first_event(self) -> int:
        """Return the time of the first event, in milliseconds.

        Raises:
            UsageError: no line has an event.
        """
        for line in self._lines():
            if (at := first_time(line)) is not None:
                return at
        raise UsageError(f"--source replay:{self.path}: no line of the file has an event")

    def _lines(self) -> Iterator[bytes]:
        try:
            with self._opened() as file:
                for line in file:
                    yield line.rstrip(b"\r\n")
        except (OSError, EOFError) as error:
            raise SourceError(f"cannot read {self.path}: {getattr(error, 'strerror', None) or error}") from None

    def _opened(self) -> BinaryIO:
        return gzip.open(self.path) if self.path.suffix == ".gz" else self.path.open("rb")  # type: ignore[return-value]


def first_time(frame: bytes) -> int | None:
    """Return the time of the first event of a frame in milliseconds; None if it has none."""
    events: list[Event] = decode(frame, Counter())
    return next((event.at for event in events if not isinstance(event, Status)), None)  # type: ignore[attr-defined]
