"""A server on loopback with Yahoo's cookie, crumb and v8 chart APIs, and the answers that a test sets per symbol.

    with YahooReplay() as yahoo:
        yahoo.script("BHP.AX", SERVER_ERROR, chart("BHP.AX", [(date(2026, 8, 3), 41.0, 42.0, 40.5, 41.5, 1000)]))
        YahooSource(..., url=yahoo.url)

yfinance itself repeats a request with another cookie if the status is 400 or more: one failed try takes two answers.
"""

from __future__ import annotations

import json
import socket
import time as clock
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo

Chart = dict[str, Any]
"""A body of the chart API, {"chart": {"result": [...]}}; the server cuts it to the requested window."""


@dataclass(frozen=True)
class Reply:
    """An answer that is sent unchanged, after `delay` seconds; `drop` closes the connection instead."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drop: bool = False


def refusal(status: int, code: str, description: str, part: str = "chart") -> Reply:
    """Return one of Yahoo's JSON errors."""
    error = {part: {"result": None, "error": {"code": code, "description": description}}}
    return Reply(status, json.dumps(error).encode(), {"Content-Type": "application/json"})


NOT_FOUND = refusal(404, "Not Found", "No data found, symbol may be delisted")
NO_DATA = refusal(400, "Bad Request", "Data doesn't exist for startDate = 1580000000, endDate = 1580000001")
UNAUTHORIZED = refusal(401, "Unauthorized", "Invalid Crumb", "finance")
RATE_LIMITED = Reply(429, b"Edge: Too Many Requests", {"Content-Type": "text/plain"})
SERVER_ERROR = Reply(500, b"<html>Internal Server Error</html>", {"Content-Type": "text/html"})
BACK_SOON = Reply(200, b"<html><h1>Will be right back...</h1></html>", {"Content-Type": "text/html"})
MALFORMED = Reply(200, b'{"chart":{"result":[{"meta":{"cur', {"Content-Type": "application/json"})
EMPTY_BODY = Reply(200, b"", {"Content-Type": "application/json"})
DROPPED = Reply(drop=True)


def chart(
    symbol: str,
    rows: Sequence[Sequence[Any]],
    dividends: Mapping[date, float] | None = None,
    splits: Mapping[date, tuple[float, float]] | None = None,
    timezone: str = "Australia/Sydney",
) -> Chart:
    """Return Yahoo's answer with rows (day, open, high, low, close, volume; adjusted close, by default the close).

    Prices and volume may be None, as Yahoo's null. A day is a date, stamped 10:00 as Yahoo stamps a session that is
    over, or a datetime in the exchange's time, as Yahoo stamps the bar of an open session. Splits are
    (numerator, denominator).
    """

    def stamp(day: date) -> int:
        moment = day if isinstance(day, datetime) else datetime.combine(day, time(10))
        return int(moment.replace(tzinfo=ZoneInfo(timezone)).timestamp())

    result: dict[str, Any] = {
        "meta": {
            "currency": "AUD",
            "symbol": symbol,
            "instrumentType": "EQUITY",
            "exchangeTimezoneName": timezone,
            "priceHint": 2,
            "validRanges": ["1d", "max"],
        },
        "timestamp": [stamp(row[0]) for row in rows],
        "indicators": {
            "quote": [
                {
                    name: [row[i] for row in rows]
                    for i, name in enumerate(("open", "high", "low", "close", "volume"), start=1)
                }
            ],
            "adjclose": [{"adjclose": [row[6] if len(row) > 6 else row[4] for row in rows]}],
        },
    }
    events = {
        "dividends": {str(stamp(d)): {"amount": a, "date": stamp(d)} for d, a in (dividends or {}).items()},
        "splits": {
            str(stamp(d)): {"date": stamp(d), "numerator": n, "denominator": m, "splitRatio": f"{n}:{m}"}
            for d, (n, m) in (splits or {}).items()
        },
    }
    if any(events.values()):
        result["events"] = {kind: of for kind, of in events.items() if of}
    return {"chart": {"result": [result], "error": None}}


def recorded(path: Path) -> Chart:
    """Return a recorded body from a file, which may have the envelope of yahoo-finance2's recordings."""
    body = json.loads(path.read_text())
    if "response" in body:
        body = body["response"].get("bodyJson") or json.loads(body["response"]["body"])
    return dict(body)


def cut(body: Chart, start: int, end: int) -> Chart:
    """Return a body with the rows and events of start <= timestamp < end (seconds), in the form of Yahoo's answers."""
    (result,) = body["chart"]["result"]
    keep = [i for i, stamp in enumerate(result["timestamp"]) if start <= stamp < end]

    def kept(block: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        return {name: [values[i] for i in keep] for name, values in block.items()} if keep else {}

    events = {
        kind: {key: event for key, event in of.items() if start <= event["date"] < end}
        for kind, of in result.get("events", {}).items()
    }
    part = {"meta": result["meta"], "indicators": {k: [kept(v[0])] for k, v in result["indicators"].items()}}
    if keep:  # an answer without rows has no "timestamp" at all
        part["timestamp"] = [result["timestamp"][i] for i in keep]
    if any(events.values()):
        part["events"] = {kind: of for kind, of in events.items() if of}
    return {"chart": {"result": [part], "error": None}}


class Asked(NamedTuple):
    """One request: time (monotonic seconds), host it was meant for, path and query."""

    at: float
    host: str
    path: str
    query: dict[str, str]


class YahooReplay:
    """The server, running inside `with`. A symbol without a script is unknown to Yahoo."""

    def __init__(self) -> None:
        self.requests: list[Asked] = []
        self.latency = 0.0
        """Seconds that every answer takes, in addition to its own delay."""
        self._scripts: dict[str, list[Reply | Chart]] = {}
        self._lock = Lock()
        handler = type("Handler", (_Handler,), {"replay": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> YahooReplay:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def script(self, symbol: str, *answers: Reply | Chart) -> None:
        """Answer requests for a symbol of Yahoo ("BHP.AX") with these in order, and then always with the last one."""
        with self._lock:
            self._scripts[symbol] = list(answers)

    def charts(self, symbol: str | None = None) -> list[Asked]:
        """Return the requests for bars, of one symbol or of all."""
        path = f"/v8/finance/chart/{symbol or ''}"
        return [r for r in self.requests if (r.path == path if symbol else r.path.startswith(path))]

    def answer(self, asked: Asked) -> Reply:
        """Return the answer to a request."""
        if asked.host == "fc.yahoo.com":
            return Reply(404, b"<html></html>", {"Set-Cookie": "A3=d=replay; Max-Age=31557600; Path=/; HttpOnly"})
        if asked.path == "/v1/test/getcrumb":
            return Reply(200, b"mloUP8q7ZPH", {"Content-Type": "text/plain"})
        if not asked.path.startswith("/v8/finance/chart/"):
            return Reply(404, b"<html></html>", {"Content-Type": "text/html"})
        script = self._scripts.get(asked.path.rsplit("/", 1)[1], [NOT_FOUND])
        reply = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(reply, Reply):
            return reply
        body = cut(reply, int(asked.query.get("period1", 0)), int(asked.query.get("period2", 2**40)))
        return Reply(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def take(self, asked: Asked) -> Reply:
        """Record a request and return its answer, one request at a time."""
        with self._lock:
            self.requests.append(asked)
            return self.answer(asked)


class _Handler(BaseHTTPRequestHandler):
    replay: YahooReplay
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise each answer waits for the client's delayed ACK

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        host = self.headers.get("X-Replay-Host", "")
        reply = self.replay.take(Asked(clock.monotonic(), host, unquote(parts.path), dict(parse_qsl(parts.query))))
        clock.sleep(reply.delay + self.replay.latency)
        if reply.drop:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        try:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)
        except OSError:
            self.close_connection = True  # the client gave up waiting

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass
