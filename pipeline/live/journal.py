"""The journal: the frames of a session in the order of their arrival, each with a position.

A frame is in the journal before it is folded. The state (`state.py`) contains the position up to which it is folded, so
that after a crash the frames behind it are folded again. Frames that are in the state are deleted: the journal is the
memory of a few seconds, not an archive (`stockstream record` makes one).

A segment is a file of JSON lines whose name is the position of its first line. In a folder, lines are appended and
reach the operating system with `flush`, so that they survive the death of the process, and the disk with `sync`. On S3
a segment is an object that `sync` puts.
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from stockstream.pipeline.errors import LakeError
from stockstream.pipeline.lake import Lake, live_key
from stockstream.pipeline.store import Store

_SEGMENT = re.compile(r"/(\d+)-(\d+)\.jsonl$")
START = ""
"""The position before the first frame."""


def position_of(number: int) -> str:
    """Return the position of a frame, a text that sorts as its number; the first frame has the number 1."""
    return f"{number:020d}"


def number_of(position: str) -> int:
    """Return the number of a frame; 0 for the position before the first."""
    return int(position or 0)


class Journal(ABC):
    """An ordered log of frames. One process writes it: it has the lease of the session."""

    def __init__(self) -> None:
        self.end = 0
        """Number of the newest frame."""

    @abstractmethod
    def append(self, frame: bytes) -> str:
        """Add a frame and return its position."""

    @abstractmethod
    def flush(self) -> None:
        """Let what was appended survive the death of the process, where that costs nothing."""

    @abstractmethod
    def sync(self) -> None:
        """Let what was appended survive a power failure."""

    @abstractmethod
    def read(self, after: str) -> Iterator[tuple[str, bytes]]:
        """Yield the frames behind a position with their own positions."""

    @abstractmethod
    def trim(self, through: str) -> None:
        """Delete the segments whose frames are all at or before a position."""


def open_journal(lake: Lake, session: str, after: str) -> Journal:
    """Return the journal of a session; `after` is the position of the state, from which numbers continue."""
    folder = live_key(session, "journal")
    if lake.uri.startswith("s3://"):
        return StoreJournal(lake.store, folder, after)
    return FolderJournal(Path(lake.uri) / folder, after)


def one_line(frame: bytes) -> bytes:
    """Return a frame as one line: in JSON, a line break between tokens is white space."""
    return frame.replace(b"\n", b" ").replace(b"\r", b" ")


class FolderJournal(Journal):
    """A journal in a folder. A line that a killed process has not written to its end is cut off."""

    def __init__(self, folder: Path, after: str) -> None:
        super().__init__()
        self._folder = folder
        self._file: BinaryIO | None = None
        with self._named("open"):
            folder.mkdir(parents=True, exist_ok=True)
            segments = self._segments()
            self.end = number_of(after)
            if segments:
                last = segments[-1]
                data = last.read_bytes()
                whole = data[: data.rfind(b"\n") + 1]
                if len(whole) < len(data):
                    os.truncate(last, len(whole))
                self.end = max(self.end, int(last.stem) + whole.count(b"\n") - 1)

    def append(self, frame: bytes) -> str:
        """Add a line to the open segment."""
        self.end += 1
        with self._named("write"):
            if self._file is None:
                self._file = (self._folder / f"{position_of(self.end)}.jsonl").open("ab")
            self._file.write(one_line(frame) + b"\n")
        return position_of(self.end)

    def flush(self) -> None:
        """Pass the lines to the operating system."""
        if self._file is not None:
            with self._named("write"):
                self._file.flush()

    def sync(self) -> None:
        """Write the lines to the disk."""
        self.flush()
        if self._file is not None:
            with self._named("write"):
                os.fsync(self._file.fileno())

    def read(self, after: str) -> Iterator[tuple[str, bytes]]:
        """Yield the lines of all segments behind a position."""
        self.flush()
        for segment in self._segments():
            with self._named("read"), segment.open("rb") as file:
                for number, line in enumerate(file, int(segment.stem)):
                    if number > number_of(after):
                        yield position_of(number), line[:-1]

    def trim(self, through: str) -> None:
        """Begin a new segment, and delete those before it whose frames are in the state."""
        with self._named("write"):
            if self._file is not None:
                self._file.close()
                self._file = None
            segments = self._segments()
            following = [int(segment.stem) for segment in segments[1:]] + [self.end + 1]
            for segment, first_after in zip(segments, following, strict=False):
                if first_after - 1 <= number_of(through):
                    segment.unlink()

    def _segments(self) -> list[Path]:
        return sorted(segment for segment in self._folder.glob("*.jsonl") if segment.stem.isdecimal())

    @contextmanager
    def _named(self, verb: str) -> Iterator[None]:
        """Let an error of the operating system name the journal."""
        try:
            yield
        except OSError as error:
            raise LakeError(f"cannot {verb} the journal {self._folder}: {error.strerror}") from None


class StoreJournal(Journal):
    """A journal in a store. Frames since the last `sync` are in memory only: if they are lost, `missed` says so."""

    def __init__(self, store: Store, folder: str, after: str) -> None:
        super().__init__()
        self._store, self._folder = store, folder
        self._lines: list[bytes] = []
        self._lock = Lock()  # `sync` runs in another thread
        self.end = max([number_of(after), *(position + count - 1 for position, count in self._segments().values())])

    def append(self, frame: bytes) -> str:
        """Add a line to the segment in memory."""
        with self._lock:
            self.end += 1
            self._lines.append(one_line(frame))
            return position_of(self.end)

    def flush(self) -> None:
        """Do nothing: an object cannot be appended to."""

    def sync(self) -> None:
        """Put the lines as a new segment, with their number in its name."""
        with self._lock:
            lines, self._lines = self._lines, []
            first = self.end - len(lines) + 1
        if lines:
            key = f"{self._folder}/{position_of(first)}-{len(lines)}.jsonl"
            self._store.put(key, b"".join(line + b"\n" for line in lines), replaces=None)

    def read(self, after: str) -> Iterator[tuple[str, bytes]]:
        """Yield the lines of all segments behind a position."""
        for key, (first, count) in self._segments().items():
            if first + count - 1 <= number_of(after):
                continue
            stored = self._store.get(key)
            for number, line in enumerate(stored.data.splitlines() if stored else (), first):
                if number > number_of(after):
                    yield position_of(number), line

    def trim(self, through: str) -> None:
        """Delete the segments whose frames are in the state."""
        old = [key for key, (first, count) in self._segments().items() if first + count - 1 <= number_of(through)]
        self._store.delete(old)

    def _segments(self) -> dict[str, tuple[int, int]]:
        """Return the number of the first frame and the number of frames by key, sorted."""
        names = {key: _SEGMENT.search(key) for key in self._store.list(f"{self._folder}/")}
        return {key: (int(match[1]), int(match[2])) for key, match in names.items() if match}
