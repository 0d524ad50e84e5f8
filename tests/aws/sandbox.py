"""One execution environment of Lambda: a process with the package and its layers, and the Runtime API on loopback.

The process sees its package, its layers and the runtime client, not this checkout and its libraries. Where the machine
allows it, all of its disk but /tmp is read-only. It uses the Runtime API as it does on Lambda.
"""

from __future__ import annotations

import json
import os
import platform
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from stockstream.terraform.packages import PYTHON

BOOT = (
    "import sys; sys.path[:0] = sys.argv[1:3]; sys.path.append(sys.argv[3]);"
    "from awslambdaric.__main__ import main; main(['bootstrap', sys.argv[4]])"
)
READ_ONLY = """
    mount --rbind / / && mount -o remount,bind,ro / && mount --bind /tmp /tmp && mount -o remount,bind,rw /tmp &&
    mount --bind "$ROOT" "$ROOT" && mount -o remount,bind,ro "$ROOT" && unset ROOT && exec "$@"
"""
"""Mounts the whole disk read-only except /tmp, and the code below /tmp read-only, too."""


@dataclass(frozen=True)
class Function:
    """A deployed function: code and configuration."""

    name: str
    code: bytes
    layers: tuple[bytes, ...]
    handler: str
    environment: Mapping[str, str]
    timeout: float
    """Seconds."""
    memory: int
    """MB."""


@cache
def python() -> tuple[str, str]:
    """Return the interpreter for the packages and its version: that of the Lambda runtime if it is installed."""
    on_path = shutil.which(f"python{PYTHON}")
    installed = sorted(Path.home().glob(f".pyenv/versions/{PYTHON}*/bin/python{PYTHON}"))
    for candidate in [*filter(None, [on_path]), *map(str, installed)]:
        # The shim of an uninstalled version exists, but fails.
        if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return candidate, PYTHON
    return sys.executable, f"{sys.version_info.major}.{sys.version_info.minor}"


@cache
def disk_can_be_read_only() -> bool:
    """Return whether this machine allows a mount namespace: as root, on Linux."""
    command = ["unshare", "-m", "sh", "-c", READ_ONLY, "sh", "sh", "-c", "! touch /read-only"]
    with tempfile.TemporaryDirectory() as folder:
        try:
            return not subprocess.run(command, env={**os.environ, "ROOT": folder}, capture_output=True).returncode
        except FileNotFoundError:
            return False


def architecture() -> str:
    """Return this machine's architecture under Lambda's name."""
    return "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"


class Sandbox:
    """A process, and the server from which it polls events."""

    def __init__(self, function: Function, task: Path, opt: Path, client: Path, environment: Mapping[str, str]) -> None:
        self._work: queue.Queue[tuple[str, bytes, float, str] | None] = queue.Queue()
        self._answers: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._ready = threading.Event()
        handler = type("Handler", (_RuntimeApi,), {"work": self._work, "answers": self._answers, "ready": self._ready})
        self._server = _Server(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._position = 0
        self._began = time.monotonic()
        command = [python()[0], "-I", "-S", "-B", "-c", BOOT, str(task), f"{opt}/python", str(client), function.handler]
        self._process = subprocess.Popen(
            [*(["unshare", "-m", "sh", "-c", READ_ONLY, "sh"] if disk_can_be_read_only() else []), *command],
            cwd=task,
            env={  # no HOME
                "PATH": "/usr/bin:/bin:/usr/sbin",
                "LANG": "en_US.UTF-8",
                "TZ": ":UTC",
                "ROOT": str(task.parent),
                "LAMBDA_TASK_ROOT": str(task),
                "AWS_EXECUTION_ENV": f"AWS_Lambda_python{python()[1]}",
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
                "AWS_LAMBDA_FUNCTION_NAME": function.name,
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
                "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
                "AWS_LAMBDA_LOG_STREAM_NAME": "loopback",
                "_HANDLER": function.handler,
                **environment,
                "AWS_ACCESS_KEY_ID": function.name,  # identifies the function in the server's requests
                **function.environment,
            },
            stdout=self._log,
            stderr=self._log,
        )

    def wait_until_ready(self) -> float:
        """Wait until the process polls for an event or has ended; return the seconds since its start."""
        while not self._ready.wait(0.01) and self._process.poll() is None:
            pass
        return time.monotonic() - self._began

    def invoke(self, event: bytes, timeout: float, arn: str) -> tuple[bytes, str | None]:
        """Send one event; return the answer, and the type of the error or None."""
        if self._answers.empty():  # otherwise the initialisation has failed
            self._work.put((str(uuid.uuid4()), event, time.time() + timeout, arn))
        end = time.monotonic() + timeout
        while True:
            try:
                kind, body = self._answers.get(timeout=0.02)
            except queue.Empty:
                if self._process.poll() is not None:
                    return self._failed("Runtime.ExitError", f"exit status {self._process.returncode}")
                if time.monotonic() > end:
                    self.end()
                    return self._failed("Sandbox.Timedout", f"Task timed out after {timeout:.2f} seconds")
                continue
            if kind == "init":
                self.end()
            return body, None if kind == "response" else json.loads(body)["errorType"]

    def log(self) -> str:
        """Return what was written since the last call."""
        self._log.seek(self._position)
        text = self._log.read()
        self._position += len(text)
        return text.decode(errors="replace")

    def memory(self) -> int:
        """Return the peak memory of the process in bytes; 0 if it has ended."""
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text()
        except OSError:
            return 0
        return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)

    def cpu(self) -> float:
        """Return the processor time of the process in seconds; 0 if it has ended."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._work.put(None)
        threading.Thread(target=self._server.shutdown, daemon=True).start()

    @staticmethod
    def _failed(kind: str, message: str) -> tuple[bytes, str]:
        return json.dumps({"errorType": kind, "errorMessage": message}).encode(), kind


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Ignore the connection that a killed process leaves."""


class _RuntimeApi(BaseHTTPRequestHandler):
    """The part of Lambda's Runtime API that the client uses."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    work: queue.Queue[tuple[str, bytes, float, str] | None]
    answers: queue.Queue[tuple[str, bytes]]
    ready: threading.Event

    def do_GET(self) -> None:
        self.ready.set()
        item = self.work.get()
        if item is None:
            return
        request, event, deadline, arn = item
        self._send(
            200,
            event,
            {
                "Lambda-Runtime-Aws-Request-Id": request,
                "Lambda-Runtime-Deadline-Ms": str(int(deadline * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": arn,
                "Content-Type": "application/json",
            },
        )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or self._chunks()
        self._send(202, b'{"status": "OK"}', {})
        kind = "init" if self.path.endswith("/init/error") else self.path.rsplit("/", 1)[-1]
        self.answers.put((kind, body))
        self.ready.set()

    def _chunks(self) -> bytes:
        body = b""
        while self.headers.get("Transfer-Encoding") == "chunked":
            size = int(self.rfile.readline().strip() or b"0", 16)
            body += self.rfile.read(size)
            self.rfile.readline()
            if not size:
                break
        return body

    def _send(self, status: int, body: bytes, headers: Mapping[str, Any]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
