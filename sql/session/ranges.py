"""Let DuckDB read Parquet files on S3 whose index is in the pointer, with one request per file for one symbol.

DuckDB's reader of S3 asks for an object's size, for its footer, for the columns of the filter, and then for the other
columns. Here the size, the footer and the small columns of filters come from the index, so that only the last of these
reads becomes a request.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from threading import Lock
from time import monotonic
from typing import Any

from fsspec import AbstractFileSystem

from stockstream.sql.session.file_index import FileIndex
from stockstream.sql.session.objects import Object, Objects

SCHEME = "stockstream"
WHOLE = 1 << 18
"""A row group of at most so many bytes is read in one request if a query looks for symbols in it."""
SCATTERED = 4 << 20
"""The same for a query whose columns are not adjacent, which would otherwise be several requests."""
FEW = 8
"""Row groups in which a query looks for symbols; a query of more of them is a scan, which reads only what it needs."""
SECONDS = 2
"""How long a search belongs to the same query."""
CACHED = 64 << 20
"""Bytes of row groups that are kept for later reads."""


class Ranges(AbstractFileSystem):  # type: ignore[misc]
    """A file system for DuckDB, for reading: `stockstream://bucket/prefix/key` for the files that have an index.

    It also serves objects that have been read already.
    """

    protocol = SCHEME
    cachable = False

    def __init__(self, objects: Objects, files: Mapping[str, FileIndex], contents: Mapping[str, Object]) -> None:
        """Serve files and the contents of objects, by key below the lake's URI."""
        super().__init__()
        self._root = objects.lake.replace("s3://", f"{SCHEME}://", 1)
        self._files = {self.uri(key): IndexedFile(objects, key, index) for key, index in files.items()}
        self._contents = {self.uri(key): content for key, content in contents.items()}

    def uri(self, key: str) -> str:
        """Return the URI from which DuckDB reads a file."""
        return f"{self._root}/{key}"

    def open(self, path: str, mode: str = "rb", **_: Any) -> io.RawIOBase | io.BytesIO:
        """Return a file for reading."""
        return io.BytesIO(self._contents[path].data) if path in self._contents else OpenFile(self._files[path])

    def glob(self, path: str, **_: Any) -> list[str]:
        """Return the URI itself if it is that of a file; no file has a name with wildcards."""
        return [path] if self.exists(path) else []

    def exists(self, path: str, **_: Any) -> bool:
        """Return whether there is such a file."""
        return path in self._files or path in self._contents

    def isfile(self, path: str) -> bool:
        """Return whether there is such a file."""
        return self.exists(path)

    def size(self, path: str) -> int:
        """Return the size of a file in bytes, as DuckDB may see it."""
        return len(self._contents[path].data) if path in self._contents else self._files[path].index.size

    def modified(self, path: str) -> datetime:
        """Return when an object was put; the same time for all silver files, because they are never replaced."""
        return self._contents[path].put_at if path in self._contents else datetime(2000, 1, 1, tzinfo=UTC)


class IndexedFile:
    """The bytes of a file with an index; for any thread."""

    def __init__(self, objects: Objects, key: str, index: FileIndex) -> None:
        self.index = index
        self._objects = objects
        self._key = key
        self._lock = Lock()
        self._reading: dict[int, Lock] = {}
        """A lock per row group, so that threads which need the same one send one request."""
        self._searched: dict[int, float] = {}
        """The row groups of which a chunk of the index was read alone, a filter's, and when it was."""
        self._cached: OrderedDict[int, bytes] = OrderedDict()
        """Row groups by where their data begin, the one read last at the end."""

    def read(self, start: int, length: int) -> bytes:
        """Return a range of the file's bytes."""
        in_tail = start + length - self.index.data_size
        if in_tail > 0:
            in_data = self.read(start, length - in_tail) if length > in_tail else b""
            first = max(0, start - self.index.data_size)
            return in_data + self.index.tail[first : first + length - len(in_data)]
        chunk = self.index.chunk(start, length)
        if chunk is not None:
            with self._lock:
                self._searched[self.index.group(start)] = monotonic()
            return chunk
        group = self.index.group(start)
        if not self._is_lookup(group):
            return self._objects.part(self._key, start, length, self.index.size_in_lake)
        with self._lock:
            reading = self._reading.setdefault(0 if self._is_small else group, Lock())
        with reading:
            data = self._from_cache(start, length)
            if data is not None:
                return data
            first, end = self._extended(group, start, length)
            data = self._objects.part(self._key, first, end - first, self.index.size_in_lake)
            self._keep(first, data)
            return data[start - first : start - first + length]

    @property
    def _is_small(self) -> bool:
        return self.index.data_size <= WHOLE

    def _is_lookup(self, group: int) -> bool:
        """Return whether a row group is read for a few symbols, and not in a scan."""
        with self._lock:
            recently = sum(monotonic() - at < SECONDS for at in self._searched.values())
            return group in self._searched and recently <= FEW

    def _extended(self, group: int, start: int, length: int) -> tuple[int, int]:
        """Return what to request for a read: the read's own range, the data of its row group, or a small file.

        A read that begins right after the symbols is everything that the query needs, since the columns of the views
        are adjacent. One that begins later is the first of several.
        """
        first, end = self.index.body(group)
        if self._is_small:
            first, end = self.index.groups[0], self.index.data_size
        largest = SCATTERED if start > first else WHOLE
        if first <= start and start + length <= end and end - first <= largest:
            return first, end
        return start, start + length

    def _keep(self, first: int, data: bytes) -> None:
        with self._lock:
            self._cached[first] = data
            while sum(map(len, self._cached.values())) > CACHED and len(self._cached) > 1:
                self._cached.popitem(last=False)

    def _from_cache(self, start: int, length: int) -> bytes | None:
        with self._lock:
            for first, data in self._cached.items():
                if first <= start and start + length <= first + len(data):
                    self._cached.move_to_end(first)
                    return data[start - first : start - first + length]
        return None


class OpenFile(io.RawIOBase):
    """An open file, as DuckDB uses it: seek, then read. Each of its threads opens its own."""

    def __init__(self, file: IndexedFile) -> None:
        super().__init__()
        self._file = file
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        left = max(0, self._file.index.size - self._position)
        size = left if size < 0 else min(size, left)
        data = self._file.read(self._position, size) if size else b""
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position, and return it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._file.index.size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seekable(self) -> bool:
        """Return true."""
        return True

    def readable(self) -> bool:
        """Return true."""
        return True
