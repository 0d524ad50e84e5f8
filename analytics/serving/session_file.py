"""What outlives a server of its browsers' sessions: the secret that signs them, and which were logged out.

Beside the file of `--keys` lies FILE.sessions, an SQLite database that only its owner may read. All servers with these
keys use it, so that a login and a logout hold for each of them, and after a restart; SQLite sees to the processes that
write at the same time or are killed. A new secret, by deleting the file before a start, ends all sessions.
"""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stockstream.analytics.serving.problems import Problem
from stockstream.sql.errors import UsageError

SUFFIX = ".sessions"
SECRET_BYTES = 32
WAIT_SECONDS = 1.0
"""For another process that writes."""
logger = logging.getLogger(__name__)
_SETUP = """
CREATE TABLE IF NOT EXISTS secret (only INTEGER PRIMARY KEY CHECK (only = 1), value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS ended (id TEXT PRIMARY KEY, until REAL NOT NULL);
"""


class SessionFile:
    """The file beside a file of keys; without one, or where none can be written, the memory of this process."""

    def __init__(self, keys: Path | None = None, secret: bytes | None = None) -> None:
        """Open the file, or make it; `secret` is that of a new one (default: a random one).

        Raises:
            UsageError: it is damaged, or others may read it.
        """
        self._path = None if keys is None else _private_file(keys.with_name(keys.name + SUFFIX))
        try:
            self._database = sqlite3.connect(
                self._path or ":memory:", timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._database.executescript(_SETUP)
            new = secrets.token_bytes(SECRET_BYTES) if secret is None else secret
            self._database.execute("INSERT OR IGNORE INTO secret VALUES (1, ?)", [new])
            [(self.secret,)] = self._database.execute("SELECT value FROM secret").fetchall()
            if not isinstance(self.secret, bytes) or len(self.secret) != SECRET_BYTES:
                raise sqlite3.DatabaseError("its secret is none")
        except sqlite3.Error as error:
            raise UsageError(f"{self._path}: {error}: delete it, and everybody logs in again") from None

    def end(self, id: str, until: float) -> None:
        """Note that a session was logged out, which would have been good until a time (since 1970).

        Raises:
            Problem: the file cannot be written (503).
        """
        with self._available():
            self._database.execute("DELETE FROM ended WHERE until < ?", [time.time()])
            self._database.execute("INSERT OR REPLACE INTO ended VALUES (?, ?)", [id, until])

    def has_ended(self, id: str) -> bool:
        """Return whether a session was logged out, at any server.

        Raises:
            Problem: the file cannot be read (503).
        """
        with self._available():
            return self._database.execute("SELECT 1 FROM ended WHERE id = ?", [id]).fetchone() is not None

    @contextmanager
    def _available(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            logger.error("%s: %s", self._path, error)
            raise Problem(503, "the sessions cannot be read or written at the moment", {"Retry-After": "5"}) from None


def _private_file(path: Path) -> Path | None:
    """Make a file for its owner alone if there is none; return it, or None if none can be written.

    Raises:
        UsageError: it belongs to another user, or its mode lets others read it.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except OSError as error:
        logger.warning("sessions end with this server: %s cannot be written: %s", path, error.strerror)
        return None
    status = os.fstat(descriptor)
    os.close(descriptor)
    if hasattr(os, "geteuid") and (status.st_uid != os.geteuid() or status.st_mode & 0o077):
        raise UsageError(f"{path} signs sessions, and others can read it: delete it, and everybody logs in again")
    return path
