"""A websocket server with Polygon's protocol in a process of its own, which sends a number of frames per second.

Arguments: the file of frames, the frames per second, `spread` over the second or in one `burst`, and optionally a file
for the moments (`time.monotonic`) at which the frames were sent, one per line.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import websockets

from tests.pipeline.live.exchange import AUTHENTICATED, CONNECTED


async def serve(file: Path, per_second: int, is_burst: bool, times: Path | None) -> None:
    """Serve the frames of a file, and print the port first."""
    frames = file.read_text().splitlines()

    async def client(socket: Any) -> None:
        await socket.send(CONNECTED)
        await socket.recv()
        await socket.send(AUTHENTICATED)
        await socket.recv()
        began = time.monotonic() + 0.5
        sent = []
        for number, frame in enumerate(frames):
            second, rest = divmod(number, per_second)
            moment = began + second + (0 if is_burst else rest / per_second)
            if (wait := moment - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            sent.append(time.monotonic())
            await socket.send(frame)
        if times is not None:
            times.write_text("\n".join(map(repr, sent)))
        await socket.wait_closed()

    async with websockets.serve(client, "127.0.0.1", 0, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    path, rate, how, *rest = sys.argv[1:]
    asyncio.run(serve(Path(path), int(rate), how == "burst", Path(rest[0]) if rest else None))
