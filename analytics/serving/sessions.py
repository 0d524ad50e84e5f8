"""Sessions: who has entered a key in a browser. A signed cookie has the key's name, and never the key.

The cookie is good for twelve hours, until the key's line is removed from the file or replaced, or until it is logged
out, also after a restart of the server (`session_file.py`). Scripts cannot read it (HttpOnly), and pages of other sites
do not send it (SameSite=Strict); over https it is sent over https only, and by this host only (the prefix `__Host-`).
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from dataclasses import dataclass

from starlette.requests import HTTPConnection
from starlette.responses import Response

from stockstream.analytics.serving.keys import Key, Keys
from stockstream.analytics.serving.session_file import SessionFile
from stockstream.analytics.serving.signatures import Signer

SECONDS = 12 * 3600
PURPOSE = "session"


@dataclass(frozen=True)
class Session:
    """A browser in which a key was entered."""

    id: str
    key: Key
    until: float
    """Time since 1970."""


class Sessions:
    """The sessions of a server, of which only those that were logged out are stored."""

    def __init__(self, signer: Signer, file: SessionFile) -> None:
        self._signer, self._file = signer, file

    def begin(self, connection: HTTPConnection, response: Response, key: Key) -> None:
        """Add the cookie of a new session to a response."""
        fields = [secrets.token_urlsafe(12), key.name, _mark(key), int(time.time()) + SECONDS]
        text = self._signer.sign(PURPOSE, json.dumps(fields, separators=(",", ":")).encode())
        is_https = connection.scope["scheme"] == "https"
        response.set_cookie(_name(connection), text, max_age=SECONDS, secure=is_https, httponly=True, samesite="strict")

    def of(self, connection: HTTPConnection, keys: Keys) -> Session | None:
        """Return the session of a request; None: it has none, or none that is good any more."""
        payload = self._signer.payload(PURPOSE, connection.cookies.get(_name(connection), ""))
        if payload is None:
            return None
        id, name, mark, until = json.loads(payload)
        key = keys.named(name)
        is_good = key is not None and _mark(key) == mark and time.time() < until and not self._file.has_ended(id)
        return Session(id, key, until) if key is not None and is_good else None

    def end(self, connection: HTTPConnection, response: Response, session: Session) -> None:
        """Log a session out."""
        self._file.end(session.id, session.until)
        is_https = connection.scope["scheme"] == "https"
        response.delete_cookie(_name(connection), secure=is_https, httponly=True, samesite="strict")


def _name(connection: HTTPConnection) -> str:
    """Return the cookie's name; browsers do not separate cookies by port, so that it has the port."""
    if connection.scope["scheme"] in ("https", "wss"):
        return "__Host-session"
    return f"session-{connection.scope['server'][1]}"


def _mark(key: Key) -> str:
    return hashlib.sha256(key.digest.encode()).hexdigest()[:16]
