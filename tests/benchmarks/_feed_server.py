"""A websocket server with Polygon's protocol in a process of its own, which sends a number of frames per second."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import websockets

from tests.pipeline.live.exchange import AUTHENTICATED, CONNECTED


async def serve(file: Path, per_second: int) -> None:
    """Serve the frames of a file, spread over each second, and print the port first."""
    frames = file.read_text().splitlines()

    async def client(socket: Any) -> None:
        await socket.send(CONNECTED)
        await socket.recv()
        await socket.send(AUTHENTICATED)
        await socket.recv()
        began = time.monotonic()
        for number, frame in enumerate(frames):
            await asyncio.sleep(max(0.0, began + number / per_second - time.monotonic()))
            await socket.send(frame)
        await socket.wait_closed()

    async with websockets.serve(client, "127.0.0.1", 0, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
