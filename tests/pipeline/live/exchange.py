"""A server of the vendors' protocols on loopback: real sockets, recorded messages, and the faults of real servers."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import websockets

KEY = "good-key"
CONNECTED = '[{"ev":"status","status":"connected","message":"Connected Successfully"}]'
AUTHENTICATED = '[{"ev":"status","status":"auth_success","message":"authenticated"}]'
REFUSED = '[{"ev":"status","status":"auth_failed","message":"authentication failed"}]'
"""The vendor's own words: websocket mock of its client, and what a user logged."""


class Exchange:
    """A server of frames in parts, one per connection; `after` happens when a part is sent: close, abort or mute."""

    def __init__(self, parts: list[list[bytes]], after: list[str], pause: float = 0.0) -> None:
        """Serve nothing yet. `pause`: seconds after each frame."""
        self.parts, self.after, self.pause = parts, after, pause
        self.connections = 0
        self.subscriptions: list[str] = []
        self.url = ""

    @asynccontextmanager
    async def serving(self, handle: Callable[..., Any] | None = None) -> AsyncIterator[Exchange]:
        async with websockets.serve(handle or self._client, "127.0.0.1", 0, compression=None) as server:
            self.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/stocks"
            yield self

    @contextmanager
    def in_thread(self) -> Iterator[Exchange]:
        """Serve in a thread of its own, for clients in other processes."""
        ready, loop = threading.Event(), asyncio.new_event_loop()
        stop = asyncio.Event()

        async def serve() -> None:
            async with self.serving():
                ready.set()
                await stop.wait()

        thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
        thread.start()
        ready.wait()
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
            loop.close()

    async def _client(self, socket: Any) -> None:
        await socket.send(CONNECTED)
        if json.loads(await socket.recv())["params"] != KEY:
            await socket.send(REFUSED)
            await socket.close()
            return
        await socket.send(AUTHENTICATED)
        params = json.loads(await socket.recv())["params"]
        self.subscriptions.append(params)
        await socket.send(json.dumps([{"ev": "status", "status": "success", "message": f"subscribed to: {params}"}]))
        with suppress(websockets.ConnectionClosed):  # the client is not interested in the rest
            await self.deliver(socket)

    async def deliver(self, socket: Any) -> None:
        number, self.connections = self.connections, self.connections + 1
        if number >= len(self.parts):
            await socket.wait_closed()
            return
        for frame in self.parts[number]:
            await socket.send(frame.decode())
            if self.pause:
                await asyncio.sleep(self.pause)
        await asyncio.sleep(0.05)
        match self.after[number]:
            case "close":
                await socket.close(1001)
            case "abort":
                socket.transport.abort()
            case "mute":  # connected, with messages about the connection, and no data
                while True:
                    await socket.send('[{"ev":"status","status":"success","message":"still here"}]')
                    await asyncio.sleep(0.05)
            case _:
                await socket.wait_closed()
