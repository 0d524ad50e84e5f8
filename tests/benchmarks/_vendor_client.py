"""The vendor's own client, which folds its events into bars: `python _vendor_client.py PORT once|restarted`.

`once` is the example of its README: a handler, and `run`. `restarted` is the most that a user may add without reading
its source: no limit of reconnects, and a new client whenever `run` has ended, because one that runs a second time does
not subscribe again. The open is the official one; the rest of a bar is the plain sum of what arrived.
This file imports nothing of the project, because it runs with the interpreter of `environment()`. It prints its bars
when its standard input ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

CLIENT = "polygon-api-client==1.16.3"


def environment(folder: Path) -> Path:
    """Return the interpreter of a virtual environment with the client; create it if it does not exist."""
    python = folder / "bin/python"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", CLIENT], check=True)
        (folder / "complete").touch()
    return python


class PlainBars:
    """Bars as a user of the client makes them in its handler, and whether it ended with an error."""

    def __init__(self) -> None:
        self.bars: dict[str, list[float]] = {}
        self.events = 0
        self.has_failed = False

    def handle(self, messages: list[Any]) -> None:
        for one in messages:
            self.events += 1
            bar = self.bars.get(one.symbol)
            if bar is None:
                self.bars[one.symbol] = [one.official_open_price, one.high, one.low, one.close, one.volume]
                continue
            bar[1], bar[2], bar[3] = max(bar[1], one.high), min(bar[2], one.low), one.close
            bar[4] += one.volume

    def run(self, port: str, how: str) -> None:
        from polygon import WebSocketClient

        address: dict[str, Any] = {"feed": f"127.0.0.1:{port}", "secure": False}
        options: dict[str, Any] = {} if how == "once" else {"max_reconnects": None}
        try:
            while True:
                client = WebSocketClient(api_key=how, subscriptions=["A.*"], **address, **options)
                client.run(handle_msg=self.handle)
                if how == "once":
                    return
        except Exception as error:  # whatever it is, the user would see it
            print(f"{how}: {type(error).__name__}: {error}", file=sys.stderr)
            self.has_failed = True


if __name__ == "__main__":
    plain = PlainBars()
    threading.Thread(target=plain.run, args=sys.argv[1:], daemon=True).start()
    sys.stdin.read()
    print(json.dumps({"bars": plain.bars, "events": plain.events, "has_failed": plain.has_failed}))
