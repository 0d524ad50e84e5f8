"""A websocket server with Polygon's protocol in a process of its own, which cuts all connections now and then.

Arguments: a file of lines `[second, what, text]`, in the order of time, and the number of clients to wait for. What is
`frame`, which all subscribed clients get and none gets later, or `cut`: 1000 and 1001 are clean closes by that code,
`abort` ends the connection without one. After a cut, logging in takes `AWAY` seconds, as long for every client.
It prints its port, the moment of second 0 (`time.monotonic`), and at the end the connections per key.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import websockets
from websockets.asyncio.server import broadcast

from tests.pipeline.live.exchange import AUTHENTICATED, CONNECTED

AWAY = 1.0
"""Longer than our longest wait before the first attempt, so that the same events are lost to all who come back."""
MAX_START = 120.0
"""Seconds until all clients are there."""


class CutServer:
    """The clients that are subscribed, and when others may log in."""

    def __init__(self, clients: int) -> None:
        self._clients = clients
        self._subscribed: set[Any] = set()
        self._opens = 0.0
        self._all_there = asyncio.Event()
        self._connections: Counter[str] = Counter()

    async def run(self, lines: list[list[Any]]) -> None:
        """Serve the lines of a schedule, once all clients are there."""
        async with websockets.serve(self._client, "127.0.0.1", 0, compression=None) as server:
            print(server.sockets[0].getsockname()[1], flush=True)
            await asyncio.wait_for(self._all_there.wait(), MAX_START)
            began = time.monotonic()
            print(began, flush=True)
            for second, what, text in lines:
                if (wait := began + second - time.monotonic()) > 0:
                    await asyncio.sleep(wait)
                if what == "frame":
                    broadcast(self._subscribed, text)
                else:
                    self._cut(text)
            print(json.dumps(self._connections), flush=True)
            await asyncio.Event().wait()

    async def _client(self, socket: Any) -> None:
        with suppress(websockets.ConnectionClosed):
            await asyncio.sleep(max(0.0, self._opens - time.monotonic()))
            await socket.send(CONNECTED)
            key = json.loads(await socket.recv())["params"]
            await socket.send(AUTHENTICATED)
            await socket.recv()
            self._connections[key] += 1
            self._subscribed.add(socket)
            if len(self._connections) == self._clients:
                self._all_there.set()
            await socket.wait_closed()

    def _cut(self, how: str) -> None:
        self._opens = time.monotonic() + AWAY
        cut, self._subscribed = self._subscribed, set()
        for socket in cut:
            if how == "abort":
                socket.transport.abort()
            else:
                task = asyncio.ensure_future(socket.close(int(how)))
                task.add_done_callback(lambda done: done.exception())


async def _serve(file: Path, clients: int) -> None:
    await CutServer(clients).run([json.loads(line) for line in file.read_text().splitlines()])


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
