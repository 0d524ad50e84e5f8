"""Lambda on loopback, without Docker: the uploaded packages and layers under AWS's own runtime client, awslambdaric."""

from __future__ import annotations

import atexit
import hashlib
import io
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
import zipfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from filelock import FileLock

from stockstream.terraform.packages import LOCK, install
from tests.aws.sandbox import Function, Sandbox, architecture, python


@dataclass(frozen=True)
class Invoked:
    """One invocation: the answer, the log, and the time and memory that it used."""

    function: str
    answer: bytes
    error: str | None
    """The type of the error, or None."""
    log: str
    started: float
    """Seconds from the start of the process to its first poll; 0 for a warm environment."""
    ran: float
    """Seconds from the event to the answer."""
    memory: int
    """Peak memory of the process so far, in bytes."""
    cpu: float
    """Seconds of processor time, including those of a cold start."""
    began: float
    ended: float
    """Begin and end on the monotonic clock, including a cold start."""


def _runtime_client() -> Path:
    """Return the folder with awslambdaric alone; it is installed once and kept in `build/`."""
    version = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    folder = LOCK.parent / f"build/awslambdaric/{architecture()}-{python()[1]}-{version}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            temporary = folder.with_suffix(".tmp")
            shutil.rmtree(temporary, ignore_errors=True)
            install(["awslambdaric"], temporary, architecture(), python()[1])
            temporary.rename(folder)
    return folder


_unpacking = threading.Lock()


@cache
def _root() -> Path:
    """Return the folder for unpacked packages: what one module of tests has unpacked, the next one uses."""
    folder = Path(tempfile.mkdtemp(prefix="stockstream-lambda-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


class Lambdas:
    """All execution environments; each function has as many as it had concurrent invocations."""

    def __init__(self, environment: Mapping[str, str], compiled: bool = False) -> None:
        """Create no environment yet.

        `environment` has the variables that Lambda sets: credentials, region, endpoint. With `compiled`, Python modules
        are compiled beforehand, which halves a cold start (not on Lambda): for tests that do not measure cold starts.
        """
        self._compiled = compiled
        self.invoked: list[Invoked] = []
        self._environment = environment
        self._root = _root() / ("compiled" if compiled else "plain")
        self._idle: dict[str, list[Sandbox]] = defaultdict(list)
        self._busy: dict[str, set[Sandbox]] = defaultdict(set)
        self._lock = threading.Lock()
        self._client = _runtime_client()

    def invoke(self, function: Function, event: bytes) -> Invoked:
        """Invoke a function, in a warm environment if there is one."""
        task = self._unpacked([function.code])
        opt = self._unpacked(function.layers)
        key = json.dumps([function.name, str(task), str(opt), function.handler, dict(function.environment)])
        with self._lock:
            sandbox = self._idle[key].pop() if self._idle[key] else None
        arrived, started, used = time.monotonic(), 0.0, 0.0
        if sandbox:
            used = sandbox.cpu()
        else:
            sandbox = Sandbox(function, task, opt, self._client, self._environment)
            started = sandbox.wait_until_ready()
        with self._lock:
            self._busy[function.name].add(sandbox)
        began = time.monotonic()
        answer, error = sandbox.invoke(event, function.timeout, f"arn:aws:lambda:local:0:function:{function.name}")
        ended = time.monotonic()
        spent = (sandbox.memory(), sandbox.cpu() - used)
        invoked = Invoked(function.name, answer, error, sandbox.log(), started, ended - began, *spent, arrived, ended)
        with self._lock:
            self._busy[function.name].discard(sandbox)
            self.invoked.append(invoked)
            if sandbox.alive:
                self._idle[key].append(sandbox)
        return invoked

    def kill(self, name: str) -> None:
        """Kill the processes that run an invocation of a function: the invocation fails, and the next start is cold."""
        with self._lock:
            for sandbox in self._busy[name]:
                sandbox.kill()

    def forget(self, name: str = "") -> None:
        """End the environments of a function, or all, as Lambda does without events: the next start is cold."""
        with self._lock:
            for key in [key for key in self._idle if not name or json.loads(key)[0] == name]:
                for sandbox in self._idle.pop(key):
                    sandbox.end()

    def _unpacked(self, zips: Sequence[bytes]) -> Path:
        """Return a folder with the files of packages; in each folder they are links to those of the package."""
        hashes = [hashlib.sha256(one).hexdigest()[:16] for one in zips]
        folder = self._root / "-".join(hashes)
        with _unpacking:
            if not folder.exists():
                for one, name in zip(zips, hashes, strict=True):
                    shutil.copytree(self._package(one, name), folder, copy_function=_link, dirs_exist_ok=True)
        return folder

    def _package(self, package: bytes, name: str) -> Path:
        """Return the folder of a package, which is unpacked and compiled once for all functions."""
        folder = self._root / f"package-{name}"
        if not folder.exists():
            zipfile.ZipFile(io.BytesIO(package)).extractall(folder)
            if self._compiled:
                subprocess.run([python()[0], "-m", "compileall", "-qq", "-j", "0", folder], check=False)
        return folder


def _link(file: str, to: str) -> None:
    Path(to).unlink(missing_ok=True)  # a later package replaces the file of an earlier one
    os.link(file, to)
