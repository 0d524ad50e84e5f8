"""Runs one step in a process of its own: what it needs in memory, below TMPDIR and of the processor.

python -m tests.benchmarks._step consolidate LAKE '{"full": true}'
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from stockstream.pipeline.lake import Lake

ROOT = Path(__file__).parents[2]
INTERVAL = 0.1
"""Seconds between two looks at TMPDIR."""
CGROUPS = Path("/sys/fs/cgroup/memory")
"""Where root makes memory groups (version 1 of Linux's control groups)."""


class Needs(NamedTuple):
    """What a step needed, and its result."""

    memory: int
    """The largest number of bytes that were in memory (the resident set), libraries and interpreter included."""
    disk: int
    """The largest number of bytes below TMPDIR."""
    cpu: float
    result: dict[str, Any]


def in_process(step: str, lake: Path, event: Mapping[str, Any] | None = None, limit: int | None = None) -> Needs:
    """Run a step of `pipeline/steps` in a new process, which is killed if it needs more than `limit` bytes of memory.

    The limit applies where `CGROUPS` can be written.

    Raises:
        RuntimeError: it failed, or was killed.
    """
    with (
        tempfile.TemporaryDirectory(prefix="stockstream-benchmark-") as folder,
        tempfile.TemporaryFile() as output,
        _limited_to(limit) as prefix,
    ):
        command = [*prefix, sys.executable, "-m", __spec__.name, step, str(lake), json.dumps(event or {})]
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "TMPDIR": folder}, stdout=output)
        disk = 0
        while process.poll() is None:
            disk = max(disk, _bytes_below(folder))
            time.sleep(INTERVAL)
        output.seek(0)
        text = output.read().decode()
    if process.returncode:
        raise RuntimeError(f"{step} ended with {process.returncode}: {text}")
    return Needs(disk=disk, **json.loads(text))


@contextmanager
def _limited_to(limit: int | None) -> Iterator[list[str]]:
    """Yield the words before a command that run it in a memory group with a limit; none where there can be no group."""
    if limit is None or not os.access(CGROUPS, os.W_OK):
        yield []
        return
    group = Path(tempfile.mkdtemp(prefix="stockstream-", dir=CGROUPS))
    try:
        (group / "memory.limit_in_bytes").write_text(str(limit))
        yield ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
    finally:
        group.rmdir()


def _bytes_below(folder: str) -> int:
    """Return what the files below a folder take on the disk: files of DuckDB may have holes."""
    size = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # deleted in the meantime
                size += Path(path, name).stat().st_blocks * 512
    return size


def _main(step: str, lake: str, event: str) -> None:
    result = import_module(f"stockstream.pipeline.steps.{step}").run(json.loads(event), Lake(lake))
    print(json.dumps({"memory": _peak(), "cpu": time.process_time(), "result": result}))


def _peak() -> int:
    """Return the largest number of bytes that this process had in memory.

    On Linux `getrusage` would return that of the process that started this one, if it is larger.
    """
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    _main(*sys.argv[1:])
