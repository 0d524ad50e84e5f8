"""`/v1/ws`: a websocket with the events of `/v1/stream`, whose symbols can change while it is open.

A message of the client is {"action": "subscribe", "symbols": ["BHP"]}, the same with unsubscribe, or
{"action": "ping"}. A message of the server is a list of {"event": …, "data": …}: bar, alert, generation, status as in
`/v1/stream`, and subscribed (all symbols), pong, error.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Literal
from urllib.parse import urlsplit

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from stockstream.analytics.serving.live.board import Board
from stockstream.analytics.serving.live.listening import Stored, caller_of, check_number, listened
from stockstream.analytics.serving.live.subscriber import STALLED, Event, Subscriber, event
from stockstream.analytics.serving.parameters import Stream, parsed
from stockstream.analytics.serving.problems import Problem

logger = logging.getLogger(__name__)

MAX_MESSAGE = 64 * 1024
"""Bytes of a client's message: 500 symbols fit."""
CLOSED = {"stalled": (1013, "nothing was read"), "stopped": (1012, "the server ends")}
"""Code and reason of the end (RFC 6455, section 7.4), by the reason of the subscriber."""


class Message(msgspec.Struct, forbid_unknown_fields=True):
    """A message of the client."""

    action: Literal["subscribe", "unsubscribe", "ping"]
    symbols: list[str] = []


class Socket:
    """What is behind `/v1/ws`."""

    def __init__(self, board: Board, stored: Stored) -> None:
        self._board, self._stored = board, stored

    async def serve(self, socket: WebSocket) -> None:
        """Serve a websocket until one side closes it; it is not opened if something is wrong."""
        try:
            check_origin(socket)
            query = parsed(Stream, socket.query_params.multi_items())
            symbols = listened(self._board, self._stored(), query.symbols)
            subscriber = self._board.subscribe(caller_of(socket.scope), symbols, query.interval)
        except Problem as problem:  # starlette sends what its handlers return to requests only
            await socket.send_denial_response(problem.response())
            return
        reading: asyncio.Task[None] | None = None
        try:
            await socket.accept()
            reading = asyncio.create_task(self._read(socket, subscriber))
            reason = await subscriber.run(lambda events: _send(socket, events))
        except WebSocketDisconnect:
            return
        finally:
            self._board.remove(subscriber, "gone")
            if reading is not None:
                reading.cancel()
        if reason == "stalled":
            logger.warning("a websocket of %s ended: nothing was read for %.0f s", subscriber.caller, STALLED)
        if reason in CLOSED and socket.application_state is WebSocketState.CONNECTED:
            with suppress(TimeoutError, WebSocketDisconnect):
                async with asyncio.timeout(1.0):
                    await socket.close(*CLOSED[reason])

    async def _read(self, socket: WebSocket, subscriber: Subscriber) -> None:
        """Do what the client's messages ask for, until it closes."""
        try:
            while True:
                message = await socket.receive()
                if message["type"] == "websocket.disconnect":
                    break
                subscriber.note(self._answer(message.get("text"), subscriber), None)
        finally:
            subscriber.end("gone")

    def _answer(self, text: str | None, subscriber: Subscriber) -> Event:
        """Return the event that answers a message."""
        try:
            if text is None:
                raise Problem(422, "a message is text: JSON such as " + EXAMPLE)
            message = msgspec.json.decode(text, type=Message)
            if message.action == "ping":
                return event("pong", {})
            if not message.symbols:
                raise Problem(422, f"{message.action} needs symbols: {EXAMPLE}")
            quoted = ",".join(f'"{symbol.replace(chr(34), chr(34) * 2)}"' for symbol in message.symbols)
            symbols = listened(self._board, self._stored(), quoted)
            bars = subscriber.bars
            if message.action == "unsubscribe":
                bars.reduce(symbols)
            else:
                check_number(len({*(bars.symbols or ()), *symbols}))
                bars.extend(symbols)
            return event("subscribed", {"symbols": sorted(bars.symbols or ())})
        except msgspec.DecodeError as error:
            return event("error", {"detail": f"{error}; write JSON such as {EXAMPLE}"})
        except Problem as problem:
            return event("error", {"detail": str(problem)})


EXAMPLE = '{"action": "subscribe", "symbols": ["BHP"]}'


def check_origin(socket: WebSocket) -> None:
    """Check that a page that opens a websocket is of this server: browsers let any page do so.

    Raises:
        Problem: it is of another origin (403).
    """
    origin = socket.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != socket.headers.get("host"):
        raise Problem(403, f"a page of {origin} may not open a websocket here")


async def _send(socket: WebSocket, events: list[Event]) -> None:
    if events:  # the server's pings are the heartbeat
        await socket.send_text(_text(events))


def _text(events: list[Event]) -> str:
    return "[" + ",".join(f'{{"event":"{name}","data":{data.decode()}}}' for name, data in events) + "]"
