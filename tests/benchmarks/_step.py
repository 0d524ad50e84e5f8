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
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from stockstream.pipeline.lake import Lake

ROOT = Path(__file__).parents[2]
INTERVAL = 0.1
"""Seconds between two looks at TMPDIR."""


class Needs(NamedTuple):
    """What a step needed, and its result."""

    memory: int
    """The largest number of bytes that were in memory (the resident set), libraries and interpreter included."""
    disk: int
    """The largest number of bytes below TMPDIR."""
    cpu: float
    result: dict[str, Any]


def in_process(step: str, lake: Path, event: Mapping[str, Any] | None = None) -> Needs:
    """Run a step of `pipeline/steps` in a new process.

    Raises:
        RuntimeError: it failed.
    """
    with tempfile.TemporaryDirectory(prefix="stockstream-benchmark-") as folder, tempfile.TemporaryFile() as output:
        command = [sys.executable, "-m", __spec__.name, step, str(lake), json.dumps(event or {})]
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
