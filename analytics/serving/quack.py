"""SQL for DuckDB shells elsewhere, over DuckDB's own Quack protocol (beta): `ATTACH 'quack:HOST:PORT' AS lake`.

Requests come to `/quack` of the server; each session has a process of its own (`quack_session.py`), which this module
starts for a key with the scope `sql`, and to which it passes the messages. So a query that takes too long, or too much
memory, ends with its session and nothing else; a session stays on the generation of its ATTACH; and a key that is
revoked ends its sessions.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from stockstream.analytics.serving import lockdown, quack_session
from stockstream.analytics.serving.generations import Generations
from stockstream.analytics.serving.keys import Key, Keys
from stockstream.analytics.serving.quack_messages import Kind, Message, MessageError, error, parse
from stockstream.sql.errors import StockStreamError, UsageError
from stockstream.sql.extras import require as require_package

PATH = "/quack"
SCOPE = "sql"
MAX_BODY = 1 << 20
MAX_SESSIONS, MAX_OF_KEY = 8, 4
"""Sessions at once: of all keys, and of one."""
IDLE_SECONDS = 60.0
"""Time after which a session ends if another one needs its place."""
ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH")
"""The variables that a session's process has; no other can be read there."""
_access = logging.getLogger("stockstream.access")


class Refused(StockStreamError):
    """The reason is the answer to a message."""


@dataclass
class Session:
    """A process that serves one session."""

    process: subprocess.Popen[str]
    port: int
    key: Key
    generation: int
    last: float = field(default_factory=time.monotonic)

    def ask(self, body: bytes, seconds: float) -> bytes:
        """Return the answer to a message.

        Raises:
            TimeoutError: there is none after `seconds`.
            OSError, HTTPException: the process has ended.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            connection.request("POST", PATH, body, {"Content-Type": "application/octet-stream"})
            return connection.getresponse().read()
        finally:
            connection.close()
            self.last = time.monotonic()

    def end(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()


class Quack:
    """The sessions, and the ASGI application at `/quack`; what is elsewhere is the other application's."""

    def __init__(self, generations: Generations, keys: Keys, seconds: float, rows: int = lockdown.MAX_ROWS) -> None:
        self._generations, self._keys, self._seconds, self._rows = generations, keys, seconds, rows
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(2 * MAX_SESSIONS, thread_name_prefix="quack")
        self._other: ASGIApp | None = None

    def beside(self, app: ASGIApp) -> ASGIApp:
        """Return the application that answers at `/quack`, and elsewhere as `app` does."""
        self._other = app
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "POST":
            await (await self._answered(Request(scope, receive)))(scope, receive, send)
        elif self._other is not None:
            await self._other(scope, receive, send)

    def stop(self) -> None:
        """End all sessions."""
        for name in tuple(self._sessions):
            self._end(name)
        self._threads.shutdown(cancel_futures=True)

    async def _answered(self, request: Request) -> Response:
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY:
                return Response("the message is too long\n", 413)
        client = request.client.host if request.client else None
        answer = await asyncio.get_running_loop().run_in_executor(self._threads, self._noted, bytes(body), client)
        return Response(answer, media_type="application/vnd.duckdb")

    def _noted(self, body: bytes, client: str | None) -> bytes:
        """Return the answer to a message, and write a line about it into the access log."""
        began, name, message = time.perf_counter(), "-", Message(0, "", "")
        try:
            message = parse(body)
            session = self._sessions.get(message.connection)
            name = session.key.name if session else "-"
            if message.kind == Kind.CONNECT:
                key = self._key(message.text)
                name = key.name
                answer = self._connected(key, body)
            else:
                answer = self._passed(message, body)
            refusal = parse(answer).text or None
        except (Refused, MessageError) as refused:
            refusal, answer = str(refused), error(str(refused))
        kind = Kind(message.kind).name.lower() if message.kind in [*Kind] else str(message.kind)
        line = {"method": "QUACK", "path": kind, "ms": round(1000 * (time.perf_counter() - began), 2), "key": name}
        sql = {"sql": message.text[:1000]} if message.kind == Kind.PREPARE else {}
        _access.info("request", extra={**line, "client": client, "error": refusal, **sql})
        return answer

    def _key(self, text: str) -> Key:
        key = self._keys.of(text)
        if key is None:
            raise Refused("Authentication failed: there is no such key")
        if SCOPE not in key.scopes:
            raise Refused(f"Authentication failed: the key {key.name} does not have the scope {SCOPE}")
        return key

    def _connected(self, key: Key, body: bytes) -> bytes:
        """Start a session, and return the answer to its first message."""
        with self._lock:  # one start at a time
            self._make_room(key)
            served = self._generations.newest
            session = start(served.path, served.generation, key, self._rows)
            try:
                answer = session.ask(body, quack_session.START_SECONDS)
                message = parse(answer)
            except (OSError, http.client.HTTPException, MessageError):
                session.end()
                raise Refused("the session cannot be started: the log of the server says why") from None
            if message.kind == Kind.CONNECTED:
                self._sessions[message.connection] = session
            else:
                session.end()
            return answer

    def _make_room(self, key: Key) -> None:
        """End an idle session if there are too many.

        Raises:
            Refused: none is idle.
        """
        sessions = dict(self._sessions)
        of_key = {name: one for name, one in sessions.items() if one.key.name == key.name}
        if len(of_key) >= MAX_OF_KEY:
            self._end_idle(of_key, f"the key {key.name} has {MAX_OF_KEY} sessions: DETACH one, or wait a minute")
        elif len(sessions) >= MAX_SESSIONS:
            self._end_idle(sessions, f"all {MAX_SESSIONS} sessions are in use: try again in a minute")

    def _end_idle(self, sessions: dict[str, Session], otherwise: str) -> None:
        name, oldest = min(sessions.items(), key=lambda pair: pair[1].last)
        if time.monotonic() - oldest.last < IDLE_SECONDS:
            raise Refused(otherwise)
        self._end(name)

    def _passed(self, message: Message, body: bytes) -> bytes:
        """Return the answer of a session to a message."""
        session = self._sessions.get(message.connection)
        if session is None:
            raise Refused("this session has ended: DETACH and ATTACH again")
        if self._keys.named(session.key.name) != session.key:
            self._end(message.connection)
            raise Refused(f"the key {session.key.name} has been revoked")
        if message.kind not in (Kind.PREPARE, Kind.FETCH, Kind.DISCONNECT):
            raise Refused("this server changes nothing")
        try:
            answer = session.ask(body, self._seconds)
        except TimeoutError:
            self._end(message.connection)
            raise Refused(f"more than {self._seconds:g} s: the session has ended, DETACH and ATTACH again") from None
        except (OSError, http.client.HTTPException):
            self._end(message.connection)
            raise Refused("the session has ended, perhaps for lack of memory: DETACH and ATTACH again") from None
        if message.kind == Kind.DISCONNECT:
            self._end(message.connection)
        return answer

    def _end(self, name: str) -> None:
        session = self._sessions.pop(name, None)
        if session is not None:
            session.end()


def start(file: Path, generation: int, key: Key, rows: int) -> Session:
    """Return a session on a serving file.

    Raises:
        Refused: its process does not start.
    """
    environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    command = [sys.executable, "-m", quack_session.__name__]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(OSError):
        process.stdin.write(json.dumps({"file": str(file), "digest": key.digest, "rows": rows}) + "\n")
        process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        process.communicate()
        raise Refused("the session cannot be started: the log of the server says why")
    return Session(process, json.loads(line)["port"], key, generation)


def require(keys: Keys | None) -> Keys:
    """Return the keys, if Quack can be served.

    Raises:
        UsageError: there are none, or DuckDB's extension is not installed.
    """
    require_package("duckdb_extension_quack", by="--quack")
    if keys is None:
        raise UsageError(
            "--quack needs --keys, also on this machine: `stockstream serve --new-key NAME --scopes sql` makes a key"
        )
    return keys
