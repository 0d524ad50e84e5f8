"""The backtests of a folder: each sub-folder that `stockstream backtest --output FOLDER/NAME` has written is one.

A name of a request is looked up in the listing, and never becomes a path by itself. What is damaged or no backtest is
listed with its reason.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from stockstream.analytics.backtest.report import params_text
from stockstream.analytics.serving.backtests.redaction import without_paths
from stockstream.analytics.serving.problems import Problem
from stockstream.sql.errors import UsageError

TABLES = ("trades", "transactions", "equity")
"""The tables of a backtest that can be requested, besides its figures."""
MAX_BYTES = 100_000_000
"""Size of a file that is read."""
MISSING = "this server has no folder of backtests: `stockstream serve --backtests FOLDER`"


class _Document(msgspec.Struct):
    """What is read of result.json."""

    setup: dict[str, Any]
    metrics: dict[str, float | None]
    provenance: dict[str, Any]
    error: str | None = None


@dataclass(frozen=True)
class StoredRun:
    """A backtest of the folder."""

    id: str
    folder: Path
    saved_at: datetime
    """When result.json was written, UTC."""
    strategy: str
    setup: dict[str, Any]
    metrics: dict[str, float | None]
    generation: int | None
    first: date | None
    """First session; None: the strategy failed before it ended."""
    last: date | None
    sessions: int
    error: str | None

    @property
    def parameters(self) -> str:
        """The parameters of the strategy as text: `fast=10, slow=50`."""
        return params_text(params) if isinstance(params := self.setup.get("params"), dict) else ""

    def table(self, name: str) -> pa.Table:
        """Return a table of the backtest.

        Raises:
            Problem: its file is damaged (409).
        """
        return self._read(f"{name}.parquet", lambda data: pq.read_table(pa.BufferReader(data)))

    def report(self) -> bytes:
        """Return the report as HTML.

        Raises:
            Problem: there is none, or it is no text (409).
        """
        data: bytes = self._read("report.html", lambda data: data.decode().encode())
        return data

    def _read(self, name: str, parse: Callable[[bytes], Any]) -> Any:
        try:
            return parse(read_file(self.folder / name))
        except (OSError, ValueError, pa.ArrowException) as error:
            raise Problem(409, f"the backtest {self.id} is damaged: {name}: {_reason(error)}") from None


@dataclass(frozen=True)
class Damaged:
    """An entry of the folder that is no backtest, or one that cannot be read."""

    name: str
    reason: str


class StoredRuns:
    """The backtests of a folder; each is read again when its result.json changes."""

    def __init__(self, folder: Path) -> None:
        """Open a folder.

        Raises:
            UsageError: there is none.
        """
        if not folder.is_dir():
            raise UsageError(f"--backtests {folder}: there is no such folder")
        self.folder = folder.resolve()
        self._read: dict[str, tuple[tuple[int, ...], StoredRun | Damaged]] = {}

    def listed(self) -> tuple[list[StoredRun], list[Damaged]]:
        """Return the backtests, those saved last first, and what else is in the folder.

        Raises:
            Problem: the folder cannot be read (503).
        """
        try:
            with os.scandir(self.folder) as entries:
                visible = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            raise Problem(503, f"the folder of backtests cannot be read: {error.strerror}") from None
        read = {entry.name: self._entry(entry) for entry in visible}
        self._read = {name: one for name, one in self._read.items() if name in read}
        runs = [one for one in read.values() if isinstance(one, StoredRun)]
        others = [one for one in read.values() if isinstance(one, Damaged)]
        return sorted(runs, key=lambda run: (run.saved_at, run.id), reverse=True), sorted(others, key=lambda o: o.name)

    def run(self, name: str) -> StoredRun:
        """Return a backtest by its name.

        Raises:
            Problem: there is none of this name (404), or it is damaged (409).
        """
        runs, others = self.listed()
        for run in runs:
            if run.id == name:
                return run
        for other in others:
            if other.name == name:
                raise Problem(409, f"{name} is no backtest: {other.reason}")
        raise Problem(404, f"there is no backtest {name}: /backtests lists them")

    def _entry(self, entry: os.DirEntry[str]) -> StoredRun | Damaged:
        name = entry.name
        if not name.isprintable():
            return Damaged(ascii(name), "its name has characters that cannot be shown: rename it")
        if not entry.is_dir(follow_symlinks=False):
            return Damaged(name, "it is a link" if entry.is_symlink() else "it is no folder")
        path = self.folder / name
        try:
            about = (path / "result.json").lstat()
        except OSError as error:
            return Damaged(name, f"result.json: {_reason(error)} (searches and walk-forward analyses have none)")
        state = (about.st_ino, about.st_mtime_ns, about.st_size)
        state_before, read = self._read.get(name, (None, None))
        if read is None or state != state_before:
            read = _stored(name, path, datetime.fromtimestamp(about.st_mtime, UTC))
            self._read[name] = state, read
        return read


def read_file(path: Path) -> bytes:
    """Return the content of a regular file; links are not followed.

    Raises:
        OSError: it is no regular file, too large, or cannot be read.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode) or about.st_size > MAX_BYTES:
            raise OSError(None, f"it is no file of at most {MAX_BYTES // 1_000_000} MB")
        return file.read()


def _stored(name: str, path: Path, saved_at: datetime) -> StoredRun | Damaged:
    try:
        document = msgspec.json.decode(read_file(path / "result.json"), type=_Document)
    except (OSError, ValueError, RecursionError) as error:
        return Damaged(name, f"result.json: {_reason(error)}")
    try:
        days = pq.read_table(pa.BufferReader(read_file(path / "equity.parquet")), columns=["date"])["date"].to_pylist()
        first, last = (min(days), max(days)) if days else (None, None)
    except (OSError, ValueError, TypeError, pa.ArrowException) as error:
        return Damaged(name, f"equity.parquet: {_reason(error)}")
    generation = document.provenance.get("generation")
    return StoredRun(
        id=name,
        folder=path,
        saved_at=saved_at.replace(microsecond=0),
        strategy=str(document.setup.get("strategy") or "Backtest"),
        setup=document.setup,
        metrics=document.metrics,
        generation=generation if isinstance(generation, int) else None,
        first=first,
        last=last,
        sessions=len(days),
        error=None if document.error is None else without_paths(document.error),
    )


def _reason(error: Exception) -> str:
    """Return why a file cannot be read, without its path."""
    if isinstance(error, OSError):
        return (error.strerror or "it cannot be read").lower()
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
