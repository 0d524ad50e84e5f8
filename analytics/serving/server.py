"""The server: the application behind the door, on uvicorn, until a signal arrives."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket as sockets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from stockstream.analytics.serving import login
from stockstream.analytics.serving.application import starlette_application
from stockstream.analytics.serving.backtests.opening import Backtests
from stockstream.analytics.serving.buckets import Buckets
from stockstream.analytics.serving.compression import Compressed
from stockstream.analytics.serving.door import LOOPBACK, Door
from stockstream.analytics.serving.forgery import Guard
from stockstream.analytics.serving.generations import Generations
from stockstream.analytics.serving.keys import Keys
from stockstream.analytics.serving.live.part import LivePart, routes
from stockstream.analytics.serving.live.socket import MAX_MESSAGE
from stockstream.analytics.serving.live.subscriber import STALLED
from stockstream.analytics.serving.metrics import Metrics
from stockstream.analytics.serving.session_file import SessionFile
from stockstream.analytics.serving.sessions import Sessions
from stockstream.analytics.serving.signatures import Signer
from stockstream.analytics.serving.tickets import Tickets
from stockstream.analytics.serving.time_limit import TimeLimit
from stockstream.sql.errors import StockStreamError, UsageError

if TYPE_CHECKING:
    from stockstream.analytics.serving.shared import Shared

_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<name>\[[0-9a-f:]+\]|[a-z0-9.-]+)(:\d{1,5})?", re.ASCII)
STOP_SECONDS = 3
"""Time that open requests have at the end; uvicorn would wait for open streams for ever."""


class ServerError(StockStreamError):
    """The server cannot listen."""


@dataclass(frozen=True)
class Options:
    """How a server listens, and whom it answers."""

    host: str = "127.0.0.1"
    port: int = 8000
    keys: Keys | None = None
    sessions: SessionFile = field(default_factory=SessionFile)
    """Where the browsers' sessions are kept."""
    allow_hosts: Sequence[str] = ()
    rate: float = 50.0
    """Requests per second of a caller."""
    burst: int = 200
    threads: int = 2
    query_seconds: float = 30.0
    """Time of an answer from the lake."""
    allow_origins: Sequence[str] = ()
    """Other sites whose pages may read /v1 with a key."""
    at_once: int = 100
    """Requests of a caller at the same time."""
    proxy: str | None = None
    """The address of the proxy whose X-Forwarded-Proto and X-Forwarded-For are believed."""
    sql: bool = False
    """Whether callers may send SQL."""
    backtests: Backtests | None = None
    """The folder of --backtests; None: there is none."""

    def __post_init__(self) -> None:
        for origin in self.allow_origins:
            _check_origin(origin)
        if self.allow_origins and self.keys is None:
            raise UsageError("--allow-origin without --keys: pages of other sites would read the lake without a key")
        if self.keys is None and not is_loopback(self.host):
            raise UsageError(
                f"--host {self.host} without --keys: anybody who reaches this machine could read the lake; "
                "`stockstream serve --new-key NAME` makes a key"
            )


def _check_origin(text: str) -> None:
    """Check an origin of --allow-origin: https, or http of this machine, without a path.

    Raises:
        UsageError: it is none.
    """
    match = _ORIGIN.fullmatch(text)
    if match is None or (match["scheme"] == "http" and not is_loopback(match["name"].strip("[]"))):
        raise UsageError(
            f"--allow-origin {text}: write the origin as browsers send it, https://NAME[:PORT] in small letters and "
            "without a path (http:// only for this machine)"
        )


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def build(
    generations: Generations, options: Options, live: LivePart | None = None, shared: Shared | None = None
) -> ASGIApp:
    """Return the application behind its door; the generations have been started."""
    metrics, tickets, buckets = Metrics(), Tickets(), Buckets(options.rate, options.burst)
    if shared is not None:  # its module imports redis
        tickets, buckets = shared.tickets(), shared.buckets(options.rate, options.burst)
    if live is not None:
        generations.parts["live"] = live.board.summary
    if shared is not None:
        generations.parts["redis"] = shared.summary

    async def measured(request: Request) -> Response:
        metrics.generation.set(generations.newest.generation)
        metrics.fault.set(generations.fault is not None)
        if options.keys is not None:
            metrics.keys.set(len(options.keys))
            metrics.keys_fault.set(options.keys.fault is not None)
        metrics.redis.set(shared is not None and shared.fault is None)
        text = metrics.text() + (live.board.measures.text() if live else b"")
        return Response(text, media_type="text/plain; version=0.0.4")

    limit = TimeLimit(options.query_seconds, metrics.too_long.inc)
    live_routes = routes(live, lambda: generations.newest.symbols, tickets)
    app: Starlette = starlette_application(generations, limit, options.threads, options.backtests, live, live_routes)
    app.router.routes.append(Route("/metrics", measured, methods=["GET"]))
    signer = Signer(options.sessions.secret)
    sessions = Sessions(signer, options.sessions)
    if options.keys is not None:
        app.router.routes.extend(login.routes(options.keys, sessions))
    if options.sql:
        from stockstream.analytics.serving.sql import Sql

        queries = Sql(generations)
        app.router.routes.extend(queries.routes())
        app.state.ends.append(queries.stop)
    names = {name.lower() for name in options.allow_hosts}
    return Door(
        Compressed(app),
        options.keys,
        buckets,
        metrics,
        Guard(signer, names),
        sessions,
        # With keys, a page of another site cannot ask for anything: it has no key.
        hosts=names | {*LOOPBACK} if names or options.keys is None else (),
        tickets=tickets,
        origins=options.allow_origins,
        at_once=options.at_once,
    )


async def serve(
    app: ASGIApp,
    options: Options,
    stop: asyncio.Event,
    ready: Callable[[str], Any],
    live: LivePart | None = None,
) -> None:
    """Answer requests until `stop` is set; call `ready` with the address when the server listens.

    Raises:
        ServerError: the address cannot be listened at.
    """
    config = uvicorn.Config(
        app,
        host=options.host,
        port=options.port,
        http=_protocol(),
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=options.proxy is not None,
        forwarded_allow_ips=options.proxy,
        timeout_graceful_shutdown=STOP_SECONDS,
        ws_max_size=MAX_MESSAGE,
    )
    try:
        socket = config.bind_socket()
    except SystemExit:  # uvicorn has logged why
        raise ServerError(
            f"cannot listen at {options.host}:{options.port}: is another server there? (--port)"
        ) from None
    if hasattr(sockets, "TCP_USER_TIMEOUT"):  # Linux: otherwise a reader that does not read keeps its socket for ever
        socket.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_USER_TIMEOUT, round(1000 * (STALLED + 5)))
    server = uvicorn.Server(config)
    server.capture_signals = _no_signals  # type: ignore[method-assign]  # the command handles them
    task = asyncio.create_task(server.serve([socket]))
    while not server.started and not task.done():
        await asyncio.sleep(0.005)
    host, port = socket.getsockname()[:2]
    ready(f"http://{f'[{host}]' if ':' in host else host}:{port}")
    receiving = asyncio.create_task(live.run(stop)) if live is not None else None
    waiting = asyncio.create_task(stop.wait())
    parts = {task, waiting} if receiving is None else {task, waiting, receiving}
    try:
        while not (task.done() or waiting.done()):
            done, parts = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            if receiving in done:
                receiving.result()  # a recording has ended, or there is an error of this program
    finally:
        stop.set()
        if live is not None:
            live.board.stop()
        server.should_exit = True
        await task
        if receiving is not None:
            await receiving


def _protocol() -> Any:
    """Return the protocol of connections; on Windows, h11's, which has a limit for heads of its own."""
    if find_spec("httptools") is None:
        return "auto"
    from stockstream.analytics.serving.protocol import LimitedProtocol

    return LimitedProtocol


@contextmanager
def _no_signals() -> Iterator[None]:
    yield
