"""Servers of the same bars to measure beside ours, and the CPU time that a server spends on the requests of wrk.

wrk is a package of Debian. The peers are installed into an environment of their own.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

PEERS = {"datasette": "datasette==0.65.2", "roapi": "roapi==0.12.7"}
ENVIRONMENT = Path(__file__).parents[2] / ".venv-servers"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    """What a server did under load."""

    cpu_ms: float
    """CPU time per request."""
    requests: int
    memory_mb: float
    """Resident memory at the end."""


def environment() -> Path:
    """Return the folder of the peers' programs; install them if they are not there."""
    if not (ENVIRONMENT / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
        subprocess.run([ENVIRONMENT / "bin/python", "-m", "pip", "install", "-q", *PEERS.values()], check=True)
        (ENVIRONMENT / "complete").touch()
    return ENVIRONMENT / "bin"


@contextmanager
def running(command: Sequence[str | Path], path: str, env: Mapping[str, str] = {}) -> Iterator[tuple[int, str]]:
    """Start a server whose command has PORT in place of its port; yield its process and address when it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    words = [str(word).replace("PORT", port) for word in command]
    process = subprocess.Popen(
        words, env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _await(address + path, process)
        yield process.pid, address
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def load(pid: int, address: str, paths: Sequence[str], headers: Mapping[str, str], seconds: int, folder: Path) -> Load:
    """Send requests of eight connections for some seconds, each for one of the paths at random; all must succeed."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("this benchmark needs wrk: apt-get install wrk")
    script = folder / "requests.lua"
    script.write_text(_script(paths, headers))
    command = [wrk, "-t1", "-c8", "--timeout", "30s", "-s", str(script), address]
    subprocess.run([*command, "-d1s"], check=True, capture_output=True)  # warms it
    before = _cpu(pid)
    out = subprocess.run([*command, f"-d{seconds}s"], check=True, capture_output=True, text=True).stdout
    spent, memory = _cpu(pid) - before, _memory(pid)
    count = re.search(r"(\d+) requests in", out)
    if count is None or "Non-2xx" in out or "Socket errors" in out:
        raise AssertionError(out)
    return Load(1000 * spent / int(count[1]), int(count[1]), memory)


def sqlite_of(rows: Iterable[Sequence[object]], file: Path) -> None:
    """Write bars into SQLite as its users would: one table, clustered by symbol and date."""
    with sqlite3.connect(file) as con:
        columns = "symbol TEXT, date TEXT, open REAL, high REAL, low REAL, close REAL, volume INTEGER"
        con.execute(f"CREATE TABLE bars ({columns}, PRIMARY KEY (symbol, date)) WITHOUT ROWID")
        con.executemany("INSERT INTO bars VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while True:
        try:
            answer = requests.get(url, timeout=60)
        except requests.ConnectionError:
            if process.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.1)
            continue
        if not answer.ok:
            raise AssertionError(f"{url}: {answer.status_code} {answer.text[:300]}")
        return


def _script(paths: Sequence[str], headers: Mapping[str, str]) -> str:
    listed = ",".join(f'"{path}"' for path in paths)
    fields = ",".join(f"[{name!r}]={value!r}" for name, value in headers.items())
    return (
        f"local paths = {{{listed}}}\nmath.randomseed(7)\n"
        f"request = function() return wrk.format('GET', paths[math.random(#paths)], {{{fields}}}) end\n"
    )


def _tree(pid: int) -> list[int]:
    children = [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and (stat := _stat(int(entry.name))) is not None and int(stat[1]) == pid
    ]
    return [pid, *(one for child in children for one in _tree(child))]


def _stat(pid: int) -> list[str] | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None


def _cpu(pid: int) -> float:
    stats = [stat for one in _tree(pid) if (stat := _stat(one)) is not None]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) / _TICKS


def _memory(pid: int) -> float:
    texts = [Path(f"/proc/{one}/status").read_text() for one in _tree(pid)]
    return sum(int(match[1]) for text in texts if (match := re.search(r"VmRSS:\s+(\d+)", text))) / 1024
