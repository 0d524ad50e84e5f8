"""The live part of a server: its source, its board, its routes, and Redis beside it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import NoReturn

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from stockstream.analytics.serving.live import rows
from stockstream.analytics.serving.live.board import Board
from stockstream.analytics.serving.live.events import EventStream
from stockstream.analytics.serving.live.listening import Stored
from stockstream.analytics.serving.live.socket import Socket
from stockstream.analytics.serving.live.sources import Source
from stockstream.analytics.serving.problems import Problem
from stockstream.analytics.serving.tickets import SECONDS, Tickets

ABSENT = "this server has no live bars: `stockstream serve --live SOURCE` has"


@dataclass
class LivePart:
    """What `--live` adds to a server."""

    board: Board
    source: Source
    publisher: Source | None = None
    """Writes what the source delivers into Redis."""

    async def run(self, stop: asyncio.Event) -> None:
        """Receive live bars until `stop` is set."""
        self.board.attach()
        runs = [one.run(self.board, stop) for one in (self.source, self.publisher) if one is not None]
        await asyncio.gather(*runs)


def routes(part: LivePart | None, stored: Stored, tickets: Tickets) -> list[BaseRoute]:
    """Return the routes of live bars, which say so where there are none."""

    async def ticket(request: Request) -> Response:
        if part is None:
            _absent()
        text = await tickets.issue(request.state.key)
        return JSONResponse({"ticket": text, "seconds": SECONDS}, headers={"Cache-Control": "no-store"})

    if part is None:
        return [
            Route("/v1/live", _refuse, methods=["GET"]),
            Route("/v1/stream", _refuse, methods=["GET"]),
            Route("/v1/tickets", ticket, methods=["POST"]),
            WebSocketRoute("/v1/ws", _refuse_socket),
        ]
    return [
        Route("/v1/live", rows.handler(part.board, stored), methods=["GET"]),
        Route("/v1/stream", EventStream(part.board, stored), methods=["GET"]),
        Route("/v1/tickets", ticket, methods=["POST"]),
        WebSocketRoute("/v1/ws", Socket(part.board, stored).serve),
    ]


def _absent() -> NoReturn:
    raise Problem(404, ABSENT)


async def _refuse(request: Request) -> Response:
    _absent()


async def _refuse_socket(socket: WebSocket) -> None:
    await socket.send_denial_response(Problem(404, ABSENT).response())
