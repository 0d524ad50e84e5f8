"""Lambda on loopback, without Docker: the uploaded zips and layers under AWS's own runtime client, awslambdaric.

An execution environment is one process that sees its package, its layers and the client, nothing of this checkout and
its libraries; where the machine allows it, all of its disk but /tmp is read-only. It speaks the Runtime API to a server
of ours on loopback, as it does to Lambda's.
"""

from __future__ import annotations

import hashlib
import io
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
import zipfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from stockstream.terraform.packages import LOCK, PYTHON, install

BOOT = (
    "import sys; sys.path[:0] = sys.argv[1:3]; sys.path.append(sys.argv[3]);"
    "from awslambdaric.__main__ import main; main(['bootstrap', sys.argv[4]])"
)
READ_ONLY = """
    mount --rbind / / && mount -o remount,bind,ro / && mount --bind /tmp /tmp && mount -o remount,bind,rw /tmp &&
    mount --bind "$ROOT" "$ROOT" && mount -o remount,bind,ro "$ROOT" && unset ROOT && exec "$@"
"""
"""All of the disk is read-only but /tmp, and of that the code."""


@dataclass(frozen=True)
class Function:
    """What is deployed: a function's code and configuration."""

    name: str
    code: bytes
    layers: tuple[bytes, ...]
    handler: str
    environment: Mapping[str, str]
    timeout: float
    """Seconds."""
    memory: int
    """MB."""


@dataclass(frozen=True)
class Invoked:
    """One invocation: what came back, the log, and what it took, in seconds."""

    function: str
    answer: bytes
    error: str | None
    """None; or the type of the error."""
    log: str
    started: float
    """From the start of the process to its asking for work; 0 for a warm one."""
    ran: float
    memory: int
    """The most of the process so far, bytes."""
    cpu: float
    """Processor time, that of the start included where there was one."""
    began: float
    ended: float
    """When, start included, by the monotonic clock."""


@cache
def python() -> tuple[str, str]:
    """Give the interpreter for the packages, and its version: the Lambda runtime's where this machine has it."""
    found = shutil.which(f"python{PYTHON}")
    installed = sorted(Path.home().glob(f".pyenv/versions/{PYTHON}*/bin/python{PYTHON}"))
    for candidate in [*filter(None, [found]), *map(str, installed)]:
        if (
            subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0
        ):  # shims may lead nowhere
            return candidate, PYTHON
    return sys.executable, f"{sys.version_info.major}.{sys.version_info.minor}"


@cache
def disk_can_be_read_only() -> bool:
    """Whether this machine lets us have a mount namespace: as root, on Linux."""
    command = ["unshare", "-m", "sh", "-c", READ_ONLY, "sh", "sh", "-c", "! touch /read-only"]
    with tempfile.TemporaryDirectory() as folder:
        try:
            return not subprocess.run(command, env={**os.environ, "ROOT": folder}, capture_output=True).returncode
        except FileNotFoundError:
            return False


def architecture() -> str:
    """Give this machine's, as Lambda calls it."""
    return "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"


def _runtime_client() -> Path:
    """Give the folder with awslambdaric alone, installed once."""
    version = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    folder = LOCK.parent / f"build/awslambdaric/{architecture()}-{python()[1]}-{version}"
    if not folder.exists():
        aside = folder.with_suffix(".tmp")
        shutil.rmtree(aside, ignore_errors=True)
        install(["awslambdaric"], aside, architecture(), python()[1])
        aside.rename(folder)
    return folder


class Lambdas:
    """All execution environments; each function has as many as it had invocations at once."""

    def __init__(self, environment: Mapping[str, str], compiled: bool = False) -> None:
        """`environment` is what Lambda itself sets, beside its own variables: credentials, region, endpoint.

        `compiled`: Python's modules are compiled beforehand, which saves half of a cold start that Lambda does not
        save: for tests that have other questions.
        """
        self._compiled = compiled
        self.invoked: list[Invoked] = []
        self._environment = environment
        self._root = Path(tempfile.mkdtemp(prefix="stockstream-lambda-"))
        self._idle: dict[str, list[_Sandbox]] = defaultdict(list)
        self._lock = threading.Lock()
        self._client = _runtime_client()

    def invoke(self, function: Function, event: bytes) -> Invoked:
        """Run a function once, in a warm environment where there is one."""
        task = self._unpacked([function.code])
        opt = self._unpacked(function.layers)
        key = json.dumps([function.name, str(task), str(opt), function.handler, dict(function.environment)])
        with self._lock:
            sandbox = self._idle[key].pop() if self._idle[key] else None
        came, started, used = time.monotonic(), 0.0, 0.0
        if sandbox:
            used = sandbox.cpu()
        else:
            sandbox = _Sandbox(function, task, opt, self._client, self._environment)
            started = sandbox.wait_until_ready()
        began = time.monotonic()
        answer, error = sandbox.invoke(event, function.timeout, f"arn:aws:lambda:local:0:function:{function.name}")
        ended = time.monotonic()
        spent = (sandbox.memory(), sandbox.cpu() - used)
        done = Invoked(function.name, answer, error, sandbox.log(), started, ended - began, *spent, came, ended)
        with self._lock:
            self.invoked.append(done)
            if sandbox.alive:
                self._idle[key].append(sandbox)
        return done

    def forget(self) -> None:
        """End all environments, as Lambda does when nothing came for a while: the next start is a cold one."""
        with self._lock:
            for sandbox in [one for some in self._idle.values() for one in some]:
                sandbox.end()
            self._idle.clear()

    def close(self) -> None:
        self.forget()
        shutil.rmtree(self._root, ignore_errors=True)

    def _unpacked(self, zips: Sequence[bytes]) -> Path:
        folder = self._root / hashlib.sha256(b"".join(hashlib.sha256(one).digest() for one in zips)).hexdigest()[:16]
        with self._lock:
            if not folder.exists():
                for one in zips:
                    zipfile.ZipFile(io.BytesIO(one)).extractall(folder)
                if self._compiled:
                    subprocess.run([python()[0], "-m", "compileall", "-qq", "-j", "0", folder], check=False)
        return folder


class _Sandbox:
    """One execution environment: a process, and the server that it asks for work."""

    def __init__(self, function: Function, task: Path, opt: Path, client: Path, environment: Mapping[str, str]) -> None:
        self._work: queue.Queue[tuple[str, bytes, float, str] | None] = queue.Queue()
        self._answers: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._ready = threading.Event()
        handler = type("Handler", (_RuntimeApi,), {"work": self._work, "answers": self._answers, "ready": self._ready})
        self._server = _Server(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._seen = 0
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
                "AWS_ACCESS_KEY_ID": function.name,  # the server sees by it whose request it is
                **function.environment,
            },
            stdout=self._log,
            stderr=self._log,
        )

    def wait_until_ready(self) -> float:
        """Wait until the process asks for work, or is dead; give the seconds since its start."""
        while not self._ready.wait(0.01) and self._process.poll() is None:
            pass
        return time.monotonic() - self._began

    def invoke(self, event: bytes, timeout: float, arn: str) -> tuple[bytes, str | None]:
        """Hand over one event; give the answer, and the error's type if it is one."""
        if self._answers.empty():  # else it could not be initialised
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
        """Give what was written since it was last asked for."""
        self._log.seek(self._seen)
        text = self._log.read()
        self._seen += len(text)
        return text.decode(errors="replace")

    def memory(self) -> int:
        """Give the most memory that the process has had, in bytes; 0 for a dead one."""
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text()
        except OSError:
            return 0
        return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)

    def cpu(self) -> float:
        """Give the processor time that the process has had, in seconds; 0 for a dead one."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

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
        """A killed process leaves its connection."""


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
