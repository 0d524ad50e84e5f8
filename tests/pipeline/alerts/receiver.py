"""A receiver of webhooks on loopback: it checks signatures, and fails, hangs, redirects or closes as a test says."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "a secret of the two"


@dataclass(frozen=True)
class Post:
    """A request, as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float
    """Time of `time.monotonic`."""

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document

    @property
    def key(self) -> str:
        return self.headers["Idempotency-Key"]


def is_genuine(post: Post, secret: str = SECRET, tolerance: float = 300) -> bool:
    """Return whether a post is signed: the recipe of pipeline/alerts/README.md."""
    timestamp = post.headers["Stockstream-Timestamp"]
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + post.body, hashlib.sha256).hexdigest()
    is_recent = abs(time.time() - int(timestamp)) <= tolerance
    return is_recent and hmac.compare_digest(f"v1={digest}", post.headers["Stockstream-Signature"])


Answer = Callable[[BaseHTTPRequestHandler], None]


def status(code: int, body: str = "", **headers: str) -> Answer:
    """Return an answer with a status; a keyword such as `Retry_After` is a header."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(body.encode())))
        request.end_headers()
        request.wfile.write(body.encode())

    return answer


def hang(seconds: float) -> Answer:
    """Return an answer that does not come in time."""
    return lambda request: time.sleep(seconds)


def close(request: BaseHTTPRequestHandler) -> None:
    """Close the connection without an answer."""
    request.connection.shutdown(socket.SHUT_RDWR)


def cut(code: int) -> Answer:
    """Return an answer whose body ends before its length."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        request.send_header("Content-Length", "100000")
        request.end_headers()
        request.wfile.write(b'{"begun": ')
        request.wfile.flush()
        request.connection.shutdown(socket.SHUT_RDWR)

    return answer


def half_a_status(request: BaseHTTPRequestHandler) -> None:
    """Close the connection in the middle of the status line."""
    request.wfile.write(b"HTTP/1.1 20")
    request.wfile.flush()
    request.connection.shutdown(socket.SHUT_RDWR)


@dataclass
class Receiver:
    """`with Receiver() as receiver`: answers in turn as `answers` say, then with 200."""

    posts: list[Post] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    on_post: Callable[[Post], None] = lambda post: None

    def __enter__(self) -> Receiver:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                post = Post(self.path, dict(self.headers.items()), body, time.monotonic())
                receiver.posts.append(post)
                receiver.on_post(post)
                answer = receiver.answers.pop(0) if receiver.answers else status(200, "{}")
                answer(self)

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook/of-a-person"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def alerts(self) -> Iterator[str]:
        """Yield the identities of all alerts that arrived, in their order."""
        for post in self.posts:
            yield from (alert["id"] for alert in post.document["alerts"])
