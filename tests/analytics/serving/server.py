"""A server in a process of its own, as a user starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.pipeline.live.clock import command_at


@dataclass
class Server:
    """A running server: `get` asks it, and `stop` ends it as Ctrl-C does."""

    process: subprocess.Popen[str]
    log: Path
    address: str
    generation: int
    lake: str = ""

    def get(self, path: str, accept: str = "", **headers: str) -> requests.Response:
        """Return the answer to a GET."""
        return requests.get(self.address + path, headers={"Accept": accept or "*/*", **headers}, timeout=60)

    def json(self, path: str, **headers: str) -> Any:
        """Return the document of a GET that succeeds."""
        answer = self.get(path, **headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def stop(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """Send a signal; return the exit code and what the server has logged."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.communicate(timeout=60)
        return self.process.returncode, self.log.read_text()


def start(lake: Path | str, *options: str, at: int | None = None, **environment: str) -> Server:
    """Start `stockstream serve` on a free port, and wait until it listens; `at`: its clock, milliseconds since 1970."""
    program = [sys.executable, "-c", "from stockstream.analytics.cli import main; main()"]
    arguments = ["serve", "--lake", str(lake), "--port", "0", "--json"]
    command = [*program, *arguments] if at is None else command_at(at, arguments)
    log = Path(tempfile.mkdtemp()) / "log"  # no pipe, which would fill
    with log.open("w") as err:
        process = subprocess.Popen(
            [*command, *options], env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=err, text=True
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        process.wait()
        raise AssertionError(log.read_text())
    told = json.loads(line)
    return Server(process, log, told["address"], told["generation"], str(lake))
