"""Faults on loopback: DynamoDB refuses or answers in part, and functions are killed amid what they do."""

from __future__ import annotations

import io
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_NAMESPACE = "com.amazonaws.dynamodb.v20120810#"
_THROTTLED = {
    "__type": f"{_NAMESPACE}ProvisionedThroughputExceededException",
    "message": "The level of configured provisioned throughput for the table was exceeded.",
}
_GONE = {"__type": f"{_NAMESPACE}ResourceNotFoundException", "message": "Requested resource not found"}
"""Not tried again by the client of AWS."""


@dataclass
class Faults:
    """What the requests of functions meet; nothing until a test asks for it."""

    kill: Callable[[str], None]
    """Kills the processes that run an invocation of a function."""
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    throttled: float = 0.0
    """Share of the requests that are refused, and of the reads that return a part of the items."""
    deaths: float = 0.0
    """Probability that a write is the last of its process, before or after it is done."""
    gone: frozenset[str] = frozenset()
    """Symbols whose items cannot be written."""
    kills_publisher: bool = False
    """Whether the next function that publishes to SNS is killed before the message is taken."""
    counts: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def injected(
        self, throttled: float = 0.0, deaths: float = 0.0, gone: frozenset[str] = frozenset()
    ) -> Iterator[None]:
        """Inject faults while inside `with`."""
        self.throttled, self.deaths, self.gone = throttled, deaths, gone
        try:
            yield
        finally:
            self.throttled, self.deaths, self.gone = 0.0, 0.0, frozenset()

    def around(self, app: App, function_of: Callable[[dict[str, Any]], str]) -> App:
        """Return a server of AWS with these faults; `function_of` returns who has signed a request, or nothing."""

        def faulty(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            service, _, action = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
            is_table = service.startswith("DynamoDB_") and (self.throttled or self.deaths or self.gone)
            if not (is_table or (self.kills_publisher and not service)) or not (function := function_of(environ)):
                return app(environ, start_response)
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ = {**environ, "wsgi.input": io.BytesIO(body)}
            if is_table:
                return self._of_table(app, environ, start_response, function, action, body)
            if b"Action=Publish" in body:
                self.kills_publisher = False
                return self._killed(function, "before a message")
            return app(environ, start_response)

        return faulty

    def _of_table(
        self,
        app: App,
        environ: dict[str, Any],
        start_response: Callable[..., Any],
        function: str,
        action: str,
        body: bytes,
    ) -> Iterable[bytes]:
        if self._happens(self.throttled):
            self.counts[f"throttled {action}"] += 1
            return json_answer(start_response, "400 Bad Request", _THROTTLED)
        if action == "BatchGetItem":
            part = self._happens(self.throttled)
            return self._in_part(app, environ, start_response, body) if part else app(environ, start_response)
        if action == "PutItem" and json.loads(body)["Item"]["symbol"]["S"] in self.gone:
            self.counts["gone"] += 1
            return json_answer(start_response, "400 Bad Request", _GONE)
        dies = self._happens(self.deaths)
        if dies and self.counts["killed before a write"] <= self.counts["killed after a write"]:
            return self._killed(function, "before a write")
        answer = app(environ, start_response)
        return self._killed(function, "after a write") if dies else answer

    def _happens(self, share: float) -> bool:
        with self._lock:
            return self.rng.random() < share

    def _killed(self, function: str, when: str) -> Iterable[bytes]:
        self.counts[f"killed {when}"] += 1
        self.kill(function)
        raise ConnectionAbortedError  # the client is dead

    def _in_part(
        self, app: App, environ: dict[str, Any], start_response: Callable[..., Any], wanted_items: bytes
    ) -> Iterable[bytes]:
        """Answer a read with half of its items; the keys of the others are unprocessed."""
        request = json.loads(wanted_items)
        left: dict[str, Any] = {}
        for table, wanted in request["RequestItems"].items():
            keys = wanted["Keys"]
            if rest := keys[(len(keys) + 1) // 2 :]:
                left[table] = {**wanted, "Keys": rest}
                wanted["Keys"] = keys[: (len(keys) + 1) // 2]
        body = json.dumps(request).encode()
        changed = {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        answer = json.loads(b"".join(app(changed, lambda *_: None)))
        self.counts["read in part"] += 1
        return json_answer(start_response, "200 OK", {**answer, "UnprocessedKeys": left})


def json_answer(start_response: Callable[..., Any], status: str, content: Any) -> Iterable[bytes]:
    """Answer a request of WSGI with JSON."""
    body = json.dumps(content).encode()
    start_response(status, [("Content-Type", "application/x-amz-json-1.0"), ("Content-Length", str(len(body)))])
    return [body]
