"""A log file that is rotated by its size, and that several processes may write at the same time."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path

from filelock import FileLock, Timeout

from stockstream.analytics.cli.endings import print_line
from stockstream.sql.errors import UsageError

LOCK_SECONDS = 5.0
"""How long a line waits for another process that writes; then it is written without the lock."""


class LogFile(RotatingFileHandler):
    """A handler for FILE, FILE.1 (older), FILE.2 and so on.

    A lock beside the file lets one process write or rotate at a time. A process that finds that another one has rotated
    opens the new file: otherwise it would go on with FILE.1.
    """

    def __init__(self, path: Path, max_bytes: int, files: int) -> None:
        """Open the file.

        Raises:
            UsageError: it cannot be written.
        """
        self._is_faulty = False
        if not path.absolute().parent.is_dir():  # the lock would make it
            raise UsageError(f"log file {path}: there is no folder {path.parent}")
        try:
            self._lock_file = FileLock(f"{path}.lock")
            with self._lock_file.acquire(LOCK_SECONDS):
                super().__init__(path, maxBytes=max_bytes, backupCount=files - 1, encoding="utf-8")
        except Timeout:
            raise UsageError(f"log file {path}: another process holds {path}.lock") from None
        except OSError as error:
            raise UsageError(f"log file {path} cannot be written: {error.strerror}") from None

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, after rotating the file if it is full."""
        try:
            self._lock_file.acquire(LOCK_SECONDS)
        except Timeout:
            self._write(record)
            return
        except OSError:
            self.handleError(record)
            return
        try:
            self._write(record)
        finally:
            self._lock_file.release()

    def _write(self, record: logging.LogRecord) -> None:
        try:
            if not self._is_current():
                self.close()
                self.stream = self._open()
            super().emit(record)
        except OSError:
            self.handleError(record)

    def _is_current(self) -> bool:
        if self.stream is None:
            return False
        with suppress(OSError):
            ours, there = os.fstat(self.stream.fileno()), Path(self.baseFilename).stat()
            return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)
        return False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Report in one line, and once, that the file cannot be written, as when the disk is full."""
        if not self._is_faulty:
            error = sys.exc_info()[1]
            reason = error.strerror if isinstance(error, OSError) else type(error).__name__
            print_line(f"warning: log file {self.baseFilename} cannot be written: {reason}")
        self._is_faulty = True
