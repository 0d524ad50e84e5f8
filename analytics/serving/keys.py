"""Keys: who may ask for what. A file has one line per key, with the key's SHA-256 in its place.

The file is read again when it changes, so that a key without a line does not work any more. A change that cannot be
read leaves the keys as they are, which the log and `/metrics` report; a file without keys lets no one in.

    # name : SHA-256 of the key : scopes
    anna:6b3a55e0261b0304143f805a24924d0c1c44524821305f31d9277843b8a10f4e:read,live

A key is random (256 bits), so that a plain hash of it cannot be guessed from; passwords would need another one.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stockstream.analytics.serving.scopes import SCOPES
from stockstream.sql.errors import UsageError, did_you_mean

NEW_SECONDS = 2.0
"""Age up to which a file may change again without another time of modification."""
logger = logging.getLogger(__name__)
_LINE = re.compile(r"(?P<name>[\w.@-]+):(?P<digest>[0-9a-f]{64}):(?P<scopes>[a-z]+(,[a-z]+)*)", re.ASCII)


@dataclass(frozen=True)
class Key:
    """A key by its name; the key itself is not stored anywhere."""

    name: str
    digest: str
    """SHA-256 of the key, hexadecimal."""
    scopes: frozenset[str]


ANYBODY = Key("anybody", "", frozenset(SCOPES))
"""Who asks a server without keys, which only this machine reaches."""


class Keys:
    """The keys of a server."""

    fault: str | None = None
    """Why the present file cannot be read; None: it can."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys = tuple(keys)

    def __len__(self) -> int:
        return len(self._keys)

    def of(self, text: str) -> Key | None:
        """Return the key that a caller has sent; None: there is no such key. It takes the same time for every text."""
        digest = hashlib.sha256(text.encode()).hexdigest()
        holder = None
        for key in self._keys:
            if hmac.compare_digest(key.digest, digest):
                holder = key
        return holder

    def named(self, name: str) -> Key | None:
        """Return the key of a name; None: there is none."""
        return next((key for key in self._keys if key.name == name), None)


class KeyFile(Keys):
    """The keys of a file, as it is now.

    Raises:
        UsageError: see `read_keys`.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._seen = self._state()
        super().__init__(read_keys(path)._keys)

    def __len__(self) -> int:
        self._read()
        return super().__len__()

    def of(self, text: str) -> Key | None:
        """Return the key that a caller has sent; None: there is no such key, or no longer."""
        self._read()
        return super().of(text)

    def named(self, name: str) -> Key | None:
        """Return the key of a name; None: there is none, or no longer."""
        self._read()
        return super().named(name)

    def _read(self) -> None:
        state = self._state()
        if state == self._seen and state is not None:
            return
        with self._lock:
            self._seen = state
            try:
                keys, fault = read_keys(self._path, may_be_empty=True), None
            except UsageError as error:
                fault = str(error)
            else:
                self._keys = keys._keys
            if fault is not None and fault != self.fault:
                logger.error("the keys stay as they were: %s", fault)
            self.fault = fault

    def _state(self) -> tuple[int, ...] | None:
        """Return what changes when the file does; None: it may have changed without that, as it is so new."""
        try:
            status = self._path.stat()
        except OSError:
            return None
        is_new = abs(time.time() - status.st_mtime) < NEW_SECONDS
        return None if is_new else (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)


def read_keys(path: Path, may_be_empty: bool = False) -> Keys:
    """Return the keys of a file.

    Raises:
        UsageError: the file cannot be read, has no key, or a line is none; the message does not show the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--keys {path}: {getattr(error, 'strerror', None) or 'it is no text'}") from None
    return keys_of(f"--keys {path}", text, may_be_empty)


def keys_of(where: str, text: str, may_be_empty: bool = False) -> Keys:
    """Return the keys in a text of such lines; `where` is what errors call it.

    Raises:
        UsageError: there is no key, or a line is none; the message does not show the line.
    """
    keys: dict[str, Key] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            key = _key(f"{where}, line {number}", line.strip())
            if keys.setdefault(key.name, key) is not key:
                raise UsageError(f"{where}, line {number}: there are two keys called {key.name}")
    if not keys and not may_be_empty:
        raise UsageError(f"{where}: there is no key in it: `stockstream serve --new-key NAME` makes one")
    return Keys(keys.values())


def new_key(name: str, scopes: str = "read") -> tuple[str, str]:
    """Return a new key, and its line of the file.

    Raises:
        UsageError: the name or a scope cannot be one.
    """
    key = secrets.token_urlsafe(32)
    line = f"{name}:{hashlib.sha256(key.encode()).hexdigest()}:{scopes}"
    _key("--new-key", line)
    return key, line


def _key(where: str, line: str) -> Key:
    match = _LINE.fullmatch(line)
    if match is None:
        raise UsageError(f"{where}: write NAME:SHA-256:SCOPES, as `stockstream serve --new-key NAME` prints it")
    scopes = frozenset(match["scopes"].split(","))
    if unknown := sorted(scopes - {*SCOPES}):
        hint = did_you_mean(unknown[0], SCOPES) or f"; there are {', '.join(SCOPES)}"
        raise UsageError(f"{where}: there is no scope {unknown[0]}{hint}")
    return Key(match["name"], match["digest"], scopes)
